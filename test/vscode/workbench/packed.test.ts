import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openWindow, screenshot, type Window } from '../support/browser.js';
import { packedExtension, startCodeServer, type CodeServer } from '../support/codeServer.js';
import { StateDirectory } from '../support/stateDirectory.js';
import { Workbench } from '../support/workbench.js';

const state = new StateDirectory();
let server: CodeServer | undefined;
let window: Window | undefined;

before(async () => {
  server = await startCodeServer({ vsix: packedExtension(), environment: state.environment });
  window = await openWindow();
});
after(async () => {
  await window?.close();
  await server?.stop();
  await state.release();
});

test('the packed extension, installed into a clean VS Code, runs 2,000 connections on this machine', { timeout: 120_000 }, async () => {
  assert.ok(server && window);
  const workbench = new Workbench(window.page);
  try {
    await workbench.open(server.url());
    await workbench.runCommand('Start C10M run');
    await workbench.quickInputTitled('(1/3)').waitFor();
    await workbench.pick('This machine');
    await workbench.quickInputTitled('(2/3)').waitFor();
    await workbench.pick('WebSocket');
    await workbench.quickInputTitled('(3/3)').waitFor();
    await workbench.answer('2000');
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 40_000 });
    await workbench.pick('Start');
    const dashboard = workbench.webview();
    await dashboard.locator('[data-c10m=established]').getByText('2,000', { exact: true }).waitFor({ timeout: 60_000 });
    await dashboard.locator('[data-c10m=stop]').click();
    await dashboard.locator('[data-c10m=phase]').getByText('stopped', { exact: true }).waitFor({ timeout: 20_000 });
    await dashboard.getByText('The host is as it was found.').waitFor();
  } catch (error) {
    await screenshot(window.page, 'packed-failed');
    throw error;
  }
  assert.deepEqual(window.foreignRequests, [], 'the page asks nothing outside this machine');
});
