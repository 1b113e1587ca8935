import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startHost, stopLab, type TestHost } from '../../host/support/host.js';
import { missingForHosts } from '../../host/support/packages.js';
import { openWindow, screenshot, type Window } from '../support/browser.js';
import { developmentPayload, startCodeServer, type CodeServer } from '../support/codeServer.js';
import { StateDirectory } from '../support/stateDirectory.js';
import { step } from '../support/steps.js';
import { Workbench } from '../support/workbench.js';

const skip = missingForHosts() ?? false;
const state = new StateDirectory();
let host: TestHost;
let server: CodeServer | undefined;
let window: Window | undefined;
let workbench: Workbench;

before(async () => {
  if (skip !== false) return;
  host = await startHost({ name: 'vscode' });
  server = await startCodeServer({ environment: state.environment });
  window = await openWindow();
  workbench = new Workbench(window.page);
});
after(async () => {
  if (skip !== false) return;
  await window?.close();
  await server?.stop();
  await state.release();
  await stopLab();
});

/** Answers one step of the series; an empty text keeps what it proposes. */
async function answerStep(count: string, text?: string): Promise<void> {
  await workbench.quickInputTitled(`(${count}/6)`).waitFor();
  if (text === undefined) await workbench.page.keyboard.press('Enter');
  else await workbench.answer(text);
}

test('a host is added step by step, tested over a real sshd, used, edited, removed and taken back', { timeout: 180_000, skip }, async () => {
  assert.ok(server && window);
  const { page, foreignRequests } = window;
  const { home, machineSettings } = server;
  const opened = window;
  const part = (name: string, action: () => Promise<void>) => step(opened, name, action);
  const knownHosts = join(home, '.ssh', 'known_hosts');
  await workbench.open(server.url(developmentPayload(server.port)));

  await part('six steps; what is wrong is told at once', async () => {
    await workbench.runCommand('C10M: Add Host');
    await answerStep('1', 'root@nowhere');
    await workbench.quickInputTitled('An address is one word').waitFor();
    await workbench.answer(host.address);
    await answerStep('2', 'lab host');
    await answerStep('3', 'root');
    await answerStep('4', '70000');
    await workbench.quickInputTitled('A port is a number from 1 to 65535').waitFor();
    await workbench.answer(String(host.port));
    await answerStep('5', host.keyFile);
    await workbench.quickInputTitled('(6/6)').waitFor();
    await workbench.pick('When it can be had');
    await workbench.openContainer('C10M');
    await workbench.treeRow('lab host').waitFor();
  });

  await part('the key of an unknown host is shown, and refusing it changes nothing', async () => {
    await testHost();
    await workbench.dialog().filter({ hasText: 'Do you trust the host' }).filter({ hasText: 'SHA256:' }).waitFor({ timeout: 40_000 });
    await screenshot(page, 'host-key-question');
    await workbench.pressInDialog('Cancel');
    await workbench.treeRow('lab host').filter({ hasText: 'not reached' }).waitFor();
    assert.doesNotMatch(host.serverLog(), /Accepted/, 'nobody logged in');
    assert.throws(() => readFileSync(knownHosts), 'nothing is remembered');
  });

  await part('a test connects, probes, and shows what the host has and holds', async () => {
    await testHost();
    await workbench.dialog().filter({ hasText: 'Do you trust the host' }).waitFor({ timeout: 40_000 });
    await workbench.pressInDialog('Trust and Connect');
    await workbench
      .treeRow('lab host')
      .filter({ hasText: /\d+ cores, .+ fits [\d,]+/ })
      .waitFor({ timeout: 60_000 });
    assert.match(readFileSync(knownHosts, 'utf8'), /ssh-ed25519|ecdsa/);
    for (const text of [/Linux \d+\.\d+/, /\d+ cores, .+ available/, /File descriptors: .+ hard/, /Node \d+/, /Largest run that fits: [\d,]+/])
      await workbench.inNotificationCenter(text);
  });

  await part('a run on it, without a question, leaves nothing there', async () => {
    await workbench.runCommand('Start C10M run');
    await workbench.pick('lab host');
    await workbench.pick('TCP');
    await workbench.answer('2000');
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 40_000 });
    await workbench.pick('Start');
    const dashboard = workbench.webview();
    await dashboard.locator('[data-c10m=established]').getByText('2,000', { exact: true }).waitFor({ timeout: 60_000 });
    await dashboard.locator('[data-c10m=stop]').click();
    await dashboard.getByText('The host is as it was found.').waitFor({ timeout: 20_000 });
    assert.equal((await host.exec('ps ax | grep -c "[a]gent.cjs"')).stdout.trim(), '0');
  });

  await part('edited: the steps begin with what is there', async () => {
    await workbench.runCommand('C10M: Edit Host');
    await workbench.pick('lab host');
    await answerStep('1');
    await answerStep('2', 'second name');
    for (const count of ['3', '4', '5']) await answerStep(count);
    await workbench.quickInputTitled('(6/6)').waitFor();
    await workbench.pick('Never');
    await workbench.treeRow('second name').waitFor();
    await workbench.treeRow('lab host').waitFor({ state: 'detached' });
    const settings = readFileSync(machineSettings, 'utf8');
    assert.match(settings, /"second name"/);
    assert.match(settings, new RegExp(`"address": "${host.address.replaceAll('.', '\\.')}"`));
    assert.match(settings, /"sudo": "never"/);
    assert.doesNotMatch(settings, /password|passphrase/i);
  });

  await part('removed, and taken back', async () => {
    await workbench.runCommand('C10M: Remove Host');
    await workbench.pick('second name');
    await workbench.treeRow('second name').waitFor({ state: 'detached' });
    await workbench.inNotificationCenter('second name was removed', 'Undo');
    await workbench.treeRow('second name').waitFor();
  });

  await part('restoring finds nothing to do', async () => {
    await workbench.runCommand('C10M: Restore Host');
    await workbench.pick('second name');
    await workbench.inNotificationCenter('no run left anything behind');
  });

  assert.deepEqual(foreignRequests, [], 'the page asks nothing outside this machine');
});

async function testHost(): Promise<void> {
  await workbench.runCommand('C10M: Test Host');
  await workbench.pick('lab host');
}
