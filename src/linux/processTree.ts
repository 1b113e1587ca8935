import { readdirSync, readFileSync, statSync } from 'node:fs';

/** More processes of one server are not followed: reading /proc for each would cost more than it tells. */
const maximumProcesses = 1_000;
/** USER_HZ is 100 on every Linux that Node runs on. */
const microsecondsPerTick = 10_000;
const stateListen = '0A';

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

/** Descriptors that a process needs for its own moments: one that is this near to its limit cannot accept. */
const spareDescriptors = 2;
/** Looked at several times a second: of more processes it would cost more than it tells. */
const maximumCounted = 64;

/**
 * Open files of these processes together, and the limit of the first that may open no more. Undefined of very many processes, and before
 * Linux 6.2, where the size of `/proc/PID/fd` is not told and it would have to be listed.
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

/** Ports on which somebody listens in this network namespace. Only for the start of a run: it reads all sockets. */
export function listeningPorts(): Set<number> {
  const ports = new Set<number>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) for (const port of portsOf(file)) ports.add(port);
  return ports;
}

function portsOf(file: string): number[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line))
      .filter((match) => match?.[2] === stateListen)
      .map((match) => parseInt(match?.[1] ?? '0', 16));
  } catch {
    return [];
  }
}
