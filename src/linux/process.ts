import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { networkNamespaceOf } from './netns.js';

/** A process for good: a pid alone may have been given to another program since. `startTime` in clock ticks since boot. */
export interface ProcessIdentity {
  pid: number;
  startTime: number;
}

/** State letter and start time of `/proc/PID/stat`; undefined when there is no such process. The name in it may hold spaces and brackets. */
export function parseProcessStat(text: string): { state: string; parent: number; group: number; startTime: number } | undefined {
  const end = text.lastIndexOf(')');
  if (end === -1) return undefined;
  const fields = text.slice(end + 2).split(' ');
  const startTime = Number(fields[19]);
  if (fields[0] === undefined || !Number.isFinite(startTime)) return undefined;
  return { state: fields[0], parent: Number(fields[1]), group: Number(fields[2]), startTime };
}

function statOf(pid: number): ReturnType<typeof parseProcessStat> {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** The identity of a living process; undefined for a dead one and for a zombie, which holds nothing any more. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { pid, startTime: stat.startTime };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startTime === identity.startTime;
}

/** Sends a signal to exactly this process. False when it is gone already or may not be signalled. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
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

/** Environment variable by which the processes of a run are recognised, however they were re-parented. */
export const runMarkerVariable = 'C10M_WORKER_OF';

/**
 * All processes of a run: those that carry its marker in their environment, and those inside its network namespace. Walks
 * /proc once; meant for the end of a run, never for the sampler.
 */
export function findRunProcesses(runId: string, namespace: string | undefined): ProcessIdentity[] {
  const marker = Buffer.from(`${runMarkerVariable}=${runId}\0`);
  const found: ProcessIdentity[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    if (pid === process.pid) continue;
    const belongs = (namespace !== undefined && networkNamespaceOf(pid) === namespace) || hasMarker(pid, marker);
    const identity = belongs ? identityOf(pid) : undefined;
    if (identity !== undefined) found.push(identity);
  }
  return found;
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
