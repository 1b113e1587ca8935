import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalExactly } from './hostCalls.js';
import type { HeldNamespace } from './netns.js';

/**
 * A process for good, within one boot: a pid alone may have been given to another program since. `startTime` in clock ticks since
 * boot.
 */
export interface ProcessIdentity {
  pid: number;
  startTime: number;
}

/**
 * State letter, threads and start time of `/proc/PID/stat`; undefined when there is no such process. The name in it may hold spaces and
 * brackets.
 */
export function parseProcessStat(text: string): { state: string; parent: number; group: number; threads: number; startTime: number } | undefined {
  const end = text.lastIndexOf(')');
  if (end === -1) return undefined;
  const fields = text.slice(end + 2).split(' ');
  const startTime = Number(fields[19]);
  if (fields[0] === undefined || !Number.isFinite(startTime)) return undefined;
  return { state: fields[0], parent: Number(fields[1]), group: Number(fields[2]), threads: Number(fields[17]), startTime };
}

function statOf(pid: number): ReturnType<typeof parseProcessStat> {
  try {
    const stat = parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    // A zombie holds nothing any more, once its last thread is gone: until then its files, locks and sockets are open.
    return stat?.state === 'X' || (stat?.state === 'Z' && stat.threads <= 1) ? undefined : stat;
  } catch {
    return undefined;
  }
}

/** The identity of a living process; undefined for a dead one and for a zombie. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : { pid, startTime: stat.startTime };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return statOf(identity.pid)?.startTime === identity.startTime;
}

/** False for a process that is gone, and for one that a signal stopped (SIGSTOP): it lives, holds what it holds, and does nothing. */
export function canAct(identity: ProcessIdentity): boolean {
  const stat = statOf(identity.pid);
  return stat?.startTime === identity.startTime && stat.state !== 'T';
}

/** Sends a signal to exactly this process. False when it is gone already or may not be signalled. */
export function signalProcess(identity: ProcessIdentity, signal: 'SIGKILL' | 'SIGTERM' | 'SIGCONT'): boolean {
  return signalExactly(identity.pid, signal, () => isAlive(identity));
}

/** Resolves with the processes that still live after `timeoutMs`. */
export async function waitForEnd(identities: readonly ProcessIdentity[], timeoutMs: number): Promise<ProcessIdentity[]> {
  const deadline = performance.now() + timeoutMs;
  let alive = identities.filter(isAlive);
  while (alive.length > 0 && performance.now() < deadline) {
    await sleep(10);
    alive = alive.filter(isAlive);
  }
  return alive;
}

/** Environment variable by which the programs that a run started are recognised, however they were re-parented. */
export const runMarkVariable = 'C10M_RUN_MARK';

/**
 * What proves that a process belongs to a run. Nothing of it can be given to a stranger: recorded processes are pids with their
 * start times, the namespace is held open, and the mark is 128 random bits that only what the run started can have inherited.
 */
export interface RunTraces {
  recorded: readonly ProcessIdentity[];
  namespace: HeldNamespace | undefined;
  mark: string | undefined;
}

/**
 * All processes of a run but this one: the recorded ones, their descendants, those inside its network namespace, and those that
 * inherited its mark. Walks /proc once; meant for the end of a run, never for the sampler.
 */
export function findRunProcesses({ recorded, namespace, mark }: RunTraces): ProcessIdentity[] {
  const parents = new Map<number, { identity: ProcessIdentity; parent: number }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const stat = statOf(pid);
    if (stat !== undefined) parents.set(pid, { identity: { pid, startTime: stat.startTime }, parent: stat.parent });
  }
  const found = new Map<number, ProcessIdentity>();
  for (const { pid, startTime } of recorded) {
    const identity = parents.get(pid)?.identity;
    if (identity?.startTime === startTime) found.set(pid, identity);
  }
  const marker = mark === undefined ? undefined : Buffer.from(`${runMarkVariable}=${mark}\0`);
  for (const { identity } of parents.values()) {
    const belongs = namespace?.holds(identity.pid) === true || (marker !== undefined && hasMarker(identity.pid, marker));
    // The answer is of whoever has the pid now: is that still the one that was listed?
    if (belongs && isAlive(identity)) found.set(identity.pid, identity);
  }
  addDescendants(found, parents);
  found.delete(process.pid);
  return [...found.values()];
}

function addDescendants(found: Map<number, ProcessIdentity>, parents: ReadonlyMap<number, { identity: ProcessIdentity; parent: number }>): void {
  for (let grew = true; grew;) {
    grew = false;
    for (const { identity, parent } of parents.values()) {
      const ancestor = found.get(parent);
      if (ancestor === undefined || found.has(identity.pid)) continue;
      // A parent that died since has left its pid to anybody; its children are found by the other proofs.
      if (!isAlive(ancestor) || !isAlive(identity)) continue;
      found.set(identity.pid, identity);
      grew = true;
    }
  }
}

function hasMarker(pid: number, marker: Buffer): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`);
    const at = environment.indexOf(marker);
    return at === 0 || (at > 0 && environment[at - 1] === 0);
  } catch {
    return false;
  }
}
