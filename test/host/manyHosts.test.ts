import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RunEvent } from '../../src/protocol/events.js';
import { startHost, stopLab, type TestHost } from './support/host.js';
import { makeLaptop, type Laptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = missingForHosts() ?? (existsSync(cli) ? false : 'dist/cli.js is not built: npm run build');
const caseTimeoutMs = 120_000;

/** What a host must look like afterwards: its keys, processes of ours, and what lies in our directories but the agent itself. */
const hostState = `cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/ip_local_reserved_ports /proc/sys/net/ipv4/tcp_max_syn_backlog; ps ax | grep -c "[.]cjs"; ls /root/.local/state/c10m/runs 2>/dev/null | wc -l`;

describe('one run over several hosts', { skip }, () => {
  let laptop: Laptop;
  let hosts: TestHost[];
  before(async () => {
    laptop = makeLaptop();
    hosts = await Promise.all(['server', 'clienta', 'clientb'].map((name) => startHost({ name })));
    hosts.forEach((host) => laptop.add(host.name, host));
  });
  after(async () => {
    laptop.remove();
    await stopLab();
  });

  it('opens 30,000 connections from two client hosts to a third, whose counts add up, and leaves all three as they were', async () => {
    const before = await Promise.all(hosts.map((host) => host.exec(hostState)));
    const runs = join(laptop.home, 'runs');
    const events: RunEvent[] = [];
    let stderr = '';
    const code = await new Promise((resolve) => {
      const child = spawn(
        process.execPath,
        [
          cli,
          'run',
          '--json',
          '--runs',
          runs,
          '--host',
          'server',
          '--client-host',
          'clienta',
          '--client-host',
          'clientb',
          '--connections',
          '30k',
          '--hold',
          '3s',
        ],
        { env: laptop.environment, stdio: ['ignore', 'pipe', 'pipe'] },
      );
      const timer = setTimeout(() => child.kill('SIGKILL'), caseTimeoutMs);
      let pending = '';
      child.stdout.on('data', (chunk: Buffer) => {
        const lines = (pending + chunk.toString('utf8')).split('\n');
        pending = lines.pop() ?? '';
        for (const line of lines) events.push(JSON.parse(line) as RunEvent);
      });
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
      child.on('close', (exitCode) => {
        clearTimeout(timer);
        resolve(exitCode);
      });
    });
    const summary = events.flatMap((event) => (event.type === 'summary' ? [event.summary] : []))[0];
    assert.equal(code, 0, `${stderr} ${JSON.stringify(summary?.reason)}`);
    assert.deepEqual(summary?.walls, [], 'a healthy run names no wall');
    assert.deepEqual(
      [summary.verdict, summary.established, summary.hostRestored, summary.failed.total],
      ['finished', { server: 30_000, client: 30_000 }, true, 0],
    );
    const full = events.flatMap((event) =>
      event.type === 'sample' && event.established.client === 30_000 && event.established.server === 30_000 ? [event.hosts] : [],
    )[0];
    assert.deepEqual(
      Object.fromEntries(Object.entries(full ?? {}).map(([name, counts]) => [name, [counts.server, counts.client]])),
      { server: [30_000, 0], clienta: [0, 15_000], clientb: [0, 15_000] },
      'the counts of the hosts add up',
    );
    const [saved] = readdirSync(runs).filter((name) => name !== 'index.json');
    assert.equal(readdirSync(join(runs, saved!, 'hosts')).filter((name) => name !== 'index.json').length, 3, 'each part is saved whole');
    const afterwards = await Promise.all(hosts.map((host) => host.exec(hostState)));
    assert.deepEqual(
      afterwards.map((result) => result.stdout),
      before.map((result) => result.stdout),
    );
  });
});
