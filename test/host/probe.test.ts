import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import type { HostFacts } from '../../src/protocol/facts.js';
import { command } from './support/lab.js';
import { missingForHosts } from './support/packages.js';

const cli = resolve('dist/cli.js');
const skip = missingForHosts() ?? (existsSync(cli) ? false : 'dist/cli.js is not built: npm run build');

/** Facts of a host that is a network namespace, after these commands in it. */
function factsAfter(name: string, setUp: readonly string[]): HostFacts {
  const namespace = `c10m-probe-${process.pid}-${name}`;
  command('ip', ['netns', 'add', namespace]);
  try {
    for (const line of ['ip link set lo up', ...setUp]) command('ip', ['netns', 'exec', namespace, 'sh', '-c', line]);
    const enter = [`--net=/run/netns/${namespace}`, process.execPath, cli, 'check', '--connections', '1k', '--isolation', 'host', '--json'];
    const { stdout, stderr } = spawnSync('nsenter', enter, { encoding: 'utf8', timeout: 30_000 });
    assert.ok(stdout !== '', stderr);
    return (JSON.parse(stdout) as { facts: HostFacts }).facts;
  } finally {
    command('ip', ['netns', 'del', namespace]);
  }
}

const rules = ['nft add table ip test', 'nft add chain ip test in "{ type filter hook input priority 0; }"', 'nft add rule ip test in ct state new accept'];
const noConntrack = existsSync('/proc/sys/net/netfilter/nf_conntrack_max') ? false : 'connection tracking is not loaded here';

describe('facts of a host', { skip }, () => {
  const cases: [string, readonly string[], boolean][] = [
    ['no rules', [], false],
    ['a rule that asks for the state of connections', rules, true],
    [
      'such a rule, but loopback is left out',
      [
        ...rules,
        'nft add chain ip test raw "{ type filter hook prerouting priority -300; }"',
        'nft add chain ip test rawout "{ type filter hook output priority -300; }"',
        'nft add rule ip test raw iif lo notrack',
        'nft add rule ip test rawout oif lo notrack',
      ],
      false,
    ],
  ];
  for (const [index, [title, setUp, isTracked]] of cases.entries()) {
    it(`connection tracking: ${title}`, { skip: noConntrack }, () => {
      assert.equal(factsAfter(String(index), setUp).conntrack !== null, isTracked);
    });
  }
});
