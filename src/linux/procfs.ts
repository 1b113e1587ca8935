import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { endianness } from 'node:os';

/** The text of a small kernel file; undefined where it is absent or may not be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** `/proc/meminfo` in bytes; entries without a unit (HugePages_Total) stay counts. */
export function parseMeminfo(text: string): Record<string, number> {
  const result: Record<string, number> = {};
  for (const match of text.matchAll(/^([^:\n]+):\s+(\d+)( kB)?$/gm)) result[match[1]!] = Number(match[2]) * (match[3] === undefined ? 1 : 1024);
  return result;
}

export interface SlabCache {
  activeObjects: number;
  totalObjects: number;
  objectBytes: number;
  objectsPerSlab: number;
  pagesPerSlab: number;
}

/** `/proc/slabinfo`, version 2.1: name, active objects, total objects, object size, objects per slab, pages per slab. */
export function parseSlabinfo(text: string): Record<string, SlabCache> {
  const result: Record<string, SlabCache> = {};
  for (const match of text.matchAll(/^(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+:/gm)) {
    result[match[1]!] = {
      activeObjects: Number(match[2]),
      totalObjects: Number(match[3]),
      objectBytes: Number(match[4]),
      objectsPerSlab: Number(match[5]),
      pagesPerSlab: Number(match[6]),
    };
  }
  return result;
}

/** Pages on the per-CPU free lists (`count:` of each pageset in `/proc/zoneinfo`). MemFree does not include them. */
export function parsePerCpuPages(text: string): number {
  let pages = 0;
  for (const match of text.matchAll(/^\s+count:\s+(\d+)$/gm)) pages += Number(match[1]);
  return pages;
}

export interface Sockstat {
  /** Of the reader's network namespace. */
  inUse: number;
  timeWait: number;
  /** Of the whole host. */
  orphan: number;
  allocated: number;
  memoryPages: number;
}

/** The TCP line of `/proc/net/sockstat`, with TCP6's sockets in use added when given (`/proc/net/sockstat6`); null where there is none. */
export function parseSockstat(text: string, text6 = ''): Sockstat | null {
  const line = /^TCP:.*$/m.exec(text)?.[0];
  if (line === undefined) return null;
  const value = (name: string) => Number(new RegExp(`\\b${name} (\\d+)`).exec(line)?.[1] ?? 0);
  const inUse6 = Number(/^TCP6: inuse (\d+)/m.exec(text6)?.[1] ?? 0);
  return { inUse: value('inuse') + inUse6, timeWait: value('tw'), orphan: value('orphan'), allocated: value('alloc'), memoryPages: value('mem') };
}

/** TCP sockets of this network namespace, of both families; null where the kernel does not show them. */
export function readSockstat(): Sockstat | null {
  return parseSockstat(readText('/proc/net/sockstat') ?? '', readText('/proc/net/sockstat6') ?? '');
}

/** `/proc/net/netstat` and `/proc/net/snmp`: pairs of lines, the names above the values. Keys such as `TcpExt.ListenOverflows`. */
export function parseNetstat(text: string): Record<string, number> {
  const result: Record<string, number> = {};
  const lines = text.split('\n');
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const names = lines[index]!.split(' ');
    const values = lines[index + 1]!.split(' ');
    if (names[0] !== values[0]) continue;
    const group = names[0]!.slice(0, -1);
    for (let column = 1; column < names.length; column++) result[`${group}.${names[column]!}`] = Number(values[column]);
  }
  return result;
}

/** The first line of `/proc/stat` in clock ticks: all, and those in which a core did something. */
export function parseCpuTicks(text: string): { total: number; busy: number } {
  const ticks = /^cpu\s+(.+)$/m.exec(text)?.[1]?.trim().split(/\s+/).slice(0, 8).map(Number) ?? [];
  const total = ticks.reduce((sum, value) => sum + value, 0);
  // idle and iowait
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

/** What one process holds now. null: the kernel does not show it to us. */
export interface ProcessMemory {
  /** Anonymous pages; those that a server shares with its forked children in equal parts. Independent of what other programs do. */
  privateBytes: number | null;
  /** Pages of files and of shared memory that it has mapped, whoever else has. */
  mappedFileBytes: number | null;
  /** What it runs: processes of one program map the same files. */
  program: string;
  threads: number | null;
  /** Slots of its descriptor table. */
  descriptorSlots: number | null;
  pageTableBytes: number | null;
}

const kilobytesOf = (text: string, name: string): number | null => {
  const value = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  return value === undefined ? null : Number(value) * 1024;
};

/** From `/proc/PID/smaps_rollup` and `/proc/PID/status`; '' where one cannot be read. */
export function parseProcessMemory(rollup: string, status: string, program: string): ProcessMemory {
  const resident = kilobytesOf(rollup, 'Rss');
  const anonymous = kilobytesOf(rollup, 'Anonymous');
  const count = (name: string) => {
    const value = new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(status)?.[1];
    return value === undefined ? null : Number(value);
  };
  return {
    privateBytes: kilobytesOf(rollup, 'Pss_Anon') ?? anonymous,
    mappedFileBytes: resident === null || anonymous === null ? null : Math.max(0, resident - anonymous),
    program,
    threads: count('Threads'),
    descriptorSlots: count('FDSize'),
    pageTableBytes: kilobytesOf(status, 'VmPTE'),
  };
}

/** Undefined: the process is gone. Costs a walk of its page tables. */
export function readProcessMemory(pid: number): ProcessMemory | undefined {
  const status = readText(`/proc/${pid}/status`);
  const state = /^State:\s+(\S)/m.exec(status ?? '')?.[1];
  if (status === undefined ? !existsSync(`/proc/${pid}`) : state === 'Z' || state === 'X') return undefined;
  const rollup = readText(`/proc/${pid}/smaps_rollup`) ?? '';
  // It may have ended between the two.
  if (rollup === '' && !existsSync(`/proc/${pid}/task`)) return undefined;
  return parseProcessMemory(rollup, status ?? '', programOf(pid, status ?? ''));
}

function programOf(pid: number, status: string): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return /^Name:\s+(.*)$/m.exec(status)?.[1] ?? 'unknown';
  }
}

