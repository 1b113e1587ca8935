import { existsSync } from 'node:fs';
import { canAct, isAlive, type ProcessIdentity } from '../../linux/process.js';
import { readBootId } from '../../linux/bootId.js';
import { Journal } from './journal.js';
import { isComplete } from '../spool.js';
import { readStart } from '../startLock.js';
import type { RunDirectory, RunState } from '../stateDirectory.js';

export type RunCondition = 'running' | 'ended' | 'abandoned';

/**
 * Whether a run has somebody who will end it in order. One whose supervisor and guardian are dead is abandoned; so is one whose
 * living ones were stopped (SIGSTOP), since they hold the host and do nothing, be it after the run's last word. Pids of an earlier
 * boot are anybody's.
 */
export function conditionOf(state: RunState, bootId: string): RunCondition {
  const keepers = livingKeepers(state, bootId);
  if (keepers.some(canAct)) return 'running';
  return state.ended && keepers.length === 0 ? 'ended' : 'abandoned';
}

function livingKeepers(state: RunState, bootId: string): ProcessIdentity[] {
  if (state.bootId !== bootId) return [];
  return [state.supervisor, state.guardian].filter((identity) => identity !== null).filter(isAlive);
}

/** The condition of a run on the disk, where a full disk may have kept the last note of its end from being written. */
export function conditionOfRun(run: RunDirectory): RunCondition {
  const bootId = readBootId();
  const state = run.readState();
  if (state === undefined) return isStarting(run, bootId) ? 'running' : 'abandoned';
  const condition = conditionOf(state, bootId);
  if (condition !== 'abandoned' || livingKeepers(state, bootId).length > 0 || !isComplete(run.spoolPath)) return condition;
  try {
    return Journal.load(run.journalPath)?.isClosed === false ? 'abandoned' : 'ended';
  } catch {
    return 'abandoned';
  }
}

/** Nothing of the run is on the host but its directory: whoever was starting it is gone, or stopped. */
export function neverBegan(run: RunDirectory): boolean {
  return run.readState() === undefined && !existsSync(run.spoolPath);
}

function isStarting(run: RunDirectory, bootId: string): boolean {
  const found = readStart(run.path);
  if (found?.isHeld !== true) return false;
  const { start } = found;
  // Held, and not yet written: the relay is just about to.
  if (start === undefined) return true;
  return start.bootId === bootId && [start.relay, start.supervisor].some(isAble);
}

function isAble(identity: ProcessIdentity | null): boolean {
  return identity !== null && canAct(identity);
}
