import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunEvent, Sample } from '../../../src/protocol/events.js';
import type { RunSpecInput } from '../../../src/protocol/spec.js';
import { specFor } from '../faults/remoteRun.js';
import { has } from './programs.js';
import { openRelayWithState, skipWithoutAgent } from '../support/localRelay.js';

export const skipServers = skipWithoutAgent || (process.getuid?.() === 0 ? false : 'needs root for a network namespace');
export type Summary = Extract<RunEvent, { type: 'summary' }>['summary'];

/** Where a case keeps its files, and how it reaches the network namespace of the run. */
export interface Place {
  directory: string;
  /** The output of a program that runs in the namespace of the server. */
  inNamespace: (command: readonly string[]) => string;
}

export interface ServerCase {
  /** Without these it is skipped: programs by name or path. */
  needs: readonly string[];
  spec: Partial<RunSpecInput> | ((place: Place) => Partial<RunSpecInput>);
  connections: number;
  /** The server's own count of its connections while they are held. */
  count(place: Place): number | Promise<number>;
  /** From the end of the ramp until it is asked. */
  settleSeconds?: number;
  /** Of those, connections that are not the run's, such as the one that asks. */
  beside?: number;
  /** Memory moves by itself, with garbage that is collected between two readings. */
  pssTolerance?: number;
  /** Reading its many processes takes so long that it is done at the end of the hold only: the memory of that moment is compared. */
  isSlowToRead?: boolean;
  prepare?(place: Place): void;
  expect?(summary: Summary): void;
}

export interface ServerResult {
  name: string;
  held: string;
  ownCount: string;
  pssRatio: string;
  bytesPerConnection: string;
}

/** What all cases of this process measured, for the table at the end. */
export const results: ServerResult[] = [];

/** Processes below this one by `ps`, itself left out. */
function descendants(root: number): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found: number[] = [];
  const waiting = [root];
  for (let parent = waiting.shift(); parent !== undefined; parent = waiting.shift()) {
    for (const [pid] of pairs.filter(([, of]) => of === parent)) {
      found.push(pid);
      waiting.push(pid);
    }
  }
  return found;
}

/**
 * What these processes hold of anonymous memory, each page shared out over those that have it: mapping by mapping, where the product reads the
 * kernel's own sum.
 */
function anonymousBytes(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    let text: string;
    try {
      text = readFileSync(`/proc/${pid}/smaps`, 'utf8');
    } catch {
      continue;
    }
    for (const mapping of text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
      const [, access = '', inode = ''] = /^\S+ (\S+) \S+ \S+ (\d+)/.exec(mapping) ?? [];
      const value = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(mapping)?.[1] ?? 0);
      // Pages of a private mapping that were written are anonymous; shared memory belongs to nobody alone.
      if (!access.endsWith('s')) kilobytes += inode === '0' ? value('Pss') : value('Pss_Dirty');
    }
  }
  return kilobytes * 1024;
}

/** Memory of the server's processes at a moment, between the two samples around it. */
function measuredAt(events: readonly RunEvent[], at: number): number {
  const samples = events.filter((event): event is Sample => event.type === 'sample' && event.phase === 'holding');
  const valueOf = (one: Sample | undefined) => one?.ledger.entries['serverProcesses'] ?? 0;
  const before = samples.findLast(({ t }) => t <= at) ?? samples[0];
  const later = samples.find(({ t }) => t > at) ?? before;
  if (before === undefined || later === undefined || before === later) return valueOf(before);
  return valueOf(before) + ((valueOf(later) - valueOf(before)) * (at - before.t)) / (later.t - before.t);
}

/** Holds the connections, asks the server how many it has, and compares the memory of its processes with a sum of our own. */
export async function holdServer(t: TestContext, name: string, serverCase: ServerCase): Promise<Summary> {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-server-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  execFileSync('chmod', ['755', directory]);
  const relay = openRelayWithState(t);
  const worker = () => {
    const found = relay.events.find((event) => event.type === 'worker' && event.role === 'server' && event.pid !== undefined);
    return found?.type === 'worker' ? (found.pid ?? 0) : 0;
  };
  const place: Place = {
    directory,
    inNamespace: ([program = '', ...words]) => spawnSync('nsenter', [`--net=/proc/${worker()}/ns/net`, program, ...words], { encoding: 'utf8' }).stdout,
  };
  serverCase.prepare?.(place);
  const { connections } = serverCase;
  const spec = typeof serverCase.spec === 'function' ? serverCase.spec(place) : serverCase.spec;
  const runSpec = specFor({ connections, engine: 'command', holdSeconds: 5, leaseSeconds: 60, ...spec });
  await relay.value((id) => ({ type: 'start', id, runId: 'server', owner: 'me', spec: runSpec }));
  const holding = await relay.waitFor('phase', ({ phase }) => phase === 'holding' || phase === 'failed');
  const runBegan = performance.now() - holding.t;
  // What a ramp leaves to be collected or closed is gone a moment later.
  await delay((serverCase.settleSeconds ?? 2) * 1_000);
  const own = holding.phase === 'holding' ? await serverCase.count(place) : 0;
  const readFrom = performance.now();
  const independent = anonymousBytes(descendants(worker()));
  const readAt = (readFrom + performance.now()) / 2 - runBegan;
  const { summary } = await relay.waitFor('summary');
  const logs = relay.events.flatMap((event) => (event.type === 'log' ? [event.text] : []));
  assert.deepEqual(
    [summary.verdict, summary.established.server, summary.established.client],
    ['finished', connections, connections],
    `${summary.reason ?? JSON.stringify(summary.walls)} ${logs.slice(-5).join(' | ')}`,
  );
  assert.equal(summary.lost, 0);
  assert.equal(summary.hostRestored, true);
  const measured = serverCase.isSlowToRead === true ? (summary.ledger?.entries['serverProcesses'] ?? 0) : measuredAt(relay.events, readAt);
  const ratio = measured / independent;
  const counted = own - (serverCase.beside ?? 0);
  results.push({
    name,
    held: String(connections),
    ownCount: String(counted),
    pssRatio: ratio.toFixed(3),
    bytesPerConnection: (measured / connections).toFixed(0),
  });
  t.diagnostic(`${connections} held, ${counted} by the server's own count, PSS ${ratio.toFixed(3)} of ours`);
  assert.equal(counted, connections, "the server's own count");
  assert.ok(Math.abs(ratio - 1) <= (serverCase.pssTolerance ?? 0.03), `PSS: ${measured} measured, ${independent} by our own sum`);
  serverCase.expect?.(summary);
  return summary;
}

/** One test for each case; what is not installed is skipped with one line. */
export function testServers(cases: Readonly<Record<string, ServerCase>>): void {
  for (const [name, serverCase] of Object.entries(cases)) {
    const missing = serverCase.needs.filter((program) => !has(program));
    const skip = missing.length === 0 ? false : `${missing.join(', ')} not installed`;
    it(name, { skip, timeout: 90_000 }, (t) => holdServer(t, name, serverCase).then(() => undefined));
  }
}
