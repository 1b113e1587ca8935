import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { run, startHost, stopLab, testLab } from './support/host.js';
import { command, Lab } from './support/lab.js';
import { missingForHosts } from './support/packages.js';

const skip = missingForHosts() ?? false;
after(stopLab);

test('a host is a machine of its own that OpenSSH itself can log in to, and leaves nothing behind', { skip }, async () => {
  const plain = await startHost({ name: 'plain', users: [{ name: 'ann', sudo: 'passwordless' }], fakeSysctls: { 'fs/nr_open': '20000' } });
  const inner = await startHost({ name: 'inner', behind: plain, port: 2222 });
  const bear = await startHost({ name: 'bear', daemon: 'dropbear' });
  const ssh = (host: typeof plain, user: string, ...command: string[]) =>
    run('ssh', [
      '-F',
      'none',
      '-i',
      host.keyFile,
      '-o',
      `UserKnownHostsFile=${host.knownHostsFile}`,
      '-o',
      'BatchMode=yes',
      '-p',
      String(host.port),
      `${user}@${host.address}`,
      ...command,
    ]);
  const results = {
    root: (await ssh(plain, 'root', 'hostname; id -u')).stdout,
    sudo: (await ssh(plain, 'ann', 'sudo -n cat /proc/sys/fs/nr_open')).stdout,
    dropbear: (await ssh(bear, 'root', 'hostname')).stdout,
    innerIsNotReachable: (await ssh(inner, 'root', 'true')).code,
    innerFromPlain: (await plain.exec(`timeout 5 bash -c 'head -c 4 < /dev/tcp/${inner.address}/2222'`)).stdout,
    globalsAreReadOnly: (await plain.exec('echo 1 > /proc/sys/vm/max_map_count')).code !== 0,
  };
  assert.deepEqual(results, {
    root: 'plain\n0\n',
    sudo: '20000\n',
    dropbear: 'bear\n',
    innerIsNotReachable: 255,
    innerFromPlain: 'SSH-',
    globalsAreReadOnly: true,
  });
  assert.match(plain.serverLog(), /Accepted publickey for ann/);

  const lab = await testLab();
  await stopLab();
  const left = {
    directory: existsSync(lab.directory),
    bridge: existsSync(`/sys/class/net/${lab.bridge}`),
    namespaces: (await run('ip', ['netns', 'list'])).stdout.includes(`c10m-${lab.number}-`),
    routes: (await run('ip', ['route'])).stdout.includes(`10.211.${lab.number}.0`),
    mounts: (await run('cat', ['/proc/mounts'])).stdout.includes(lab.directory),
  };
  assert.deepEqual(left, { directory: false, bridge: false, namespaces: false, routes: false, mounts: false });
});

test('a lab passes over a bridge that is there already, whoever left it', { skip }, async () => {
  const mine = await Lab.create();
  await mine.stop();
  // What a machine keeps whose tests were all killed: a bridge without lock, process or address.
  command('ip', ['link', 'add', mine.bridge, 'type', 'bridge']);
  try {
    const [first, second] = await Promise.all([Lab.create(), Lab.create()]);
    const numbers = new Set([mine.number, first.number, second.number]);
    await Promise.all([first.stop(), second.stop()]);
    assert.equal(numbers.size, 3, 'each has a number of its own');
    assert.ok(existsSync(`/sys/class/net/${mine.bridge}`), 'what is not ours stays');
  } finally {
    command('ip', ['link', 'del', mine.bridge]);
  }
});
