import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openWindow, screenshot, type Window } from '../support/browser.js';
import { developmentPayload, startCodeServer, type CodeServer } from '../support/codeServer.js';
import { StateDirectory } from '../support/stateDirectory.js';
import { selectors, Workbench } from '../support/workbench.js';

const state = new StateDirectory();
let server: CodeServer;
let window: Window;
let workbench: Workbench;

before(async () => {
  server = await startCodeServer({ environment: state.environment });
  window = await openWindow();
  workbench = new Workbench(window.page);
});
after(async () => {
  await window.close();
  await server.stop();
  await state.release();
});

/** A part of the scenario; the next one builds on it, so a failure ends the whole, with a picture of the window. */
async function step(name: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    await screenshot(window.page, 'scenario-failed');
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

const held = (count: string) => workbench.webview().locator('[data-c10m=established]').getByText(count, { exact: true });
const phase = (name: string) => workbench.webview().locator('[data-c10m=phase]').getByText(name, { exact: true });

test('Start C10M run: plan, dashboard at 5,000, tree, hidden and shown, reload, stop, reopened', { timeout: 150_000 }, async () => {
  const { page } = window;
  await workbench.open(server.url(developmentPayload(server.port)));
  await workbench.chooseTheme('Dark Modern');

  await step('three steps and a plan', async () => {
    await workbench.runCommand('Start C10M run');
    await workbench.quickInputTitled('(1/3)').waitFor();
    await workbench.pick('This machine');
    await workbench.quickInputTitled('(2/3)').waitFor();
    await workbench.pick('TCP');
    await workbench.quickInputTitled('(3/3)').waitFor();
    await workbench.answer('0');
    await workbench.quickInputTitled('At least one connection is needed').waitFor();
    await workbench.answer('5000');
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 40_000 });
    await screenshot(page, 'plan-dark');
    await workbench.pick('Start');
  });

  await step("the dashboard's own number reaches 5,000 on both sides", async () => {
    await held('5,000').waitFor({ timeout: 60_000 });
    const dashboard = workbench.webview();
    assert.equal(await dashboard.locator('[data-c10m=established-server]').textContent(), '5,000');
    assert.equal(await dashboard.locator('[data-c10m=established-client]').textContent(), '5,000');
    await workbench.statusBarItem('5,000').waitFor();
  });

  await step('the run is in the tree while it lives', async () => {
    await workbench.openContainer('C10M');
    await workbench.treeRow('5,000 TCP connections').filter({ hasText: 'holding' }).waitFor();
    await workbench.treeRow(/^This machine/).waitFor();
    await screenshot(page, 'dashboard-dark');
  });

  await step('a new target is obeyed', async () => {
    const dashboard = workbench.webview();
    await dashboard.getByRole('textbox', { name: 'Connections' }).fill('4k');
    await dashboard.getByRole('button', { name: 'Set target' }).click();
    await held('4,000').waitFor({ timeout: 20_000 });
  });

  await step('a hidden dashboard is right at once when it is shown again', async () => {
    await workbench.runCommand('File: New Untitled Text File');
    await page.locator(selectors.editorTab).filter({ hasText: 'Untitled' }).waitFor();
    await page.locator(selectors.editorTab).filter({ hasText: '5,000 TCP' }).click();
    await held('4,000').waitFor({ timeout: 5_000 });
  });

  await step('a reloaded window attaches again', async () => {
    await workbench.reload();
    await workbench.statusBarItem('4,000').waitFor({ timeout: 40_000 });
    // The browser workbench saves its open editors now and then only; a reload in between loses the tab, never the run.
    const isTabBack = await phase('holding')
      .waitFor({ timeout: 10_000 })
      .then(
        () => true,
        () => false,
      );
    if (!isTabBack) await workbench.statusBarItem('4,000').click();
    await phase('holding').waitFor({ timeout: 30_000 });
    await held('4,000').waitFor({ timeout: 20_000 });
    // Live again, not only restored: it takes orders.
    await workbench.webview().locator('[data-c10m=stop]').waitFor();
  });

  await step('Stop is obeyed and the host is as it was found', async () => {
    await workbench.webview().locator('[data-c10m=stop]').click();
    await phase('stopped').waitFor({ timeout: 20_000 });
    await workbench.webview().getByText('The host is as it was found.').waitFor();
    await workbench.statusBarItem('4,000').waitFor({ state: 'detached', timeout: 10_000 });
  });

  await step('history survives a restart, and the run opens from the tree', async () => {
    await workbench.runCommand('View: Close Editor');
    await page.locator(selectors.webviewFrame).first().waitFor({ state: 'detached' });
    await workbench.reload();
    await workbench.openContainer('C10M');
    await workbench.treeRow('5,000 TCP connections').filter({ hasText: 'stopped' }).click();
    // A run that is over is shown at its peak.
    await held('5,000').waitFor({ timeout: 20_000 });
    await screenshot(page, 'reopened-dark');
  });

  await step('the same in a light theme', async () => {
    await workbench.chooseTheme('Light Modern');
    await workbench.webview().locator('body.vscode-light').waitFor();
    await screenshot(page, 'dashboard-light');
  });

  assert.deepEqual(window.foreignRequests, [], 'the page asks nothing outside this machine');
});
