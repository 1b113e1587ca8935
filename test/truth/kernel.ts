/**
 * Counters of the kernel, read and parsed here and nowhere else: what the product reports is checked against these, so nothing of `src/linux`
 * may be imported. Undefined: the kernel does not show it to us, or the process is gone.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** Bytes of a page, from libc rather than from the kernel's files. */
export const pageBytes = Number(spawnSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }).stdout.trim());
/** Clock ticks of /proc/PID/stat in a second. */
const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout.trim());

/** Since its network namespace was made, seen through a process inside it (`/proc/PID/net/snmp`). */
export interface TcpCounters {
  activeOpens: number;
  passiveOpens: number;
  /** Sockets in ESTABLISHED or CLOSE_WAIT now. */
  established: number;
}

export function tcpCounters(pid: number): TcpCounters | undefined {
  const lines = (textOf(`/proc/${pid}/net/snmp`) ?? '').split('\n').filter((line) => line.startsWith('Tcp:'));
  if (lines.length < 2) return undefined;
  const names = lines[0]!.split(/\s+/);
  const values = lines[1]!.split(/\s+/);
  const of = (name: string) => Number(values[names.indexOf(name)]);
  return { activeOpens: of('ActiveOpens'), passiveOpens: of('PassiveOpens'), established: of('CurrEstab') };
}

/** Payload and headers that went over the loopback of a process's namespace, as its device counts them. */
export function loopbackBytes(pid: number): number | undefined {
  const line = (textOf(`/proc/${pid}/net/dev`) ?? '').split('\n').find((candidate) => candidate.trim().startsWith('lo:'));
  return line === undefined ? undefined : Number(line.split(':')[1]!.trim().split(/\s+/)[0]);
}

/** Received and not yet read bytes, summed over the listening sockets: connections that wait to be accepted. Reads all sockets. */
export function waitingToBeAccepted(pid: number): number {
  let waiting = 0;
  for (const file of ['tcp', 'tcp6'])
    for (const line of (textOf(`/proc/${pid}/net/${file}`) ?? '').split('\n').slice(1)) {
      const [, , , state, queues] = line.trim().split(/\s+/);
      if (state !== '0A') continue;
      waiting += Number.parseInt(queues!.split(':')[1]!, 16);
    }
  return waiting;
}

/** Objects in use of each slab cache, and the bytes one takes with its share of the slab's pages. */
export function slabs(): Map<string, { objects: number; bytesEach: number }> {
  const caches = new Map<string, { objects: number; bytesEach: number }>();
  for (const line of (textOf('/proc/slabinfo') ?? '').split('\n').slice(2)) {
    const [name, objects, , , perSlab, pages] = line.split(/\s+/);
    if (name !== undefined && pages !== undefined) caches.set(name, { objects: Number(objects), bytesEach: (Number(pages) * pageBytes) / Number(perSlab) });
  }
  return caches;
}

/** Bytes of a process, from the totals of all its mappings (`/proc/PID/smaps_rollup`) and its status. */
export interface ProcessMemory {
  privateBytes: number;
  proportionalBytes: number;
  residentBytes: number;
  anonymousBytes: number;
  pageTableBytes: number;
}

export function processMemory(pid: number): ProcessMemory | undefined {
  const rollup = textOf(`/proc/${pid}/smaps_rollup`);
  const status = textOf(`/proc/${pid}/status`);
  if (rollup === undefined || rollup === '' || status === undefined) return undefined;
  const kilobytes = (text: string, name: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name}:`))
        ?.split(/\s+/)[1] ?? Number.NaN,
    );
  return {
    privateBytes: (kilobytes(rollup, 'Private_Clean') + kilobytes(rollup, 'Private_Dirty')) * 1024,
    proportionalBytes: kilobytes(rollup, 'Pss') * 1024,
    residentBytes: kilobytes(rollup, 'Rss') * 1024,
    anonymousBytes: kilobytes(rollup, 'Anonymous') * 1024,
    pageTableBytes: kilobytes(status, 'VmPTE') * 1024,
  };
}

/** User and system time of a process and of its ended children, in seconds. */
export function cpuSeconds(pid: number): number | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) / ticksPerSecond;
}

/** A process and its descendants. */
export function familyOf(pid: number): number[] {
  const family = [pid];
  for (const member of family) {
    let threads: string[] = [];
    try {
      threads = readdirSync(`/proc/${member}/task`);
    } catch {
      // It ended.
    }
    for (const thread of threads) family.push(...(textOf(`/proc/${member}/task/${thread}/children`) ?? '').split(' ').filter(Boolean).map(Number));
  }
  return family;
}

export interface HostMemory {
  total: number;
  free: number;
  pageTables: number;
  kernelStacks: number;
  anonymous: number;
  slab: number;
}

export function hostMemory(): HostMemory {
  const text = textOf('/proc/meminfo') ?? '';
  const of = (name: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name}:`))
        ?.split(/\s+/)[1] ?? Number.NaN,
    ) * 1024;
  return {
    total: of('MemTotal'),
    free: of('MemFree'),
    pageTables: of('PageTables'),
    kernelStacks: of('KernelStack'),
    anonymous: of('AnonPages'),
    slab: of('Slab'),
  };
}
