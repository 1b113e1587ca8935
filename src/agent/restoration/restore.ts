import { HumanError } from '../../core/errors.js';
import { sleep } from '../../files/sleep.js';
import { sameValue } from '../../core/plan/sysctls.js';
import { isAlive, signalProcess, waitForEnd } from '../../linux/process.js';
import type { RestoreReport } from '../../protocol/commands.js';
import { readBootId } from '../../linux/bootId.js';
import { HostLock } from '../hostLock.js';
import { conditionOfRun, neverBegan } from './runCondition.js';
import { readStart } from '../startLock.js';
import type { RunDirectory, StateDirectory } from '../stateDirectory.js';
import { closeRun, endRunProcesses, type ClosedRun, type ClosingContext } from './cleanup.js';
import { Journal } from './journal.js';
import { SysctlFiles } from '../../linux/sysctlFiles.js';

/** Finished runs kept for a controller that never came back for them. */
const keptEndedRuns = 20;
/** A supervisor or guardian that was stopped by accident has this long to be let go on before its run is closed. */
const stoppedGraceMs = 1_500;
const pollMs = 50;
const endTimeoutMs = 5_000;
/** A guardian or relay that has done its last duty holds the lock for a moment more. */
const endingTimeoutMs = 2_000;

/**
 * Does for a run what its supervisor and its guardian, dead or stopped, no longer can. Undefined when one of them goes on after all.
 */
export async function closeAbandoned(run: RunDirectory, sysctls: SysctlFiles, lockPath: string, context: ClosingContext = {}): Promise<ClosedRun | undefined> {
  const state = run.readState();
  const stopped = [state?.supervisor, state?.guardian].filter((identity) => identity != null).some(isAlive);
  for (const deadline = performance.now() + (stopped ? stoppedGraceMs : 0); performance.now() < deadline;) {
    await sleep(pollMs);
    if (conditionOfRun(run) === 'running') return undefined;
  }
  const reason = `The supervisor and its guardian on the host were ${stopped ? 'stopped' : 'killed'}.`;
  const closed = await closeRun(run, reason, sysctls, context);
  HostLock.sweep(lockPath);
  return closed;
}

/** Restores what dead runs left on this host, or says what it would do. Runs that live are left alone. */
export async function restoreHost(state: StateDirectory, lockPath: string, dryRun: boolean, sysctls = new SysctlFiles()): Promise<RestoreReport> {
  const report: RestoreReport = { runs: [], keys: [], processesEnded: 0, notes: [], complete: true };
  for (const run of state.runs()) {
    const condition = conditionOfRun(run);
    if (condition === 'running') report.notes.push(`The run ${run.runId} is under way and is left alone.`);
    if (condition !== 'abandoned') continue;
    report.runs.push(run.runId);
    addPlannedKeys(report, run, sysctls);
    if (!dryRun) await restoreRun(report, state, run, lockPath, sysctls);
  }
  if (dryRun) report.complete = report.runs.length === 0;
  await checkLock(report, state, lockPath);
  return report;
}

async function restoreRun(report: RestoreReport, state: StateDirectory, run: RunDirectory, lockPath: string, sysctls: SysctlFiles): Promise<void> {
  if (await discardStart(run)) return;
  const closed = await closeAbandoned(run, sysctls, lockPath, { keysInUse: keysInUse(state) });
  if (closed === undefined) {
    report.notes.push(`The run ${run.runId} goes on and was left alone.`);
    return;
  }
  report.processesEnded += closed.processesEnded;
  report.complete &&= closed.complete;
  if (closed.problem !== undefined && !report.notes.includes(closed.problem)) report.notes.push(closed.problem);
  for (const key of closed.keys) {
    const listed = report.keys.find((candidate) => candidate.key === key.key && candidate.outcome === 'wouldRestore');
    if (listed !== undefined) Object.assign(listed, key);
  }
}

