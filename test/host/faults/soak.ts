import { setTimeout as delay } from 'node:timers/promises';
import type { RestoreReport } from '../../../src/protocol/commands.js';
import { startHost, type TestHost } from '../support/host.js';
import { decoysOf, endStrangers, ownProcesses, plantDecoys, startStrangers } from './decoys.js';
import { leftoversBetween, snapshotOf, type HostSnapshot } from './hostSnapshot.js';
import { RemoteRun, specFor, stateDirectory } from './remoteRun.js';
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

/** A run of the soak takes about 3 s when nobody disturbs it, so every phase is hit. */
const latestStrikeMs = 2_500;
const maximumStrikes = 3;
/** This share of the blows falls from the start command on, before anything lives; the others from the supervisor's first event on. */
const earlyShare = 0.15;
const maximumTargets = 4;
const stopShare = 0.4;
/** A controller that hears nothing for this long comes back over a new relay; a person stops the run after as long again. */
const silenceMs = 4_000;
const endTimeoutMs = 60_000;
const state = `${stateDirectory}-root`;

/** What was done to one run, and what is wrong afterwards. */
export interface SoakRow {
  number: number;
  isolation: 'netns' | 'host';
  strikes: string[];
  verdict: string;
  problems: string[];
}

interface Scene {
  host: TestHost;
  pidNamespace: string;
  before: HostSnapshot;
  decoys: string;
}

/** Strikes runs with signals until so many blows have fallen, over a few hosts at a time. Resolves with a row for each run. */
export async function soak(options: { kills: number; seed: number; hosts: number; report(row: SoakRow): void }): Promise<SoakRow[]> {
  const rows: SoakRow[] = [];
  let number = 0;
  let kills = 0;
  const work = async (index: number) => {
    const scene = await prepareScene(index);
    while (kills < options.kills) {
      const mine = number++;
      const row = await soakOnce(scene, mine, randomFrom(options.seed + 7_919 * mine));
      kills += row.strikes.length;
      rows.push(row);
      options.report(row);
    }
    await scene.host.stop();
  };
  await Promise.all(Array.from({ length: options.hosts }, (_, index) => work(index)));
  return rows;
}

async function prepareScene(index: number): Promise<Scene> {
  const host = await startHost({ name: `s${index}`, fakeSysctls: { 'fs/file-max': '10000' } });
  // Lower than the plan needs, and as long: a write of another length to a plain file is not one step, as it is with a key of the kernel.
  await plantDecoys(host, state);
  const pidNamespace = (await host.exec('readlink /proc/self/ns/pid')).stdout.trim();
  return { host, pidNamespace, before: await snapshotOf(host), decoys: await decoysOf(host, state) };
}

async function soakOnce(scene: Scene, number: number, random: () => number): Promise<SoakRow> {
  const { host } = scene;
  const isolation = random() < 0.5 ? 'netns' : 'host';
  const row: SoakRow = { number, isolation, strikes: [], verdict: 'never began', problems: [] };
  const run = new RemoteRun({ host, agentPath, isDirect: true }, `soak-${number}`);
  let strangers: string[] = [];
  try {
    void run.start(specFor({ connections: 200, holdSeconds: 1, isolation })).catch(() => undefined);
    if (random() >= earlyShare) await run.waitFor('the first event', (event) => event.type === 'hello', endTimeoutMs);
    const strikes = 1 + Math.floor(random() * maximumStrikes);
    for (let strike = 0; strike < strikes && !run.isSummarised; strike++) {
      await delay(random() * (strike === 0 ? latestStrikeMs : latestStrikeMs / 2));
      const blow = strikeOnce(scene, random);
      if (blow !== undefined) row.strikes.push(blow);
    }
    strangers = await startStrangers(host, 2);
    await waitForTruth(run, row);
    await checkClean(run, row);
  } catch (error) {
    row.problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    run.close();
  }
  // Whoever stopped a relay lets it go on: it sees that its controller is gone.
  for (const { pid, isStopped, role } of ownProcesses(scene.pidNamespace)) if (isStopped && role === 'relay') signal(pid, 'SIGCONT');
  row.problems.push(...(await endStrangers(host, strangers)).map((pid) => `a stranger in a namespace of its own was ended (${pid})`));
  row.problems.push(...(await settledLeftovers(scene)));
  return row;
}

