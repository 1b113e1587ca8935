import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, test, type TestContext } from 'node:test';
import { attempt, open } from './support/attempt.js';
import { startHost, type HostVariants, type TestHost } from './support/host.js';
import { makeLaptop, type Laptop } from './support/laptop.js';
import { command } from './support/lab.js';
import { missingForHosts } from './support/packages.js';
import { useTestPayload } from './support/payload.js';
import { makeTestPayload, type AgentReport } from './support/testAgent.js';

const skip = missingForHosts() ?? false;
const files = useTestPayload();

const password = 'correct horse';

async function host(t: TestContext, variants: HostVariants): Promise<TestHost> {
  const started = await startHost(variants);
  t.after(() => started.stop());
  return started;
}

function laptopFor(t: TestContext): Laptop {
  const laptop = makeLaptop();
  t.after(() => laptop.remove());
  return laptop;
}

describe('jump hosts', { skip }, () => {
  test('chains, by list and by nesting, each hop by its own settings', async (t) => {
    const outer = await host(t, { name: 'outer', port: 2201, users: [{ name: 'ann', password, key: false }], sshdConfig: ['PasswordAuthentication yes'] });
    const middle = await host(t, { name: 'middle', behind: outer });
    const inner = await host(t, { name: 'inner', behind: middle, port: 2203, users: [{ name: 'ben' }] });
    const laptop = laptopFor(t);
    laptop.add('outer', outer, { user: 'ann' });
    laptop.add('middle', middle, { lines: ['ProxyJump outer'] });
    laptop.add('inner', inner, { user: 'ben', lines: ['ProxyJump middle'] });
    laptop.add('listed', inner, { user: 'ben', lines: [`ProxyJump ann@${outer.address}:2201,middle`] });
    laptop.add('direct', inner, { user: 'ben', lines: ['ConnectTimeout 2'] });
    const person = { secrets: { password: [password] } };
    const used = async (name: string) => {
      const outcome = await attempt(name, laptop, files.payload, person, { sudo: 'never' });
      return `${outcome.error?.code ?? outcome.report?.user ?? ''} ${outcome.asked.join()}`;
    };
    const found = { middle: await used('middle'), inner: await used('inner'), listed: await used('listed'), direct: await used('direct') };
    assert.deepEqual(found, { middle: 'root password', inner: 'ben password', listed: 'ben password', direct: 'unreachable ' });
    assert.match(middle.serverLog(), /Accepted publickey for root/);
  });

  test('a bad key on any hop ends it there, before anything is sent', async (t) => {
    const outer = await host(t, { name: 'o2' });
    const inner = await host(t, { name: 'i2', behind: outer });
    const laptop = laptopFor(t);
    laptop.add('o', outer);
    laptop.add('i', inner, { lines: ['ProxyJump o'] });
    const good = readFileSync(laptop.knownHostsFile, 'utf8');
    const file = join(laptop.home, 'k');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
    const wrong = readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
    const changed = (address: string) =>
      good
        .split('\n')
        .filter((line) => !line.startsWith(`${address} `))
        .concat(`${address} ${wrong}`, '')
        .join('\n');
    writeFileSync(laptop.knownHostsFile, changed(inner.address));
    const innerChanged = await attempt('i', laptop, files.payload);
    writeFileSync(laptop.knownHostsFile, changed(outer.address));
    const outerChanged = await attempt('i', laptop, files.payload);
    assert.deepEqual([innerChanged.error?.code, outerChanged.error?.code], ['accessRefused', 'accessRefused']);
    assert.ok(innerChanged.error?.message.includes(`The host key of ${inner.address} has changed`));
    assert.ok(outerChanged.error?.message.includes(`The host key of ${outer.address} has changed`));
    assert.doesNotMatch(inner.serverLog(), /Accepted|Failed/);
  });

  test('a jump host that forwards nothing, cannot reach the next, or leads in a circle', async (t) => {
    const closed = await host(t, { name: 'closed', sshdConfig: ['AllowTcpForwarding no'] });
    const laptop = laptopFor(t);
    laptop.add('closed', closed);
    const text = 'Host behind\n  HostName 127.0.0.1\n  ProxyJump closed\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n';
    appendFileSync(laptop.configFile, text);
    const behind = await attempt('behind', laptop, files.payload);
    assert.equal(behind.error?.code, 'unreachable');
    assert.match(behind.error.message, /jump host closed could not reach 127\.0\.0\.1 port 22/);
    const circle = await attempt('a', laptop, files.payload);
    assert.match(`${circle.error?.code ?? ''} ${circle.error?.message ?? ''}`, /^usage .*circle/);
  });
});