/** Keys that living runs have raised: what a dead one changed before is put back after them. */
function keysInUse(state: StateDirectory): Set<string> {
  const living = state.runs().filter((run) => conditionOfRun(run) === 'running');
  return new Set(
    living.flatMap((run) => {
      try {
        return Journal.load(run.journalPath)?.entries.map(({ key }) => key) ?? [];
      } catch {
        return [];
      }
    }),
  );
}

/** A lock that nobody of ours holds keeps every run away: then this host is not as it was. */
async function checkLock(report: RestoreReport, state: StateDirectory, lockPath: string): Promise<void> {
  try {
    if (await isLockFree(state, lockPath)) return;
    report.notes.push(`The lock ${lockPath} is held by a process that belongs to no run in ${state.path}.`);
  } catch (error) {
    if (!(error instanceof HumanError)) throw error;
    report.notes.push(error.text);
  }
  report.complete = false;
}

/** Whether the lock can be had, or belongs to a run that lives. */
async function isLockFree(state: StateDirectory, lockPath: string): Promise<boolean> {
  const deadline = performance.now() + endingTimeoutMs;
  for (;;) {
    if (state.runs().some((run) => conditionOfRun(run) !== 'ended')) return true;
    const lock = HostLock.tryAcquire(lockPath);
    if (lock instanceof HostLock) {
      lock.release();
      return true;
    }
    if (performance.now() > deadline) return false;
    await sleep(pollMs);
  }
}

/** Removes what a start left that never came to a supervisor: a directory, and perhaps a stopped relay. False for anything more. */
async function discardStart(run: RunDirectory): Promise<boolean> {
  if (!neverBegan(run) || conditionOfRun(run) !== 'abandoned') return false;
  const start = readStart(run.path)?.start;
  if (start?.bootId === readBootId()) {
    const starters = [start.relay, start.supervisor].filter((identity) => identity !== null).filter(({ pid }) => pid !== process.pid);
    for (const identity of starters) signalProcess(identity, 'SIGKILL');
    if ((await waitForEnd(starters, endTimeoutMs)).length > 0) return false;
    // Started by a relay that died before it could record it.
    if ((await endRunProcesses({ recorded: [], namespace: undefined, mark: run.readOrder()?.mark })).left.length > 0) return false;
  }
  run.remove();
  return true;
}

/**
 * Before a run starts: closes the runs that dead ones left, since the new one would take their values for the host's own, and removes
 * the oldest of the ended runs that nobody fetched, so that the directory stays bounded. Ids sort by time. Returns what was done.
 */
export async function tidyUp(state: StateDirectory, lockPath: string, sysctls = new SysctlFiles()): Promise<string[]> {
  const done: string[] = [];
  for (const run of state.runs()) {
    if (conditionOfRun(run) !== 'abandoned' || (await discardStart(run))) continue;
    const closed = await closeAbandoned(run, sysctls, lockPath, { keysInUse: keysInUse(state) });
    if (closed !== undefined) done.push(`The run ${run.runId} had died; the host was restored${closed.complete ? '' : ' in part'}.`);
  }
  const ended = state.runs().filter((run) => conditionOfRun(run) === 'ended');
  for (const run of ended.slice(0, Math.max(0, ended.length - keptEndedRuns))) run.remove();
  return done;
}

function addPlannedKeys(report: RestoreReport, run: RunDirectory, sysctls: SysctlFiles): void {
  let journal: Journal | undefined;
  try {
    journal = Journal.load(run.journalPath);
  } catch (error) {
    if (!(error instanceof HumanError)) throw error;
    report.notes.push(error.text);
  }
  if (journal === undefined || journal.isClosed) return;
  const sameBoot = journal.bootId === readBootId();
  for (const entry of journal.entries) {
    const now = sysctls.read(entry.key) ?? null;
    const holdsOurs = now !== null && sameValue(entry.key, now, entry.ours);
    const outcome = !sameBoot
      ? 'earlierBoot'
      : holdsOurs
        ? 'wouldRestore'
        : now !== null && sameValue(entry.key, now, entry.original)
          ? 'restored'
          : 'changedByOthers';
    report.keys.push({ ...entry, now, outcome });
  }
}
