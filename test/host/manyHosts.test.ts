import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { RunStore } from '../../src/history/store.js';
import type { RunEvent } from '../../src/protocol/events.js';
import { HostPool } from '../../src/run/hostPool.js';
import { Run } from '../../src/run/run.js';
import type { Prompts } from '../../src/transport/contract.js';
import { connectHost } from '../../src/transport/transport.js';
import { testEnvironment } from './support/attempt.js';
import { startHost, stopLab, type TestHost } from './support/host.js';
import { makeLaptop, type Laptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = missingForHosts() ?? (existsSync(cli) ? false : 'dist/cli.js is not built: npm run build');
const caseTimeoutMs = 120_000;

/** What a host must look like afterwards: its keys, processes of ours, and what lies in our directories but the agent itself. */
const hostState = `cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/ip_local_reserved_ports /proc/sys/net/ipv4/tcp_max_syn_backlog; ps ax | grep -c "[.]cjs"; ls /root/.local/state/c10m/runs 2>/dev/null | wc -l`;

/** Nobody is there to be asked: the keys of the hosts are known. */
const nobody: Prompts = { confirmHostKey: () => Promise.resolve(false), secret: () => Promise.resolve(undefined), confirm: () => Promise.resolve(false) };

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

  /** The command as a user runs it, with the two client hosts. */
  function startRun(
    runs: string,
    options: string[],
  ): {
    child: ChildProcess;
    events: RunEvent[];
    ended: Promise<{ code: number | null; stderr: string }>;
    seen: (what: (event: RunEvent) => boolean) => Promise<void>;
  } {
    const events: RunEvent[] = [];
    let stderr = '';
    const hostOptions = ['--host', 'server', '--client-host', 'clienta', '--client-host', 'clientb'];
    const child = spawn(process.execPath, [cli, 'run', '--json', '--runs', runs, ...hostOptions, ...options], {
      env: laptop.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), caseTimeoutMs);
    let pending = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (pending + chunk.toString('utf8')).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) events.push(JSON.parse(line) as RunEvent);
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
      child.on('close', (code) => {
        clearTimeout(timer);
        resolve({ code, stderr });
      });
    });
    const seen = async (what: (event: RunEvent) => boolean): Promise<void> => {
      while (!events.some(what)) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended too early: ${stderr}`);
        await delay(50);
      }
    };
    return { child, events, ended, seen };
  }

  it('accounts for each message of all hosts: half of them have no echo, and count with their age', { timeout: caseTimeoutMs }, async () => {
    const server = `FAULT=halfEcho ${process.execPath} ${join(import.meta.dirname, 'support', 'faultServer.mjs')}`;
    const options = ['--connections', '400', '--ports', '1', '--engine', 'command', '--command', server, '--traffic', '64/1s', '--hold', '6s'];
    const { events, ended } = startRun(join(laptop.home, 'runs-half'), [...options, '--threshold', 'messages.unanswered==0']);
    const { code, stderr } = await ended;
    const summary = events.findLast((event) => event.type === 'summary')?.summary;
    const { planned = 0, total = 0, unanswered = 0, lost = 0 } = summary?.messages ?? {};
    assert.equal(code, 99, stderr);
    assert.ok(planned > 2_000 && planned === total + unanswered + lost, JSON.stringify(summary?.messages));
    assert.ok(Math.abs(unanswered - planned / 2) < planned * 0.05, JSON.stringify(summary?.messages));
    assert.deepEqual([summary?.latency?.count, summary?.latency?.unanswered], [planned, unanswered + lost]);
    assert.ok(summary!.latency!.max > 5_000 && summary!.latency!.p99 > 4_000, JSON.stringify(summary?.latency));
  });

  it('is followed again after its window was killed, and after another let go of it, to its end', async () => {
    const before = await Promise.all(hosts.map((host) => host.exec(hostState)));
    const runs = join(laptop.home, 'runs-followed');
    // At a rate that a busy machine accepts too: this is about the window, not about the accept queue.
    const first = startRun(runs, ['--connections', '4k', '--rate', '2k', '--hold', '25s']);
    await first.seen((event) => event.type === 'phase' && event.phase === 'holding');
    await first.seen((event) => event.type === 'sample' && event.established.client === 4_000 && event.established.server === 4_000);
    first.child.kill('SIGKILL');
    await first.ended;
    await delay(3_000);

    const store = new RunStore(runs);
    const runId = store.list()[0]!.id;
    const abort = new AbortController();
    const pool = new HostPool((name, { signal, progress }) =>
      connectHost(name, {
        payloadDirectory: join(import.meta.dirname, '..', '..', 'dist', 'host'),
        environment: testEnvironment(laptop),
        prompts: nobody,
        signal,
        log: () => undefined,
        progress,
        inform: () => undefined,
      }),
    );
    const takeUp = () =>
      new Run({ lease: (name) => pool.lease(name), store, version: 'test', owner: 'tester@laptop', log: () => undefined }, store.read(runId).spec, runId);

    // A window that is reloaded lets go of the run, as VS Code does it; nothing is ended by that.
    const second = takeUp();
    const letGo = assert.rejects(second.resume(abort.signal), { code: 'cancelled' });
    let samples = 0;
    second.onEvent((event) => event.type === 'sample' && samples++);
    const known = (await store.events(runId)).filter(({ type }) => type === 'sample').length;
    while (samples < known + 2) await delay(50);
    second.detach();
    await letGo;
    assert.equal(store.read(runId).summary, undefined, 'its end is not written');

    const summary = await takeUp()
      .resume(abort.signal)
      .finally(() => pool.dispose());
    assert.deepEqual(
      [summary.verdict, summary.reason, summary.established, summary.hostRestored],
      ['finished', undefined, { server: 4_000, client: 4_000 }, true],
    );
    // A starved machine may drop the last segment of a handshake; that is found, counted and mended.
    assert.ok(
      Object.keys(summary.failed.byErrno).every((name) => name === 'halfOpen'),
      JSON.stringify(summary.failed),
    );
    const saved = await store.events(runId);
    assert.deepEqual(
      saved.map(({ seq }) => seq),
      saved.map((_event, index) => index + 1),
      'the numbers go on without gap and without repetition',
    );
    assert.ok(
      saved.every((event, index) => index === 0 || event.t >= saved[index - 1]!.t),
      'time goes on',
    );
    const later = saved.filter((event) => event.type === 'sample' && event.seq > first.events.length && event.phase === 'holding');
    assert.ok(later.length >= 5, `${later.length} samples after it was taken up`);
    for (const event of later) assert.deepEqual(event.type === 'sample' && event.established, { server: 4_000, client: 4_000 });
    assert.equal(store.read(runId).summary?.verdict, 'finished');
    const afterwards = await Promise.all(hosts.map((host) => host.exec(hostState)));
    assert.deepEqual(
      afterwards.map((result) => result.stdout),
      before.map((result) => result.stdout),
    );
  });

  it('finds connections that only the clients know, and opens them again until both sides have the same', async () => {
    const server = hosts[0]!;
    const queues = (await server.exec('cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/tcp_max_syn_backlog')).stdout.trim().split('\n');
    const setQueues = (accept: string, syn: string) => server.exec(`sysctl -qw net.core.somaxconn=${accept} net.ipv4.tcp_max_syn_backlog=${syn}`);
    await setQueues('8', '8');
    try {
      // Queues of 8, as fast as can be: the kernel answers with cookies and forgets what finds no place.
      const { child, events, ended, seen } = startRun(join(laptop.home, 'runs-half-open'), ['--connections', '2k', '--hold', '60s', '--tuning', 'none']);
      await seen((event) => event.type === 'log' && event.text.includes('proven by a keep-alive probe'));
      await seen((event) => event.type === 'sample' && event.phase === 'holding' && event.established.server === 2_000 && event.established.client === 2_000);
      child.kill('SIGINT');
      const { code, stderr } = await ended;
      const summary = events.flatMap((event) => (event.type === 'summary' ? [event.summary] : []))[0];
      assert.equal(code, 130, stderr);
      assert.deepEqual([summary?.established, summary?.lost, summary?.hostRestored], [{ server: 2_000, client: 2_000 }, 0, true]);
      assert.deepEqual(Object.keys(summary?.failed.byErrno ?? {}), ['halfOpen'], 'each of them is counted');
      const proven = events.filter((event) => event.type === 'log' && event.text.includes('proven')).length;
      assert.ok(proven <= 5, `${proven} proofs`);
      const walls = new Set(summary?.walls.map(({ id }) => id));
      assert.ok(walls.has('acceptQueue') || walls.has('synBacklog') || walls.has('halfOpen'), [...walls].join(', '));
    } finally {
      await setQueues(queues[0]!, queues[1]!);
    }
  });

  it('opens 30,000 connections from two client hosts to a third, whose counts add up, and leaves all three as they were', async () => {
    const before = await Promise.all(hosts.map((host) => host.exec(hostState)));
    const runs = join(laptop.home, 'runs');
    const store = new RunStore(runs);
    const { events, ended, seen } = startRun(runs, ['--connections', '30k', '--hold', '3s']);
    await seen((event) => event.type === 'phase' && event.phase === 'holding');
    store.update(store.resolve('last'), { name: 'three hosts', tags: ['nightly'] });
    const { code, stderr } = await ended;
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
    const isEven = ({ server, client }: { server: number; client: number }) => server === client;
    const held = events.flatMap((event) => (event.type === 'sample' && event.phase === 'holding' ? [event.established] : []));
    const uneven = held.slice(held.findIndex(isEven)).filter((counts) => !isEven(counts));
    assert.deepEqual(uneven, [], 'no sample of the hold is of a moment when some hosts had begun to close');
    assert.deepEqual(
      Object.fromEntries(Object.entries(full ?? {}).map(([name, counts]) => [name, [counts.server, counts.client]])),
      { server: [30_000, 0], clienta: [0, 15_000], clientb: [0, 15_000] },
      'the counts of the hosts add up',
    );
    const [saved] = readdirSync(runs).filter((name) => name !== 'index.json');
    assert.equal(readdirSync(join(runs, saved!, 'hosts')).filter((name) => name !== 'index.json').length, 3, 'each part is saved whole');
    const { name, tags } = store.read(saved!);
    assert.deepEqual([name, tags], ['three hosts', ['nightly']], 'what it was given while it went on stays');
    const afterwards = await Promise.all(hosts.map((host) => host.exec(hostState)));
    assert.deepEqual(
      afterwards.map((result) => result.stdout),
      before.map((result) => result.stdout),
    );
  });
});
