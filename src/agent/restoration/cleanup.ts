import { SummaryBuilder } from '../../core/figures/summary.js';
import { HumanError } from '../../core/errors.js';
import { isFinal } from '../../core/phases.js';
import { HeldNamespace, networkNamespaceOf } from '../../linux/netns.js';
import { findRunProcesses, isAlive, signalProcess, waitForEnd, type ProcessIdentity, type RunTraces } from '../../linux/process.js';
import type { KeyOutcome, Phase, RunEvent } from '../../protocol/events.js';
import { readBootId } from '../../linux/bootId.js';
import { isComplete, readRunEvents, Spool } from '../spool.js';
import { readStart } from '../startLock.js';
import type { RunDirectory, RunState } from '../stateDirectory.js';
import { lockClosing } from './closingLock.js';
import { Journal } from './journal.js';
import type { SysctlFiles } from '../../linux/sysctlFiles.js';

/** The kernel frees a socket in about 5 µs when its process is killed: a million on one worker takes seconds. */
const killTimeoutMs = 60_000;

/** Ends every process of a run but this one and `except`. Returns how many were ended, and those that still live. */
export async function endRunProcesses(traces: RunTraces, except: readonly ProcessIdentity[] = []): Promise<{ ended: number; left: ProcessIdentity[] }> {
  const isSpared = (identity: ProcessIdentity) => except.some(({ pid, startTime }) => pid === identity.pid && startTime === identity.startTime);
  let ended = 0;
  // Twice, since a process that was just being forked is only seen the second time.
  for (let round = 0; round < 2; round++) {
    const targets = findRunProcesses(traces).filter((identity) => !isSpared(identity));
    const signalled = targets.filter((identity) => signalProcess(identity, 'SIGKILL'));
    const left = await waitForEnd(signalled, killTimeoutMs);
    ended += signalled.length - left.length;
    if (left.length > 0) return { ended, left };
  }
  return { ended, left: [] };
}

export interface ClosedRun {
  processesEnded: number;
  keys: KeyOutcome[];
  /** Why the host may not be as it was, besides refused keys. */
  problem: string | undefined;
  complete: boolean;
}

/** What whoever closes a run knows besides what is on the disk. */
export interface ClosingContext {
  /** From the supervisor itself, where a full disk kept them from being written. */
  workers?: readonly ProcessIdentity[];
  /** This process lives in the network namespace that the run had to itself. */
  isInside?: boolean;
  /** Keys that a living run has raised since. */
  keysInUse?: ReadonlySet<string>;
}

/**
 * Does for a run what its supervisor no longer can: ends its processes, restores the host, and appends to its spool the events
 * that are missing, up to a summary that says how it really ended. Safe to repeat.
 */
export async function closeRun(run: RunDirectory, reason: string, sysctls: SysctlFiles, context: ClosingContext = {}): Promise<ClosedRun> {
  const release = await lockClosing(run.path, killTimeoutMs);
  try {
    return await closeLockedRun(run, reason, sysctls, context);
  } finally {
    release();
  }
}

async function closeLockedRun(run: RunDirectory, reason: string, sysctls: SysctlFiles, context: ClosingContext): Promise<ClosedRun> {
  const state = run.readState();
  const bootId = readBootId();
  const sameBoot = state === undefined || state.bootId === bootId;
  const processes = sameBoot ? await endRecordedProcesses(run, state, bootId, context) : { ended: 0, left: [] };
  run.removeKeys();
  const { keys, problem } = restoreKeys(run, sysctls, bootId, context.keysInUse);
  const complete = problem === undefined && processes.left.length === 0 && keys.every((key) => key.outcome !== 'refused');
  completeSpool(run, sameBoot ? reason : 'The host was rebooted during the run.', keys, complete);
  if (complete) markEnded(run, bootId);
  return { processesEnded: processes.ended, keys, problem, complete };
}