/** Bytes of the kernel's stack of one thread: all of them (`KernelStack`) by all threads (the fourth field of `/proc/loadavg`); null where unknown. */
export function kernelStackBytesPerThread(meminfo: Record<string, number>, loadavg: string): number | null {
  const threads = Number(/\/(\d+)/.exec(loadavg)?.[1] ?? 0);
  return meminfo['KernelStack'] === undefined || threads === 0 ? null : meminfo['KernelStack'] / threads;
}

/**
 * Of caches that slabinfo does not list, since the kernel merged them with others, the name under which they are listed. `link` reads a symbolic link of
 * `/sys/kernel/slab` (undefined: there is none): merged caches point to the same directory.
 */
export function slabAliases(
  wanted: readonly string[],
  listed: readonly string[],
  link: (name: string) => string | undefined = slabLink,
): Record<string, string> {
  const byDirectory = new Map(listed.map((name) => [link(name), name]));
  const aliases: Record<string, string> = {};
  for (const name of wanted) {
    const directory = listed.includes(name) ? undefined : link(name);
    const alias = directory === undefined ? undefined : byDirectory.get(directory);
    if (alias !== undefined) aliases[name] = alias;
  }
  return aliases;
}

function slabLink(name: string): string | undefined {
  try {
    return readlinkSync(`/sys/kernel/slab/${name}`);
  } catch {
    return undefined;
  }
}

/** `/proc/sys/fs/file-nr`: file structures in use, and their limit; undefined where it cannot be read. */
export function readFileNumbers(): { used: number; limit: number } | undefined {
  const [used, , limit] = (readText('/proc/sys/fs/file-nr') ?? '').trim().split(/\s+/).map(Number);
  return used === undefined || limit === undefined ? undefined : { used, limit };
}

/** Processes the kernel has killed for want of memory since boot, by a cgroup's limit too. */
export function readOutOfMemoryKills(): number {
  return Number(/^oom_kill (\d+)$/m.exec(readText('/proc/vmstat') ?? '')?.[1] ?? 0);
}

/** Connections tracked in this network namespace; undefined where conntrack is not loaded. */
export function readConntrack(): { used: number; limit: number } | undefined {
  const used = readText('/proc/sys/net/netfilter/nf_conntrack_count');
  const limit = readText('/proc/sys/net/netfilter/nf_conntrack_max');
  return used === undefined || limit === undefined ? undefined : { used: Number(used), limit: Number(limit) };
}

/** Effective capabilities of a process as a bit set; 0 when unknown. */
export function readCapabilities(pid: number | 'self'): bigint {
  const hexadecimal = /^CapEff:\s+([0-9a-f]+)$/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1];
  return hexadecimal === undefined ? 0n : BigInt(`0x${hexadecimal}`);
}

/** Key of the page size in the auxiliary vector (`elf.h`). */
const pageSizeKey = 6n;

/** Bytes of a page of memory, which the kernel gives each process in its auxiliary vector; undefined where that is not shown. */
export function parsePageSize(auxiliaryVector: Buffer): number | undefined {
  const isLittle = endianness() === 'LE';
  for (let at = 0; at + 16 <= auxiliaryVector.length; at += 16) {
    const word = (offset: number) => (isLittle ? auxiliaryVector.readBigUInt64LE(offset) : auxiliaryVector.readBigUInt64BE(offset));
    if (word(at) === pageSizeKey) return Number(word(at + 8));
  }
  return undefined;
}

