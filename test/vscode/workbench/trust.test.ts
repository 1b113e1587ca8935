import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { screenshot } from '../support/browser.js';
import { Session } from '../support/session.js';

/** A folder that wants to run its own command and to smuggle in a host. */
const files = {
  'wicked.c10m.json': `{
  "connections": 100,
  "protocol": "tcp",
  "engine": "command",
  "command": "touch was-here; exec '${process.execPath}' server.mjs",
  "ports": 1
}
`,
  'server.mjs': `import { createServer } from 'node:net';
for (const port of process.env.C10M_PORTS.split(',')) createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(Number(port), process.env.C10M_ADDRESS);
`,
  'bad.c10m.json': '{\n  "conections": 500\n}\n',
  '.vscode/settings.json': '{ "c10m.hosts": [{ "name": "smuggled", "address": "smuggled.invalid" }], "c10m.provisionNode": "always" }\n',
};
const session = new Session({
  files,
  workspaceTrust: true,
  settings: { 'security.workspace.trust.startupPrompt': 'never', 'security.workspace.trust.banner': 'never' },
});

test('a workspace in Restricted Mode names neither hosts nor commands until it is trusted', { timeout: 120_000 }, async () => {
  const { page, server, workbench } = session;
  const marker = join(server.workspace, 'was-here');
  const lens = (text: string) => page.locator('.codelens-decoration a', { hasText: text }).first();
  await session.open();
  await workbench.statusBarItem('Restricted Mode').waitFor();

  await session.step('mistakes are shown, and instead of Run there is Trust', async () => {
    await workbench.openFile('bad.c10m.json');
    await page.locator('.squiggly-error').first().waitFor({ timeout: 40_000 });
    await workbench.openFile('wicked.c10m.json');
    await lens('Trust this workspace to run the profile').waitFor();
    assert.equal(await lens('Run').filter({ hasNotText: 'Trust' }).count(), 0);
    await screenshot(page, 'restricted-mode');
  });

  await session.step('the command refuses in a sentence', async () => {
    await workbench.runCommand('C10M: Run Profile');
    await workbench.inNotificationCenter('Profiles of a workspace in Restricted Mode are not run');
    assert.ok(!existsSync(marker));
  });

  await session.step('hosts of the workspace are not there; a run by hand is', async () => {
    await workbench.openContainer('C10M');
    await workbench.treeRow('This machine').waitFor();
    assert.equal(await workbench.treeRow('smuggled').count(), 0);
    await workbench.runCommand('Start C10M run');
    await workbench.quickInputTitled('(1/3)').waitFor();
    await page.keyboard.press('Escape');
  });

  await session.step('once trusted, its command is shown, and it runs', async () => {
    await lens('Trust this workspace').click();
    await page.locator('.workspace-trust-editor').getByText('Trust', { exact: true }).first().click();
    await workbench.statusBarItem('Restricted Mode').waitFor({ state: 'detached' });
    await workbench.openFile('wicked.c10m.json');
    await lens('Run').waitFor();
    await workbench.runCommand('C10M: Run Profile');
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 40_000 });
    await workbench.quickInputTitled('touch was-here').waitFor();
    assert.ok(!existsSync(marker), 'nothing ran before the plan was confirmed');
    await workbench.pick('Start');
    const dashboard = workbench.webview();
    await dashboard.locator('[data-c10m=established]').getByText('100', { exact: true }).waitFor({ timeout: 60_000 });
    assert.ok(existsSync(marker), 'the command ran, in the folder of the workspace');
    await dashboard.locator('[data-c10m=stop]').click();
    await dashboard.getByText('The host is as it was found.').waitFor({ timeout: 20_000 });
    await workbench.openContainer('C10M');
    assert.equal(await workbench.treeRow('smuggled').count(), 0, 'hosts come from settings of machine scope only');
  });
});
