import { setTimeout as delay } from 'node:timers/promises';
import { startHost, type TestHost } from '../support/host.js';
import { leftoversBetween, pidsOf, snapshotOf, type HostSnapshot } from './hostSnapshot.js';
import { RemoteRun, specFor } from './remoteRun.js';
import { agentPath } from './runCase.js';

/** Marsaglia's xorshift32: the same seed gives the same run, on every machine. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

const leaseMs = 10_000;
/** A run of the soak takes about 4 s when nobody disturbs it, so every phase is hit. */
const latestFaultMs = 3_500;
/** This share of the faults comes from the start command on, before anything lives; the others from the supervisor's first event on. */
const earlyShare = 0.15;

interface SoakFault {
  name: string;
  /** Faults that wait for a lease come less often. */
  weight: number;
  verdicts: readonly string[];
  strike(run: RemoteRun, host: TestHost): Promise<unknown>;
}

const hostKill = (host: TestHost, ...which: Parameters<typeof pidsOf>) => host.exec(`kill -9 $(${pidsOf(...which)})`);
/** Kills who is there already; a process that the run has not started yet cannot be struck. */
const strike = async (run: RemoteRun, who: 'supervisor' | 'guardian' | 'server' | 'client', signal = 'KILL') => {
  if (run.events.some((event) => (who === 'supervisor' ? event.type === 'hello' : event.type === 'worker' && event.role === who))) await run.kill(who, signal);
};

export const soakFaults: readonly SoakFault[] = [
  { name: 'kill -9 supervisor', weight: 4, verdicts: ['failed', 'finished'], strike: (run) => strike(run, 'supervisor') },
  { name: 'kill -9 guardian', weight: 3, verdicts: ['finished'], strike: (run) => strike(run, 'guardian') },
  {
    name: 'kill -9 supervisor and guardian',
    weight: 4,
    verdicts: ['failed', 'finished'],
    strike: (_, host) => hostKill(host, 'agent', '(supervise|guard) '),
  },
  { name: 'kill -9 everything of ours', weight: 3, verdicts: ['failed', 'finished'], strike: (_, host) => hostKill(host, 'any') },
  { name: 'kill -9 server worker', weight: 3, verdicts: ['failed', 'finished'], strike: (run) => strike(run, 'server') },
  { name: 'kill -9 client worker', weight: 3, verdicts: ['failed', 'finished'], strike: (run) => strike(run, 'client') },
  { name: 'kill -9 relay', weight: 3, verdicts: ['finished'], strike: (_, host) => hostKill(host, 'agent', 'relay') },
  { name: 'stop', weight: 3, verdicts: ['stopped', 'finished'], strike: (run) => run.request((id) => ({ type: 'stop', id })).catch(() => undefined) },
  { name: 'SIGTERM supervisor', weight: 2, verdicts: ['stopped', 'finished'], strike: (run) => strike(run, 'supervisor', 'TERM') },
  { name: 'SIGSTOP supervisor', weight: 1, verdicts: ['failed', 'finished'], strike: (run) => strike(run, 'supervisor', 'STOP') },
  {
    name: 'kill -9 controller',
    weight: 1,
    verdicts: ['stopped', 'finished'],
    async strike(run) {
      process.kill(run.sshPid, 'SIGKILL');
      await delay(leaseMs + 2_000);
    },
  },
];

export interface SoakRow {
  number: number;
  fault: string;
  atMs: number;
  phase: string;
  verdict: string;
  problems: string[];
}

interface Draw {
  number: number;
  fault: SoakFault;
  atMs: number;
  isEarly: boolean;
}

/** Runs killed at random moments by random faults, over a few hosts at a time. Resolves with a row for each. */
export async function soak(options: { runs: number; seed: number; hosts: number; report(row: SoakRow): void }): Promise<SoakRow[]> {
  const random = randomFrom(options.seed);
  const bag = soakFaults.flatMap((fault) => Array.from({ length: fault.weight }, () => fault));
  // Drawn beforehand, so that the draw does not depend on which host is quicker.
  const draws: Draw[] = Array.from({ length: options.runs }, (_, number) => ({
    number,
    fault: bag[Math.floor(random() * bag.length)]!,
    atMs: Math.floor(random() * latestFaultMs),
    isEarly: random() < earlyShare,
  }));
  const rows: SoakRow[] = [];
  const work = async (index: number) => {
    const host = await startHost({ name: `s${index}`, fakeSysctls: { 'fs/file-max': '5000' } });
    const before = await snapshotOf(host);
    for (let draw = draws.shift(); draw !== undefined; draw = draws.shift()) {
      const row = await soakOnce(host, before, draw);
      rows.push(row);
      options.report(row);
    }
    await host.stop();
  };
  await Promise.all(Array.from({ length: options.hosts }, (_, index) => work(index)));
  return rows;
}

async function soakOnce(host: TestHost, before: HostSnapshot, { number, fault, atMs, isEarly }: Draw): Promise<SoakRow> {
  const run = new RemoteRun({ host, agentPath }, `soak-${number}`);
  const problems: string[] = [];
  let verdict = 'never began';
  let phase = 'none';
  try {
    // The fault may come before the reply.
    const started = run.start(specFor({ connections: 2_000, holdSeconds: 2 })).catch(() => undefined);
    if (!isEarly) await run.waitFor('the first event', (event) => event.type === 'hello', 20_000);
    await delay(atMs);
    phase = run.events.flatMap((event) => (event.type === 'phase' ? [event.phase] : [])).at(-1) ?? 'none';
    await fault.strike(run, host);
    await Promise.race([started, delay(5_000)]);
    await delay(100);
    if (run.closed) await run.reattach().catch((error: unknown) => (String(error).includes('knows no run') ? undefined : Promise.reject(error as Error)));
    if (run.events.length > 0 || (await run.list()).length > 0) {
      const summary = await run.summary(60_000);
      ({ verdict } = summary);
      if (!fault.verdicts.includes(verdict)) problems.push(`ended ${verdict} (${summary.reason ?? ''})`);
      if (!summary.hostRestored) problems.push('not restored');
      problems.push(...run.gaps.map((gap) => `gap ${gap}`));
      await run.forget();
    }
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    run.close();
  }
  let left: string[] = [];
  for (let tries = 0; tries < 10; tries++) {
    left = leftoversBetween(before, await snapshotOf(host));
    if (left.length === 0) break;
    await delay(200);
  }
  return { number, fault: fault.name, atMs, phase, verdict, problems: [...problems, ...left] };
}

export function describeRow(row: SoakRow): string {
  const outcome = row.problems.length === 0 ? 'nothing left' : row.problems.join('; ');
  return `${String(row.number).padStart(3)} ${row.fault.padEnd(32)} at ${String(row.atMs).padStart(4)} ms (${row.phase.padEnd(10)}) → ${row.verdict.padEnd(11)} ${outcome}`;
}