/** One to four of our processes that live now, of any role, are killed or stopped at once. */
function strikeOnce({ pidNamespace }: Scene, random: () => number): string | undefined {
  const alive = ownProcesses(pidNamespace);
  const words: string[] = [];
  for (let count = 1 + Math.floor(random() * maximumTargets); count > 0 && alive.length > 0; count--) {
    const [target] = alive.splice(Math.floor(random() * alive.length), 1);
    // A helper that is stopped in the 50 ms before it asked to die with its relay is nobody's: it holds nothing, and is not stopped here.
    const name = random() < stopShare && target!.role !== 'other' ? 'SIGSTOP' : 'SIGKILL';
    signal(target!.pid, name);
    words.push(`${name === 'SIGSTOP' ? 'stop' : 'kill'} ${target!.role}`);
  }
  return words.length === 0 ? undefined : words.join('+');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
}

/** As a controller does: comes back when it hears nothing, stops the run when that does not help, and ends with the summary. */
async function waitForTruth(run: RemoteRun, row: SoakRow): Promise<void> {
  const deadline = performance.now() + endTimeoutMs;
  let heard = { events: run.events.length, at: performance.now() };
  let returns = 0;
  while (!run.isSummarised) {
    if (performance.now() > deadline)
      throw new Error(`no summary within ${endTimeoutMs / 1_000} s; the last event: ${JSON.stringify(run.events.at(-1)).slice(0, 200)}`);
    await delay(50);
    if (run.events.length > heard.events) heard = { events: run.events.length, at: performance.now() };
    if (!run.closed && performance.now() - heard.at < silenceMs) continue;
    heard = { events: run.events.length, at: performance.now() };
    if (!(await comeBack(run))) return;
    if (++returns > 1) void run.request((id) => ({ type: 'stop', id })).catch(() => undefined);
  }
  const summary = await run.summary();
  row.verdict = summary.verdict;
  if (!summary.hostRestored) row.problems.push('not restored');
  row.problems.push(...run.gaps.map((gap) => `gap ${gap}`));
}

/** False when the host knows no such run: it never began. */
async function comeBack(run: RemoteRun): Promise<boolean> {
  try {
    await run.reattach();
    return true;
  } catch (error) {
    if (String(error).includes('There is no run')) return false;
    throw error;
  }
}

/** Fetches the end, restores what a run that never began left, and hears that all is clean. That it is, is looked at by others. */
async function checkClean(run: RemoteRun, row: SoakRow): Promise<void> {
  // The relay that brought the summary may have been stopped right after.
  if (await comeBack(run)) await run.forget();
  await run.request((id) => ({ type: 'restore', id, dryRun: false }));
  const report = (await run.request((id) => ({ type: 'restore', id, dryRun: true }))) as RestoreReport;
  if (!report.complete || report.runs.length > 0) row.problems.push(`restore says ${JSON.stringify(report)}`);
}

/** The last processes need a moment to end. */
async function settledLeftovers({ host, before, decoys }: Scene): Promise<string[]> {
  let left: string[] = [];
  for (let tries = 0; tries < 15; tries++) {
    left = leftoversBetween(before, await snapshotOf(host));
    if (left.length === 0) break;
    await delay(200);
  }
  const now = await decoysOf(host, state);
  if (now !== decoys) left.push(`a stranger changed:\n${decoys}became\n${now}`);
  return left;
}

export function describeRow(row: SoakRow): string {
  const outcome = row.problems.length === 0 ? 'nothing left' : row.problems.join('; ');
  return `${String(row.number).padStart(4)} ${row.isolation.padEnd(5)} ${row.strikes.join(', then ').padEnd(60)} → ${row.verdict.padEnd(11)} ${outcome}`;
}
