import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FrameLocator, Locator } from 'playwright-core';
import { screenshot } from '../support/browser.js';
import { syntheticSavedRun } from '../support/syntheticRun.js';
import { selectors } from '../support/workbench.js';
import { Session } from '../support/session.js';

const session = new Session({
  isPacked: true,
  isOpen: true,
  prepare: (store) => {
    for (const id of ['20261123-040000-aaaaaa', '20261123-050000-bbbbbb']) {
      const { run, samples } = syntheticSavedRun(id, 1);
      const writer = store.create(run);
      for (const sample of samples) writer.append(sample);
      writer.close();
    }
  },
});

test('the page of the extension shows no broken picture', { timeout: 90_000 }, async () => {
  const { page, workbench } = session;
  await session.step('the README', async () => {
    await workbench.runCommand('Extensions: Show Installed Extensions');
    await page.locator('.extension-list-item').filter({ hasText: 'C10M' }).first().click();
    const readme: FrameLocator = workbench.webview();
    await readme.getByRole('heading', { name: 'In the terminal' }).waitFor({ timeout: 30_000 });
    const broken = await readme.locator('img').evaluateAll((all) => all.filter((picture) => (picture as HTMLImageElement).naturalWidth === 0).length);
    assert.equal(broken, 0);
    await screenshot(page, 'extension-page');
    await workbench.runCommand('View: Close All Editors');
  });
});

/** What each button of the walkthrough leads to. */
const buttons: [step: string, button: string, leadsTo: () => Locator][] = [
  ['Add a host', 'Add a Host', () => session.workbench.quickInputTitled('Add host')],
  ['Add a host', 'Test a Host', () => session.workbench.quickInputTitled('Test host')],
  ['Start the first run', 'Start C10M Run', () => session.workbench.quickInputTitled('(1/3)')],
  ['Compare two runs', 'Compare Runs', () => session.workbench.quickInputTitled('Choose the runs to compare')],
  ['Read the ledger', 'Open the Dashboard', () => session.workbench.webview().locator('[data-c10m=verdict]')],
];

for (const [theme, body] of [
  ['Dark Modern', 'dark'],
  ['Light Modern', 'light'],
] as const) {
  test(`the walkthrough in ${theme}: pictures, texts, buttons`, { timeout: 120_000 }, async () => {
    const { page, workbench } = session;
    await workbench.chooseTheme(theme);
    await workbench.runCommand('Welcome: Open Walkthrough...');
    await page.locator(selectors.quickInputBox).first().fill('Get started with C10M');
    await workbench.pick('Get started with C10M');
    const title = (name: string) => page.locator('.getting-started-step h3').filter({ hasText: name }).first();
    for (const [name, button, leadsTo] of buttons) {
      await session.step(`${name}, ${button}, ${body}`, async () => {
        await title(name).waitFor();
        const entry = page.locator('.getting-started-step').filter({ hasText: name }).first();
        if (!(await entry.getAttribute('class'))?.includes('expanded')) await title(name).click();
        const picture = page.locator('.getting-started-media img');
        await picture.waitFor();
        await page.waitForFunction(() =>
          [...document.querySelectorAll<HTMLImageElement>('.getting-started-media img')].every((image) => image.naturalWidth > 0),
        );
        assert.match((await picture.getAttribute('srcset')) ?? '', new RegExp(`-${body}\\.png`));
        assert.ok(((await picture.getAttribute('alt')) ?? '').length > 20);
        assert.doesNotMatch((await entry.textContent()) ?? '', /`|command:|%/);
        await screenshot(page, `walkthrough-${button.replaceAll(' ', '-').toLowerCase()}-${body}`);
        await entry.getByRole('button', { name: button, exact: true }).click();
        await leadsTo().first().waitFor({ timeout: 20_000 });
        await page.keyboard.press('Escape');
      });
    }
    await workbench.runCommand('View: Close All Editors');
  });
}

test('a chart of the dashboard is copied, or saved where the browser refuses', { timeout: 60_000 }, async () => {
  const { page, workbench } = session;
  await session.step('an image of a chart', async () => {
    await workbench.runCommand('C10M: Open Dashboard');
    const panel = workbench.webview();
    await panel.locator('canvas').first().waitFor({ timeout: 30_000 });
    await panel.getByRole('button', { name: 'Copy PNG of Connections' }).click();
    const dialog = workbench.quickInputTitled('Show Local');
    const outcome = await Promise.race([
      panel
        .locator('.notice')
        .getByText('The image is on the clipboard.')
        .waitFor()
        .then(() => 'copied'),
      dialog.waitFor().then(() => 'asked'),
    ]);
    if (outcome === 'asked') {
      await page.locator(selectors.quickInput).getByRole('button', { name: 'OK' }).click();
      await panel.locator('.notice').getByText('The image was saved.').waitFor();
      const [name] = readdirSync(session.server.workspace).filter((file) => file.endsWith('.png'));
      assert.equal(name, '20261123-050000-bbbbbb-connections.png');
      assert.equal(readFileSync(join(session.server.workspace, name)).subarray(1, 4).toString(), 'PNG');
    }
  });
});
