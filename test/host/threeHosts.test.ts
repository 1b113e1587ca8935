import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { HumanError, messageOf } from '../../src/core/errors.js';
import { RunStore } from '../../src/history/store.js';
import type { RunEvent, Summary } from '../../src/protocol/events.js';
import type { HostLease } from '../../src/run/hostPool.js';
import type { Run } from '../../src/run/run.js';
import { inPhase, openWindow, seen, type TestWindow, until } from './support/heldRun.js';
import { startHost, stopLab, type TestHost } from './support/host.js';
import { command } from './support/lab.js';
import { makeLaptop, type Laptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';

const skip = missingForHosts() ?? (existsSync(join(import.meta.dirname, '..', '..', 'dist', 'host', 'agent.cjs')) ? false : 'dist is not built: npm run build');
/** `npm run test:runs`: every row, with cuts of a minute. Otherwise one of each kind, with a cut that is just noticed. */
const isWhole = process.env['C10M_ALL_RUNS'] === '1';
const cutSeconds = isWhole ? 60 : 14;
const rowTimeoutMs = 240_000;
const names = ['server', 'clienta', 'clientb'] as const;

/** What a host must look like afterwards: its keys, processes of ours, and runs that it keeps. */
const hostState = `cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/tcp_max_syn_backlog; pgrep -fc "(agent|worker)[.]cjs (supervise|guard)|[w]orker[.]cjs"; ls /root/.local/state/c10m/runs 2>/dev/null | wc -l`;

describe('one run over three hosts', { skip }, () => {
  let laptop: Laptop;
  let window: TestWindow;
  let hosts: TestHost[];
  before(async () => {
    laptop = makeLaptop();
    hosts = await Promise.all(names.map((name) => startHost({ name })));
    for (const host of hosts) laptop.add(host.name, host);
    window = openWindow(laptop);
  });
  after(async () => {
    await window.close();
    laptop.remove();
    await stopLab();
  });

  const threeHosts = { host: 'server', clientHosts: ['clienta', 'clientb'] };
  const states = () => Promise.all(hosts.map(async (host) => (await host.exec(hostState)).stdout));
  /** As before; a process may take a moment to be gone. */
  async function assertAsBefore(before: string[]): Promise<void> {
    await until(async () => JSON.stringify(await states()) === JSON.stringify(before), 10).catch(async () => assert.deepEqual(await states(), before));
  }

  const cuts: [name: string, isQuick: boolean][] = [
    ['server', false],
    ['clienta', true],
    ['clientb', false],
  ];
  for (const [name, isQuick] of cuts) {
    it(`survives a cut of ${cutSeconds} s of ${name}`, { timeout: rowTimeoutMs, skip: !isWhole && !isQuick }, async () => {
      const before = await states();
      const run = window.run({ ...threeHosts, holdSeconds: cutSeconds + 8 });
      const summary = run.start(new AbortController().signal);
      await Promise.race([seen(run, inPhase('holding')), summary]);
      const { link } = hosts.find((host) => host.name === name)!;
      const lost: string[] = [];
      run.onEvent((event) => event.type === 'link' && lost.push(event.lost === undefined ? 'back' : 'lost'));
      command('ip', ['link', 'set', link, 'down']);
      try {
        await delay(cutSeconds * 1_000);
      } finally {
        command('ip', ['link', 'set', link, 'up']);
      }
      const { verdict, reason, established, hostRestored, endSeen } = await summary;
      assert.deepEqual(
        { verdict, reason, established, hostRestored, endSeen },
        { verdict: 'finished', reason: undefined, established: { server: 600, client: 600 }, hostRestored: true, endSeen: true },
      );
      assert.deepEqual([lost[0], lost.at(-1)], ['lost', 'back'], 'it was noticed, and is over');
      for (const part of ['server', 'client1', 'client2']) assert.deepEqual(gapsOf(await partEvents(run, part)), [], `${part} is saved whole`);
      await assertAsBefore(before);
    });
  }

  const partEvents = (run: Run, part: string): Promise<RunEvent[]> => new RunStore(join(run.directory, 'hosts')).events(`${run.id}-${part}`);
  const gapsOf = (events: readonly RunEvent[]) => events.filter((event, index) => event.seq !== index + 1).map(({ seq }) => seq);

  /** A lease that says when a relay is asked for: of which host, and for which time. */
  const leasing = (onAsk: (name: string, count: number) => void) => {
    const counts = new Map<string, number>();
    return (name: string): HostLease => {
      const lease = window.pool.lease(name);
      return {
        openRelay: (signal) => {
          const count = (counts.get(name) ?? 0) + 1;
          counts.set(name, count);
          onAsk(name, count);
          return lease.openRelay(signal);
        },
        release: () => lease.release(),
      };
    };
  };
  /** Which relay of which host: the first is for the probe, the second for the run. */
  const asking = (host: string, which: number) => (run: () => Run) =>
    leasing((name, count) => {
      // In the middle of it, not before it.
      if (name === host && count === which) setTimeout(() => run().stop(), 20);
    });
  const onEvent = (what: (event: RunEvent) => boolean) => (run: Run) => run.onEvent((event) => 'seq' in event && what(event) && run.stop());

  interface StopRow {
    name: string;
    isQuick?: boolean;
    /** How the stop comes: with a relay that is asked for, or with an event of the run. */
    lease?: ReturnType<typeof asking>;
    listen?: (run: Run) => unknown;
    expected: 'cancelled' | 'stopped' | 'finished';
  }
  const stops: StopRow[] = [
    { name: 'while the first host is probed', lease: asking('server', 1), expected: 'cancelled' },
    { name: 'while the last host is probed', isQuick: true, lease: asking('clientb', 1), expected: 'cancelled' },
    { name: 'while the server host is connected to', lease: asking('server', 2), expected: 'stopped' },
    {
      name: 'while the servers start',
      isQuick: true,
      listen: onEvent((event) => event.type === 'worker' && event.id.startsWith('server/')),
      expected: 'stopped',
    },
    { name: 'while a client host is connected to', lease: asking('clientb', 2), expected: 'stopped' },
    { name: 'while the clients start', listen: onEvent((event) => event.type === 'worker' && event.id.startsWith('clienta/')), expected: 'stopped' },
    {
      name: 'while it ramps',
      listen: onEvent((event) => event.type === 'sample' && event.phase === 'ramping' && event.established.client > 0),
      expected: 'stopped',
    },
    { name: 'while it holds', isQuick: true, listen: onEvent(inPhase('holding')), expected: 'stopped' },
    { name: 'while it drains', listen: onEvent(inPhase('draining')), expected: 'stopped' },
    { name: 'while the hosts are restored', listen: onEvent(inPhase('restoring')), expected: 'finished' },
  ];
  for (const { name, isQuick = false, lease, listen, expected } of stops) {
    it(`obeys a stop ${name}`, { timeout: rowTimeoutMs, skip: !isWhole && !isQuick }, async () => {
      const before = await states();
      const holdSeconds = expected === 'finished' || name.includes('drains') ? 1 : 60;
      const begun: { run?: Run } = {};
      const run = window.run({ ...threeHosts, rate: 200, holdSeconds }, lease === undefined ? {} : { lease: lease(() => begun.run!) });
      begun.run = run;
      listen?.(run);
      let stoppedAt = 0;
      run.onEvent(() => (stoppedAt ||= stopOf(run)));
      const end = await run.start(new AbortController().signal).catch((error: unknown) => (error instanceof HumanError ? error.code : messageOf(error)));
      const tookMs = stoppedAt === 0 ? 0 : performance.now() - stoppedAt;
      assert.equal(typeof end === 'string' ? end : end.verdict, expected, JSON.stringify(typeof end === 'string' ? end : end.reason));
      if (typeof end !== 'string') assert.deepEqual([end.hostRestored, end.endSeen], [true, true], (end satisfies Summary).reason);
      assert.ok(
        run.links.every(({ state }) => state.is === 'ended'),
        JSON.stringify(run.links),
      );
      assert.ok(tookMs < 30_000, `${tookMs.toFixed(0)} ms`);
      await assertAsBefore(before);
    });
  }
  const stopOf = (run: Run) => (run.links.some(({ state }) => 'stop' in state) ? performance.now() : 0);

  it('is taken up by a window that was reloaded, while one host is out of reach', { timeout: rowTimeoutMs, skip: !isWhole }, async () => {
    const before = await states();
    const first = window.run({ ...threeHosts, holdSeconds: 45 });
    const letGo = assert.rejects(first.start(new AbortController().signal), { code: 'cancelled' });
    await seen(first, inPhase('holding'));
    first.detach();
    await letGo;
    const { link } = hosts[1]!;
    command('ip', ['link', 'set', link, 'down']);
    const second = window.run({}, { id: first.id });
    const summary = second.resume(new AbortController().signal);
    await delay((cutSeconds / 3) * 1_000);
    command('ip', ['link', 'set', link, 'up']);
    const { verdict, reason, established, hostRestored } = await summary;
    assert.deepEqual([verdict, reason, established, hostRestored], ['finished', undefined, { server: 600, client: 600 }, true]);
    await assertAsBefore(before);
  });
});