describe('deployment', { skip }, () => {
  test('once; a damaged agent is replaced; leftovers of an interrupted upload are never used', async (t) => {
    const target = await host(t, { name: 'deploy' });
    const laptop = laptopFor(t);
    laptop.add('h', target);
    const first = await attempt('h', laptop, files.payload);
    assert.match(first.log.join('\n'), /agent deployed to/);
    assert.equal((await target.exec(`find ${first.report!.directory} -name '*.map' -o -path '*musl*'`)).stdout, '', 'only what this host needs');
    const second = await attempt('h', laptop, files.payload);
    assert.match(second.log.join('\n'), /the agent is there already/);
    assert.doesNotMatch(second.log.join('\n'), /Bringing/);
    await target.exec(
      `echo damaged >> ${first.report!.directory}/agent.cjs; mkdir /root/.cache/c10m/.upload-0000; echo half > /root/.cache/c10m/.upload-0000/agent.cjs; touch -d '3 days ago' /root/.cache/c10m/.upload-0000`,
    );
    const third = await attempt('h', laptop, files.payload);
    assert.match(third.log.join('\n'), /agent deployed to/);
    assert.equal(third.report!.directory, first.report!.directory);
    assert.equal((await target.exec('ls -A /root/.cache/c10m')).stdout.trim(), first.report!.directory.split('/').pop());
    await target.exec(`rm ${first.report!.directory}/manifest.sha256`);
    assert.match((await attempt('h', laptop, files.payload)).log.join('\n'), /agent deployed to/);
  });

  test('cancelled, and cut, in the middle of an upload', async (t) => {
    const target = await host(t, { name: 'slow' });
    const laptop = laptopFor(t);
    laptop.add('h', target);
    const big = makeTestPayload(mkdtempSync(join(files.directory, 'big-')));
    writeFileSync(join(big, 'filler.bin'), randomBytes(12_000_000));
    // 8 Mbit/s: the upload takes about 12 s.
    command('tc', ['qdisc', 'add', 'dev', target.link, 'root', 'tbf', 'rate', '8mbit', 'burst', '32kbit', 'latency', '400ms']);
    const abort = new AbortController();
    const started = Date.now();
    const cancelled = attempt('h', laptop, big, {}, { signal: abort.signal, progress: (text) => / 10 %/.test(text) && abort.abort() });
    const outcome = await cancelled;
    assert.equal(outcome.error?.code, 'cancelled');
    assert.ok(Date.now() - started < 8_000, 'at once, not at the end of the upload');

    let cutAt = 0;
    const cut = await attempt(
      'h',
      laptop,
      big,
      {},
      {
        progress: (text) => {
          if (!/ 1\d %/.test(text) || cutAt !== 0) return;
          cutAt = Date.now();
          command('ip', ['link', 'set', target.link, 'down']);
        },
      },
    );
    assert.equal(cut.error?.code, 'unreachable', cut.error?.message);
    assert.ok(Date.now() - cutAt < 16_000, `told after ${Date.now() - cutAt} ms`);
    command('ip', ['link', 'set', target.link, 'up']);
    command('tc', ['qdisc', 'del', 'dev', target.link, 'root']);
    const again = await attempt('h', laptop, big);
    assert.equal(again.report?.user, 'root', again.error?.message);
  });
});

