import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { SummaryBuilder } from '../../core/figures/summary.js';
import { isFinal } from '../../core/phases.js';
import { sleep } from '../../files/sleep.js';
import { tryLockFile } from '../../linux/hostCalls.js';
import { findRunProcesses, signalProcess, waitForEnd, type ProcessIdentity } from '../../linux/process.js';
import type { KeyOutcome, Phase, RunEvent } from '../../protocol/events.js';
import { Journal } from './journal.js';
import { readBootId } from '../probe.js';
import { isComplete, readRunEvents, Spool } from '../spool.js';
import type { RunDirectory } from '../stateDirectory.js';
import type { SysctlFiles } from './sysctlFiles.js';

/** The kernel frees a socket in about 5 µs when its process is killed: a million on one worker takes seconds. */
const killTimeoutMs = 60_000;
const lockPollMs = 20;

/**
 * Ends every process of a run: those that are known by pid and start time, those that carry its mark, and those inside its
 * network namespace (which then vanishes). Returns how many were ended, and those that still live.
 */
export async function endRunProcesses(
  runId: string,
  known: readonly ProcessIdentity[],
  namespace: string | undefined,
  except: readonly number[] = [],
): Promise<{ ended: number; left: ProcessIdentity[] }> {
  let ended = 0;
  // Twice, since a process that was just being forked is only seen the second time.
  for (let round = 0; round < 2; round++) {
    const targets = [...(round === 0 ? known : []), ...findRunProcesses(runId, namespace)].filter((identity) => !except.includes(identity.pid));
    const unique = [...new Map(targets.map((identity) => [identity.pid, identity])).values()];
    const signalled = unique.filter((identity) => signalProcess(identity, 'SIGKILL'));
    const left = await waitForEnd(signalled, killTimeoutMs);
    ended += signalled.length - left.length;
    if (left.length > 0) return { ended, left };
  }
  return { ended, left: [] };
}

export interface ClosedRun {
  processesEnded: number;
  keys: KeyOutcome[];
  complete: boolean;
}

/**
 * Does for a run what its supervisor no longer can: ends its processes, puts the host back, and appends to its spool the events
 * that are missing, up to a summary that says how it really ended. Safe to repeat.
 */
export async function closeRun(
  run: RunDirectory,
  reason: string,
  sysctls: SysctlFiles,
  known: readonly ProcessIdentity[] = [],
  ownNamespace?: string,
): Promise<ClosedRun> {
  const release = await lockRun(run);
  try {
    return await closeLockedRun(run, reason, sysctls, known, ownNamespace);
  } finally {
    release();
  }
}

/** Two visitors at once (an editor and a terminal, say) must not both append an end. */
async function lockRun(run: RunDirectory): Promise<() => void> {
  let fd: number;
  try {
    fd = openSync(join(run.path, 'closing.lock'), 'w', 0o600);
  } catch {
    // A full disk takes no lock file; two visitors at that moment are the smaller evil.
    return () => undefined;
  }
  const deadline = performance.now() + killTimeoutMs;
  while (!tryLockFile(fd) && performance.now() < deadline) await sleep(lockPollMs);
  return () => closeSync(fd);
}

async function closeLockedRun(
  run: RunDirectory,
  reason: string,
  sysctls: SysctlFiles,
  known: readonly ProcessIdentity[],
  ownNamespace: string | undefined,
): Promise<ClosedRun> {
  const state = run.readState();
  const bootId = readBootId();
  const sameBoot = state === undefined || state.bootId === bootId;
  const namespace = sameBoot ? (ownNamespace ?? state?.namespace ?? undefined) : undefined;
  const processes = sameBoot
    ? await endRunProcesses(run.runId, [...known, ...(state?.workers ?? [])], namespace, [state?.guardian?.pid ?? 0])
    : { ended: 0, left: [] };
  const journal = Journal.load(run.journalPath);
  const keys = journal?.restore(sysctls, bootId) ?? [];
  const complete = processes.left.length === 0 && keys.every((key) => key.outcome !== 'refused');
  completeSpool(run, sameBoot ? reason : 'The host was rebooted during the run.', keys, complete);
  if (complete) markEnded(run, bootId);
  return { processesEnded: processes.ended, keys, complete };
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
  if (isComplete(run.spoolPath)) return;
  const events = readRunEvents(run.spoolPath);
  const order = run.readOrder();
  const startedAt = Date.parse(order?.startedAt ?? new Date().toISOString());
  const spool = new Spool(run.spoolPath, () => Math.max(events.at(-1)?.t ?? 0, Date.now() - startedAt));
  const summary = new SummaryBuilder();
  for (const event of events) summary.observe(event);
  const append = (body: Parameters<Spool['append']>[0]) => summary.observe(spool.append(body));
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

/** How the restoring of a key is told in the event stream. */
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
