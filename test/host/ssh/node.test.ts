import assert from 'node:assert/strict';
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { attempt } from '../support/attempt.js';
import { startHost } from '../support/host.js';
import { makeLaptop } from '../support/laptop.js';
import { missingForHosts } from '../support/packages.js';
import { describeSshCases, machineNodes, testPayload } from '../support/sshCases.js';

const nodeAt = (path: string) => `mkdir -p "$(dirname ${path})"; touch ${path}; mount --bind ${process.execPath} ${path}; rm -f ${machineNodes}`;

describeSshCases('Node on the host', [
  {
    name: 'nvm',
    host: { setup: nodeAt('/root/.nvm/versions/node/v20.1.0/bin/node') },
    expect: 'root',
    check: ({ report }) => assert.match(report!.node, /\.nvm/),
  },
  {
    name: 'volta',
    host: { setup: nodeAt('/root/.volta/tools/image/node/20.1.0/bin/node') },
    expect: 'root',
    check: ({ report }) => assert.match(report!.node, /volta/),
  },
  {
    name: 'asdf',
    host: { setup: nodeAt('/root/.asdf/installs/nodejs/20.1.0/bin/node') },
    expect: 'root',
    check: ({ report }) => assert.match(report!.node, /asdf/),
  },
  { name: '/opt', host: { setup: nodeAt('/opt/node-v20/bin/node') }, expect: 'root', check: ({ report }) => assert.match(report!.node, /^\/opt/) },
  {
    name: 'an old one on PATH, a new one in nvm',
    host: { setup: `${nodeAt('/root/.nvm/versions/node/v20.1.0/bin/node')}; printf '#!/bin/sh\\necho v18.19.0\\n' > /usr/bin/node; chmod 755 /usr/bin/node` },
    expect: 'root',
    check: ({ report }) => assert.match(report!.node, /\.nvm/),
  },
  {
    name: 'none',
    host: { setup: `rm -f ${machineNodes}` },
    expect: 'unsupported',
    asked: ['confirm'],
    says: /no Node 20 or newer/,
    check: async (_, host) => {
      assert.equal((await host.exec('ls -A /root/.cache/c10m 2>/dev/null')).stdout, '');
    },
  },
  {
    name: 'only an old one',
    host: { setup: `rm -f ${machineNodes}; printf '#!/bin/sh\\necho v18.19.0\\n' > /usr/bin/node; chmod 755 /usr/bin/node` },
    expect: 'unsupported',
    says: /v18\.19\.0/,
  },
]);

describe('Node brought to a host that has none', { skip: missingForHosts() ?? false }, () => {
  test('asked for, downloaded once, verified, used again; never without leave', async (t) => {
    const host = await startHost({ name: 'nonode', setup: `rm -f ${machineNodes}` });
    const laptop = makeLaptop();
    t.after(async () => {
      await host.stop();
      laptop.remove();
    });
    laptop.add('h', host);
    const never = await attempt('h', laptop, testPayload(), { confirm: true }, { provisionNode: 'never' });
    assert.deepEqual([never.error?.code, never.asked], ['unsupported', []]);
    const first = await attempt('h', laptop, testPayload(), { confirm: true });
    if (first.error?.message.includes('could not be downloaded') === true) {
      t.skip(`no npm registry can be reached: ${first.error.message}`);
      return;
    }
    assert.equal(first.error, undefined, first.error?.message);
    assert.deepEqual(first.asked, ['confirm']);
    assert.match(first.report!.node, /\.cache\/c10m\/node-22\.\d+\.\d+-[0-9a-f]{16}\/node$/);
    assert.match(first.log.join('\n'), /Downloading Node 22\S+: 50 %[\s\S]*Bringing Node 22\S+ to h: 50 %/);
    const second = await attempt('h', laptop, testPayload(), {}, { provisionNode: 'never' });
    assert.equal(second.report?.node, first.report!.node);
    // Another host gets it from the laptop's own copy; a damaged copy is not used.
    await host.exec('rm -rf /root/.cache');
    const third = await attempt('h', laptop, testPayload(), {}, { provisionNode: 'always', registry: 'http://127.0.0.1:9' });
    assert.equal(third.report?.node, first.report!.node);
    assert.doesNotMatch(third.log.join('\n'), /Downloading/);
    await host.exec('rm -rf /root/.cache');
    for (const name of readdirSync(join(laptop.home, '.cache/c10m/downloads'))) truncateSync(join(laptop.home, '.cache/c10m/downloads', name), 1_000_000);
    const damaged = await attempt('h', laptop, testPayload(), {}, { provisionNode: 'always', registry: 'http://127.0.0.1:9' });
    assert.match(damaged.error?.message ?? '', /could not be downloaded/);
    assert.equal((await host.exec('ls -A /root/.cache 2>/dev/null')).stdout, '');
  });
});