describe('link loss', { skip }, () => {
  test('a cut is told within 15 s, and the link is made anew without asking for what is known', async (t) => {
    const target = await host(t, {
      name: 'cut',
      users: [{ name: 'ann', password, sudo: 'password' }],
      sshdConfig: ['PasswordAuthentication yes', 'AuthenticationMethods publickey,password'],
    });
    const laptop = laptopFor(t);
    laptop.add('h', target, { user: 'ann' });
    const key = join(laptop.home, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret', '-f', key]);
    await target.exec('cat > /home/ann/.ssh/authorized_keys', readFileSync(`${key}.pub`, 'utf8'));
    writeFileSync(laptop.configFile, readFileSync(laptop.configFile, 'utf8').replace(/IdentityFile .*/, `IdentityFile ${key}`));
    const opened = await open('h', laptop, files.payload, { secrets: { passphrase: ['secret'], password: [password], sudo: [password] } });
    t.after(() => opened.connection.dispose());
    const asked = ['passphrase', 'password', 'sudo'];
    assert.deepEqual(opened.asked, asked);
    const closed = new Promise<string>((resolve) => opened.relay.onClose(resolve));
    const pending = opened.relay.request((id) => ({ type: 'list', id }));
    assert.equal(((await pending) as AgentReport).viaSudo, true);

    command('ip', ['link', 'set', target.link, 'down']);
    const started = Date.now();
    const lost = opened.relay.request((id) => ({ type: 'list', id }));
    const rejected = assert.rejects(lost, { code: 'unreachable' });
    assert.match(await closed, /no longer answers/);
    assert.ok(Date.now() - started < 15_500, `told after ${Date.now() - started} ms`);
    await rejected;
    await assert.rejects(opened.connection.openRelay(), { code: 'unreachable' });
    command('ip', ['link', 'set', target.link, 'up']);
    const relay = await opened.connection.openRelay();
    const report = await relay.request<AgentReport>((id) => ({ type: 'list', id }));
    assert.deepEqual([report.user, report.viaSudo, opened.asked], ['root', true, asked]);
  });

  test('a session killed on the host, and a jump host that goes away, are told at once', async (t) => {
    const outer = await host(t, { name: 'jump' });
    const inner = await host(t, { name: 'far', behind: outer });
    const laptop = laptopFor(t);
    laptop.add('jump', outer);
    laptop.add('far', inner, { lines: ['ProxyJump jump'] });
    const opened = await open('far', laptop, files.payload);
    t.after(() => opened.connection.dispose());
    const ended = (relay: typeof opened.relay) =>
      Promise.race([new Promise<string>((resolve) => relay.onClose(resolve)), delay(10_000, 'nothing was told', { ref: false })]);
    await inner.exec('kill -9 $(pgrep -f "^sshd: root")');
    assert.match(await ended(opened.relay), /closed|lost|ended/);
    const second = await opened.connection.openRelay();
    await outer.exec('kill -9 $(pgrep -f "^sshd: root")');
    assert.match(await ended(second), /jump host jump is gone|closed|lost/);
    const third = await opened.connection.openRelay();
    assert.equal((await third.request<AgentReport>((id) => ({ type: 'list', id }))).user, 'root');
    // A relay alone that dies leaves the link, and says with which code.
    await inner.exec('kill -9 $(pgrep -f "^[^ ]*node [^ ]*agent.cjs relay")');
    assert.match(await ended(third), /ended/);
    const fourth = await opened.connection.openRelay();
    await fourth.request((id) => ({ type: 'list', id }));
    // Nothing of ours is left when all is closed.
    await opened.connection.dispose();
    await delay(500);
    assert.equal((await inner.exec('pgrep -f "^[^ ]*node [^ ]*agent.cjs relay" | wc -l')).stdout.trim(), '0');
  });
});
