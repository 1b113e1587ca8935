import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { screenshot } from '../support/browser.js';
import { selectors } from '../support/workbench.js';
import { Session } from '../support/session.js';

const files = {
  'small.c10m.json': '{\n  // A run of half a second.\n  "connections": 500,\n  "protocol": "tcp",\n  "hold": "1s"\n}\n',
  'bad.c10m.json': '{\n  "conections": 500,\n  "protocol": "tcp"\n}\n',
};
const session = new Session({ files });

const verdict = (name: string) => session.workbench.webview().locator('[data-c10m=verdict]').getByText(name, { exact: true });
const runRows = () => session.workbench.treeRow(/500 TCP|small|renamed/);

test('profiles, history, comparison, report and walkthrough', { timeout: 200_000 }, async () => {
  const { page, server, window, workbench } = session;
  await session.open();
  await workbench.chooseTheme('Dark Modern');

  await session.step('a mistake in a profile is a problem with its remedy', async () => {
    await workbench.openFile('bad.c10m.json');
    await page.locator('.squiggly-error').first().waitFor({ timeout: 40_000 });
    await workbench.runCommand('Problems: Focus on Problems View');
    await page.getByText('Did you mean "connections"?').first().waitFor();
    await screenshot(page, 'profile-problem');
    await workbench.runCommand('View: Toggle Panel Visibility');
  });

  await session.step('a lens runs the profile, after its plan', async () => {
    await workbench.openFile('small.c10m.json');
    await page.locator('.codelens-decoration a', { hasText: 'Check' }).first().waitFor();
    await page.locator('.codelens-decoration a', { hasText: 'Run' }).first().click();
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 40_000 });
    await workbench.pick('Start');
    await verdict('passed').waitFor({ timeout: 60_000 });
  });

  await session.step('the dashboard runs it again', async () => {
    await workbench.webview().getByRole('button', { name: 'Run again' }).click();
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 40_000 });
    await workbench.pick('Start');
    await page.locator(selectors.editorTab).filter({ hasText: 'small' }).nth(2).waitFor({ timeout: 20_000 });
    await verdict('passed').waitFor({ timeout: 60_000 });
  });

  await session.step('a new profile is written with comments and without problems', async () => {
    await workbench.runCommand('C10M: New Profile');
    await workbench.quickInputTitled('Name of the file').waitFor();
    await workbench.answer('mine');
    await page.locator(selectors.editorTab).filter({ hasText: 'mine.c10m.json' }).waitFor();
    await page.locator('.codelens-decoration a', { hasText: 'Run' }).first().waitFor();
    assert.ok(existsSync(join(server.workspace, 'mine.c10m.json')));
    assert.equal(await page.locator('.squiggly-error').count(), 0);
  });

  await session.step('history: rename, filter, delete and undo', async () => {
    await workbench.openContainer('C10M');
    await runRows().nth(1).waitFor();
    await runRows().first().click();
    await workbench.runCommand('C10M: Rename Run');
    await workbench.quickInputTitled('named after what it did').waitFor();
    await workbench.answer('renamed');
    await workbench.treeRow('renamed').waitFor();
    await page.locator(selectors.editorTab).filter({ hasText: 'renamed' }).waitFor();
    await workbench.runCommand('C10M: Filter Runs');
    await workbench.quickInputTitled('empty shows all').waitFor();
    await workbench.answer('RENAMED passed');
    await workbench.treeRow('small').waitFor({ state: 'detached' });
    await workbench.treeRow('renamed').waitFor();
    await screenshot(page, 'history-filtered');
    await workbench.runCommand('C10M: Filter Runs');
    await workbench.quickInputTitled('empty shows all').waitFor();
    await workbench.answer('');
    await workbench.treeRow('small').waitFor();
    await workbench.treeRow('renamed').click();
    await page.keyboard.press('Delete');
    await workbench.treeRow('renamed').waitFor({ state: 'detached' });
    await workbench.inNotificationCenter('The run was deleted', 'Undo');
    await workbench.treeRow('renamed').waitFor();
  });

  await session.step('two runs are compared', async () => {
    await workbench.treeRow('renamed').click();
    await workbench.treeRow('small').click({ modifiers: ['Control'] });
    await workbench.runCommand('C10M: Compare Runs');
    const panel = workbench.webview();
    await panel.getByRole('heading', { name: 'Comparison of 2 runs' }).waitFor({ timeout: 30_000 });
    await panel.locator('tr[data-metric=established]').waitFor();
    await panel.locator('canvas').first().waitFor();
    await screenshot(page, 'comparison-dark');
  });

  await session.step('a report is one file that opens without network', async () => {
    await workbench.runCommand('C10M: Export Report');
    await workbench.pick('HTML');
    await workbench.quickInputTitled('Show Local').waitFor();
    await page.locator(selectors.quickInput).getByRole('button', { name: 'OK' }).click();
    const find = () => readdirSync(server.workspace).find((file) => file.endsWith('.html'));
    for (let attempt = 0; attempt < 50 && find() === undefined; attempt++) await page.waitForTimeout(200);
    const name = find();
    assert.ok(name !== undefined, 'the report is in the workspace');
    const report = await window.context.newPage();
    const foreign: string[] = [];
    report.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) foreign.push(request.url());
    });
    await report.goto(`file://${join(server.workspace, name)}`);
    await report.locator('svg').first().waitFor();
    await screenshot(report, 'report');
    assert.deepEqual(foreign, []);
    await report.close();
  });

  await session.step('the walkthrough has its steps and pictures', async () => {
    await workbench.runCommand('Welcome: Open Walkthrough...');
    await page.locator('.quick-input-widget input').first().fill('Get started with C10M');
    await workbench.pick('Get started with C10M');
    await page.getByText('Read the ledger').first().waitFor();
    await screenshot(page, 'walkthrough');
  });

  await session.step('the same window in high contrast', async () => {
    await workbench.chooseTheme('Dark High Contrast');
    await workbench.treeRow('renamed').click();
    await workbench.webview().locator('body.vscode-high-contrast').waitFor();
    await verdict('passed').waitFor({ timeout: 20_000 });
    await screenshot(page, 'dashboard-high-contrast');
  });
  assert.deepEqual(window.foreignRequests, [], 'the page asks nothing outside this machine');
});