/** Bytes of a page of memory of this kernel: 4,096 on x86-64, 65,536 on some for arm64. Throws where the kernel does not say it. */
export function readPageSize(): number {
  const text = readText('/proc/self/auxv');
  const bytes = text === undefined ? undefined : parsePageSize(Buffer.from(text, 'latin1'));
  const kilobytes = bytes === undefined ? /^KernelPageSize:\s+(\d+) kB$/m.exec(readText('/proc/self/smaps') ?? '')?.[1] : undefined;
  const size = bytes ?? (kilobytes === undefined ? undefined : Number(kilobytes) * 1024);
  if (size === undefined) throw new Error('The kernel does not show the size of its pages: /proc/self/auxv and /proc/self/smaps cannot be read.');
  return size;
}

export interface CgroupLimits {
  memoryMaximumBytes: number | null;
  memoryCurrentBytes: number | null;
  /** Pages of files among them, which the kernel takes back before it fails an allocation (`memory.stat`). */
  memoryFileBytes: number | null;
  pidsMaximum: number | null;
  pidsCurrent: number | null;
}

/** A v1 memory limit above this is the kernel's way to say `none`. */
const noMemoryLimit = 2 ** 60;

/**
 * The limits of the cgroups that hold for this process, v1 or v2: that with the least room on the way to the root, with the use of that
 * very group. A group above may be nearly full though its limit is higher.
 */
export function readCgroupLimits(read: (path: string) => string | undefined = readText): CgroupLimits {
  const memberships = (read('/proc/self/cgroup') ?? '').split('\n').filter((line) => line !== '');
  const pathOf = (controller: string): string | undefined =>
    memberships
      .find((line) => line.split(':')[1]!.split(',').includes(controller))
      ?.split(':')
      .slice(2)
      .join(':');
  const unified = memberships.find((line) => line.startsWith('0::'))?.slice(3);
  const mounts = cgroupMounts(read('/proc/self/mountinfo') ?? '');
  const memoryPath = pathOf('memory');
  const memory =
    memoryPath === undefined
      ? tightest(read, mounts.unified, unified, 'memory.max', 'memory.current')
      : tightest(read, mounts.controller('memory'), memoryPath, 'memory.limit_in_bytes', 'memory.usage_in_bytes');
  const pidsPath = pathOf('pids');
  const pids =
    pidsPath === undefined
      ? tightest(read, mounts.unified, unified, 'pids.max', 'pids.current')
      : tightest(read, mounts.controller('pids'), pidsPath, 'pids.max', 'pids.current');
  return {
    memoryMaximumBytes: memory.limit,
    memoryCurrentBytes: memory.used,
    memoryFileBytes: memory.directory === undefined ? null : fileBytesOf(read(`${memory.directory}/memory.stat`)),
    pidsMaximum: pids.limit,
    pidsCurrent: pids.used,
  };
}

/** Both lists of file pages of a `memory.stat`; v1 has the sums over the groups below with `total_`. */
function fileBytesOf(statistics: string | undefined): number | null {
  const value = (name: string) =>
    new RegExp(`^total_${name} (\\d+)$`, 'm').exec(statistics ?? '')?.[1] ?? new RegExp(`^${name} (\\d+)$`, 'm').exec(statistics ?? '')?.[1];
  const [inactive, active] = [value('inactive_file'), value('active_file')];
  return inactive === undefined || active === undefined ? null : Number(inactive) + Number(active);
}

/** Where the hierarchies are mounted: the usual places unless `/proc/self/mountinfo` says otherwise. */
function cgroupMounts(mountinfo: string): { unified: string; controller: (name: string) => string } {
  let unified = '/sys/fs/cgroup';
  const controllers = new Map<string, string>();
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    const mountPoint = left?.split(' ')[4];
    const [type, , options] = right?.split(' ') ?? [];
    if (mountPoint === undefined) continue;
    if (type === 'cgroup2') unified = mountPoint;
    else if (type === 'cgroup') for (const option of options?.split(',') ?? []) controllers.set(option, mountPoint);
  }
  return { unified, controller: (name) => controllers.get(name) ?? `/sys/fs/cgroup/${name}` };
}

function tightest(
  read: (path: string) => string | undefined,
  root: string,
  path: string | undefined,
  limitFile: string,
  useFile: string,
): { limit: number | null; used: number | null; directory?: string } {
  if (path === undefined) return { limit: null, used: null };
  let best: { limit: number; used: number | null; directory: string } | undefined;
  let leastRoom = Number.POSITIVE_INFINITY;
  for (let current = path; ; current = current.slice(0, current.lastIndexOf('/'))) {
    const directory = `${root}${current === '/' ? '' : current}`;
    const text = read(`${directory}/${limitFile}`)?.trim();
    const limit = text === undefined || text === 'max' ? Number.NaN : Number(text);
    if (Number.isFinite(limit) && limit < noMemoryLimit) {
      const used = read(`${directory}/${useFile}`);
      const room = limit - Number(used ?? 0);
      if (room < leastRoom) {
        leastRoom = room;
        best = { limit, used: used === undefined ? null : Number(used), directory };
      }
    }
    if (current === '' || current === '/') break;
  }
  return best ?? { limit: null, used: null };
}
