import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { identityOf, parseProcessStat, signalProcess, waitForEnd, type ProcessIdentity } from './process.js';

/** More processes of one server are not followed: reading /proc for each would cost more than it says. */
export const maximumProcesses = 4_000;
/** USER_HZ is 100 on every Linux that Node runs on. */
const microsecondsPerTick = 10_000;

/** The process and all its descendants, itself first. Ended ones are left out. */
export function processTree(root: number): number[] {
  const found: number[] = [];
  const waiting = [root];
  for (let pid = waiting.shift(); pid !== undefined && found.length < maximumProcesses; pid = waiting.shift()) {
    const children = childrenOf(pid);
    if (children === undefined) continue;
    found.push(pid);
    waiting.push(...children);
  }
  return found;
}

/** Undefined: the process is gone. A thread that ends between listing and reading has no children any more, but its process may have. */
function childrenOf(pid: number): number[] | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => childrenOfThread(pid, thread));
  } catch {
    return undefined;
  }
}

function childrenOfThread(pid: number, thread: string): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter((text) => text !== '')
      .map(Number);
  } catch {
    return [];
  }
}

/** A process of which the whole tree is ended, and the processes below it that stay, with all that is below them. */
export interface Ancestry {
  roots: readonly ProcessIdentity[];
  except?: readonly number[];
}

/**
 * Living descendants of these processes by the parent that the kernel names, deepest first. A parent that is a subreaper
 * (`becomeSubreaper`) keeps whatever its children started, however it detached itself. Reads /proc once: for ends, not for samples.
 */
export function descendantsOf({ roots, except = [] }: Ancestry): ProcessIdentity[] {
  const children = new Map<number, ProcessIdentity[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat === undefined) continue;
    const siblings = children.get(stat.parent) ?? [];
    siblings.push({ pid: Number(name), startTime: stat.startTime });
    children.set(stat.parent, siblings);
  }
  const found: ProcessIdentity[] = [];
  const waiting = roots.filter((root) => identityOf(root.pid)?.startTime === root.startTime).map(({ pid }) => pid);
  const seen = new Set([...waiting, ...except]);
  for (let pid = waiting.shift(); pid !== undefined; pid = waiting.shift()) {
    for (const child of children.get(pid) ?? []) {
      if (seen.has(child.pid)) continue;
      seen.add(child.pid);
      waiting.push(child.pid);
      // A zombie holds nothing, and what was below it has another parent.
      if (identityOf(child.pid) !== undefined) found.push(child);
    }
  }
  return found.reverse();
}

function statOf(pid: number): ReturnType<typeof parseProcessStat> {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** A program that forks faster than it is ended is given up after so many rounds. */
const maximumRounds = 100;

/**
 * Ends all descendants with SIGKILL, again until no new one appears; the roots themselves live on, since what was just forked passes to them.
 * Returns how many were ended and those that still live after `timeoutMs`.
 */
export async function endDescendants(ancestry: Ancestry, timeoutMs: number): Promise<{ ended: number; left: ProcessIdentity[] }> {
  let ended = 0;
  for (let round = 0; round < maximumRounds; round++) {
    const found = descendantsOf(ancestry);
    if (found.length === 0) break;
    const signalled = found.filter((identity) => signalProcess(identity, 'SIGKILL'));
    const left = await waitForEnd(signalled, timeoutMs);
    ended += signalled.length - left.length;
    if (left.length > 0) return { ended, left };
    if (signalled.length === 0) break;
  }
  return { ended, left: descendantsOf(ancestry) };
}

/** Descriptors that a process needs for its own moments: one that is this near to its limit cannot accept. */
const spareDescriptors = 2;
/** Looked at several times a second: of more processes it would cost more than it shows. */
const maximumCounted = 64;

/**
 * Open files of these processes together, and the limit of the first that may open no more. Undefined of very many processes, and before
 * Linux 6.2, where the size of `/proc/PID/fd` is not reported and it would have to be listed.
 */
export function openFilesOf(pids: readonly number[]): { open: number; full?: number } | undefined {
  if (pids.length > maximumCounted) return undefined;
  let open = 0;
  let full: number | undefined;
  for (const pid of pids) {
    try {
      const count = statSync(`/proc/${pid}/fd`).size;
      const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1] ?? Number.POSITIVE_INFINITY);
      open += count;
      if (count >= limit - spareDescriptors) full ??= limit;
    } catch {
      // It ended while we looked.
    }
  }
  return open === 0 ? undefined : { open, ...(full === undefined ? {} : { full }) };
}

/** User and system time of these processes and of their children that ended. */
export function treeCpuMicroseconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuTicks(pid) * microsecondsPerTick, 0);
}

function cpuTicks(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields 14 to 17 of proc(5); the name before them may hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  } catch {
    return 0;
  }
}

/**
 * The processes that hold sockets with these inodes, found by their descriptors: of `pids`, or of all that may be looked into. Lists every open
 * file of each, so only at the moment a server becomes ready, never during a run.
 */
export function ownersOfSockets(inodes: ReadonlySet<number>, pids: readonly number[] = allProcesses()): number[] {
  const names = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  return pids.filter((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => names.has(linkOf(`/proc/${pid}/fd/${fd}`)));
    } catch {
      // It ended, or belongs to another user.
      return false;
    }
  });
}

function allProcesses(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The name of a process (`comm`), as `ps` shows it; `?` when it is gone. */
export function processName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '?';
  }
}