async function endRecordedProcesses(run: RunDirectory, state: RunState | undefined, bootId: string, context: ClosingContext) {
  const start = readStart(run.path)?.start;
  const starters = state === undefined && start?.bootId === bootId ? start : undefined;
  // The relay alone, not what descends from it: it may have started another run.
  if (starters?.relay != null && starters.relay.pid !== process.pid && signalProcess(starters.relay, 'SIGKILL'))
    await waitForEnd([starters.relay], killTimeoutMs);
  const recorded = [...(context.workers ?? []), ...(state?.workers ?? []), state?.supervisor, state?.guardian, starters?.supervisor].filter(
    (identity) => identity != null,
  );
  const namespace = context.isInside === true ? HeldNamespace.of('self') : holdNamespace(recorded, state?.namespace ?? undefined);
  try {
    return await endRunProcesses({ recorded, namespace, mark: run.readOrder()?.mark });
  } finally {
    namespace?.release();
  }
}

/**
 * The network namespace that a run had to itself, as long as one of its recorded processes lives in it. Without one it has vanished
 * or cannot be told from a stranger's: the kernel gives its number to the next.
 */
function holdNamespace(recorded: readonly ProcessIdentity[], name: string | undefined): HeldNamespace | undefined {
  if (name === undefined) return undefined;
  for (const identity of recorded) {
    const held = HeldNamespace.of(identity.pid);
    if (held === undefined) continue;
    if (networkNamespaceOf(identity.pid) === name && isAlive(identity) && !held.holds('self')) return held;
    held.release();
  }
  return undefined;
}

function restoreKeys(
  run: RunDirectory,
  sysctls: SysctlFiles,
  bootId: string,
  inUse?: ReadonlySet<string>,
): { keys: KeyOutcome[]; problem: string | undefined } {
  try {
    return { keys: Journal.load(run.journalPath)?.restore(sysctls, bootId, inUse) ?? [], problem: undefined };
  } catch (error) {
    if (!(error instanceof HumanError)) throw error;
    return { keys: [], problem: error.text };
  }
}

function markEnded(run: RunDirectory, bootId: string): void {
  try {
    const state = run.readState();
    run.writeState({ bootId, supervisor: null, guardian: null, workers: [], namespace: null, ...state, ended: true });
  } catch {
    // A full disk: the next visitor finds everything in order and tries to mark it again.
  }
}

function completeSpool(run: RunDirectory, reason: string, keys: KeyOutcome[], hostRestored: boolean): void {
  // Without an order nobody knows of the run.
  if (isComplete(run.spoolPath) || run.readOrder() === undefined) return;
  const events = readRunEvents(run.spoolPath);
  const order = run.readOrder();
  const startedAt = Date.parse(order?.startedAt ?? new Date().toISOString());
  const spool = new Spool(run.spoolPath, () => Math.max(events.at(-1)?.t ?? 0, Date.now() - startedAt));
  const summary = new SummaryBuilder();
  for (const event of events) summary.observeEvent(event);
  const append = (body: Parameters<Spool['append']>[0]) => summary.observeEvent(spool.append(body));
  const phase = lastPhase(events);
  const verdict = phase !== undefined && isFinal(phase) ? phase : 'failed';
  if (phase === undefined) append({ type: 'phase', phase: 'probing' });
  if (phase === undefined || (phase !== 'restoring' && !isFinal(phase))) append({ type: 'phase', phase: 'restoring', detail: reason });
  for (const key of keys) append(tuningEventOf(key));
  if (phase === undefined || !isFinal(phase)) append({ type: 'phase', phase: 'failed', detail: reason });
  append({ type: 'summary', summary: summary.build({ verdict, ...(verdict === 'finished' ? {} : { reason }), hostRestored, keys }) });
  spool.close();
}

function lastPhase(events: readonly RunEvent[]): Phase | undefined {
  for (let index = events.length - 1; index >= 0; index--) {
    const event = events[index]!;
    if (event.type === 'phase') return event.phase;
  }
  return undefined;
}

/** How the restoring of a key appears in the event stream. */
export function tuningEventOf(key: KeyOutcome): {
  type: 'tuning';
  key: string;
  scope: 'global';
  from: string;
  to: string;
  outcome: 'restored' | 'changedByOthers' | 'restoreRefused';
  detail?: string;
} {
  const outcome = key.outcome === 'refused' ? 'restoreRefused' : key.outcome;
  return {
    type: 'tuning',
    key: key.key,
    scope: 'global',
    from: key.ours,
    to: key.original,
    outcome,
    ...(key.outcome === 'restored' ? {} : { detail: `it holds ${key.now ?? 'nothing'}` }),
  };
}
