import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startHost, stopLab, type TestHost } from '../../host/support/host.js';
import { missingForHosts } from '../../host/support/packages.js';
import { screenshot } from '../support/browser.js';
import { Keystrokes } from '../support/keystrokes.js';
import { Session } from '../support/session.js';

const skip = missingForHosts() ?? false;
const password = 'correct horse';
const session = new Session({ skip });
let host: TestHost;

before(async () => {
  if (skip === false) host = await startHost({ name: 'vscode', users: [{ name: 'ann', password, key: false }], sshdConfig: ['PasswordAuthentication yes'] });
});
after(stopLab);

/** Answers one step of the series; an empty text keeps what it proposes. */
async function answerStep(count: string, text?: string): Promise<void> {
  const { workbench } = session;
  await workbench.quickInputTitled(`(${count}/6)`).waitFor();
  if (text === undefined) await workbench.page.keyboard.press('Enter');
  else await workbench.answer(text);
}

test('a host is added step by step, tested over a real sshd, used, edited, removed and taken back', { timeout: 180_000, skip }, async () => {
  const { page, workbench } = session;
  const { foreignRequests } = session.window;
  const { home, userSettings } = session.server;
  const knownHosts = join(home, '.ssh', 'known_hosts');
  await session.open();

  await session.step('six steps; what is wrong is told at once', async () => {
    await workbench.openContainer('C10M');
    await workbench.runCommand('C10M: Add Host');
    await answerStep('1', 'root@nowhere:99999');
    await workbench.quickInputTitled('"99999" is not a port').waitFor();
    await workbench.answer(`ssh -p ${host.port} root@${host.address}`);
    await answerStep('2', 'lab host');
    await answerStep('3');
    await answerStep('4', '70000');
    await workbench.quickInputTitled('A port is a number from 1 to 65535').waitFor();
    await workbench.answer(String(host.port));
    await answerStep('5', host.keyFile);
    await workbench.quickInputTitled('(6/6)').waitFor();
    await workbench.pick('When it is available');
    await workbench.openContainer('C10M');
    await workbench.treeRow('lab host').waitFor();
  });

  await session.step('the key of an unknown host is shown, and refusing it changes nothing', async () => {
    await testHost();
    await workbench.dialog().filter({ hasText: 'Do you trust the host' }).filter({ hasText: 'SHA256:' }).waitFor({ timeout: 40_000 });
    await screenshot(page, 'host-key-question');
    await workbench.pressInDialog('Cancel');
    await workbench.treeRow('lab host').filter({ hasText: 'access refused' }).waitFor();
    assert.doesNotMatch(host.serverLog(), /Accepted/, 'nobody logged in');
    assert.throws(() => readFileSync(knownHosts), 'nothing is remembered');
  });

  await session.step('a test connects, probes, and shows what the host has and holds', async () => {
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

  await session.step('a run on it, without a question, leaves nothing there', async () => {
    await workbench.runCommand('Start C10M run');
    await workbench.quickInputTitled('(1/3)').waitFor();
    await workbench.pick('lab host');
    await workbench.quickInputTitled('(2/3)').waitFor();
    await workbench.pick('TCP');
    await workbench.quickInputTitled('(3/3)').waitFor();
    await workbench.answer('2000');
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 40_000 });
    await workbench.pick('Start');
    const dashboard = workbench.webview();
    await dashboard.locator('[data-c10m=established]').getByText('2,000', { exact: true }).waitFor({ timeout: 60_000 });
    assert.equal(await dashboard.locator('.link-text').count(), 0, 'what was done to get there is over');
    await dashboard.locator('[data-c10m=stop]').click();
    await dashboard.getByText('The host is as it was found.').waitFor({ timeout: 20_000 });
    assert.equal((await host.exec('ps ax | grep -c "[a]gent.cjs"')).stdout.trim(), '0');
  });

  await session.step('edited: the steps begin with what is there', async () => {
    await workbench.runCommand('C10M: Edit Host');
    await workbench.pick('lab host');
    await answerStep('1');
    await answerStep('2', 'second name');
    for (const count of ['3', '4', '5']) await answerStep(count);
    await workbench.quickInputTitled('(6/6)').waitFor();
    await workbench.pick('Never');
    await workbench.treeRow('second name').waitFor();
    await workbench.treeRow('lab host').waitFor({ state: 'detached' });
    const settings = readFileSync(userSettings, 'utf8');
    assert.match(settings, /"second name"/);
    assert.match(settings, new RegExp(`"address": "${host.address.replaceAll('.', '\\.')}"`));
    assert.match(settings, /"sudo": "never"/);
    assert.doesNotMatch(settings, /password|passphrase/i);
  });

  await session.step('removed, and taken back', async () => {
    await workbench.runCommand('C10M: Remove Host');
    await workbench.pick('second name');
    await workbench.treeRow('second name').waitFor({ state: 'detached' });
    await workbench.inNotificationCenter('second name was removed', 'Undo');
    await workbench.treeRow('second name').waitFor();
  });

  await session.step('a host that is nowhere yet: ten keystrokes beside typed words at most', async () => {
    rmSync(knownHosts);
    const keys = new Keystrokes(page);
    await keys.press('F1');
    await keys.type('Start C10M run');
    await keys.enter(workbench.quickInputTitled('(1/3)'));
    await keys.type(`ssh -i ${host.keyFile} -p ${host.port} root@${host.address}`);
    await workbench.quickInputTitled('and remember it as a host').waitFor();
    await keys.enter(workbench.quickInputTitled('(2/3)'));
    await keys.enter(workbench.quickInputTitled('(3/3)'));
    await keys.type('20000');
    await workbench.quickInputTitled('20,000 connections, as fast as possible').waitFor();
    await keys.enter(workbench.dialog().filter({ hasText: 'SHA256:' }));
    await keys.enter(workbench.quickInputTitled('First wall'));
    await keys.enter(workbench.webview().locator('[data-c10m=established]').getByText('20,000', { exact: true }));
    assert.ok(keys.count <= 10, `${keys.count} keystrokes`);
    await workbench
      .treeRow(/^root@/)
      .first()
      .waitFor();
    await workbench.webview().locator('[data-c10m=stop]').click();
    await workbench.webview().getByText('The host is as it was found.').waitFor({ timeout: 20_000 });
  });

  await session.step('restoring finds nothing to do', async () => {
    await workbench.runCommand('C10M: Restore Host');
    await workbench.pick('second name');
    await workbench.inNotificationCenter('no run left anything behind');
  });

  assert.deepEqual(foreignRequests, [], 'the page asks nothing outside this machine');
});

async function testHost(name = 'lab host'): Promise<void> {
  await session.workbench.runCommand('C10M: Test Host');
  await session.workbench.pick(name);
}

test('a password is asked for, kept only when the user says so, and forgotten with its host', { timeout: 120_000, skip }, async () => {
  const { page, server, workbench } = session;
  const { userSettings, userData } = server;
  const logins = () => host.serverLog().split('Accepted password for ann').length - 1;
  const loggedIn = async (count: number) => {
    for (let attempt = 0; attempt < 200 && logins() < count; attempt++) await page.waitForTimeout(100);
    assert.equal(logins(), count);
  };
  const tested = () =>
    workbench
      .treeRow('ann there')
      .filter({ hasText: /\d+ cores/ })
      .waitFor({ timeout: 60_000 });
  const saved = [{ name: 'ann there', address: host.address, user: 'ann', sudo: 'never' }];
  const before = JSON.parse(readFileSync(userSettings, 'utf8')) as object;
  writeFileSync(userSettings, JSON.stringify({ ...before, 'c10m.hosts': saved }));
  // Written behind the workbench's back: it reads its own settings when it opens.
  await workbench.reload();
  await workbench.openContainer('C10M');
  await workbench.treeRow('ann there').waitFor();

  await session.step('a wrong one is asked for again; the right one is kept when asked to', async () => {
    await testHost('ann there');
    await workbench.quickInputTitled('Password of ann@').waitFor({ timeout: 40_000 });
    await workbench.answer('wrong');
    await workbench.pick('Remember');
    await workbench.quickInputTitled('The password was wrong').waitFor({ timeout: 40_000 });
    await workbench.answer(password);
    await workbench.pick('Remember');
    await tested();
    await loggedIn(1);
  });

  await session.step('the next time there is no question, and no other login', async () => {
    await testHost('ann there');
    await workbench.inNotificationCenter(/ann there: .*Largest run that fits/);
  });

  await session.step('removed and taken back: it is asked for again', async () => {
    // The list of messages is virtual: what is not on its screen does not exist.
    await workbench.runCommand('Notifications: Clear All Notifications');
    await workbench.runCommand('C10M: Remove Host');
    await workbench.pick('ann there');
    await workbench.inNotificationCenter('The passwords kept for it were forgotten', 'Undo');
    await workbench.treeRow('ann there').waitFor();
    await testHost('ann there');
    await workbench.quickInputTitled('Log in to').waitFor({ timeout: 40_000 });
    await page.keyboard.press('Escape');
    await workbench.treeRow('ann there').filter({ hasText: 'access refused' }).waitFor();
  });

  const { stdout } = spawnSync('grep', ['-rlaF', password, userData, server.home, server.workspace, server.logFile, session.state.path], { encoding: 'utf8' });
  assert.equal(stdout, '', 'it is in no file, setting or log');
});
