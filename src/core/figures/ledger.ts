import type { Ledger } from '../../protocol/events.js';
import { formatCount } from '../units.js';
import { fileCacheGrowth, itemGrowth, type SlabReadings, type Slabs, socketShareBytes } from './slabGrowth.js';

/** What the sampler reads of the machine and of our processes at one moment. All figures in bytes unless named otherwise; null: it cannot be read. */
export interface MemoryReading {
  /** `/proc/slabinfo` by cache. */
  slab: Slabs | null;
  pageBytes: number;
  /** Names under which slabinfo lists caches that the kernel merged with others (`/sys/kernel/slab`). */
  slabAliases: Readonly<Record<string, string>>;
  /** `/proc/meminfo`. */
  meminfo: Record<string, number>;
  /** Free pages on per-CPU lists, which MemFree does not count (`/proc/zoneinfo`). */
  perCpuFreeBytes: number;
  /** Anonymous memory of our processes, which nobody else has a share in. */
  processes: { server: number | null; client: number | null; supervisor: number | null };
  /** Pages of files and shared memory that the workers have mapped, each program once: whoever else runs it changes nothing. */
  programBytes: number | null;
  /** Of that of the workers, what their sessions of TLS take; absent without TLS. */
  tls?: { server: number; client: number };
  /** Descriptor tables of our processes. */
  fileTableBytes: number | null;
  /** Page tables of our processes. */
  pageTableBytes: number | null;
  /** Kernel stacks of our threads. */
  kernelStackBytes: number | null;
  sockstatMemoryPages: number | null;
  /** TCP sockets of the whole host. */
  tcpAllocated: number | null;
}

export interface LedgerItem {
  id: string;
  label: string;
  description: string;
  /** Slab caches of this item. One cache may belong to two items: see `itemGrowth`. */
  caches?: readonly string[];
  /** Objects beyond one a socket belong to somebody else, such as a process that walks /proc. */
  cappedBySockets?: boolean;
}

/** Where each byte goes, in the order in which it is drawn. */
export const ledgerItems: readonly LedgerItem[] = [
  {
    id: 'tcpSock',
    label: 'TCP sockets',
    description: 'struct tcp_sock, with the waste of its slabs (13 in 32 KiB)',
    caches: ['TCP', 'TCPv6', 'tw_sock_TCP', 'request_sock_TCP', 'tw_sock_TCPv6', 'request_sock_TCPv6'],
  },
  { id: 'socketInode', label: 'Socket inodes', description: 'struct socket_alloc', caches: ['sock_inode_cache'] },
  { id: 'dentry', label: 'Directory entries', description: 'one dentry for each socket', caches: ['dentry'], cappedBySockets: true },
  { id: 'file', label: 'Files', description: 'struct file', caches: ['filp'] },
  {
    id: 'epoll',
    label: 'Epoll',
    description: 'the watch, its wait queue entry and its list head',
    caches: ['eventpoll_epi', 'eventpoll_pwq', 'ep_head'],
  },
  {
    id: 'security',
    label: 'Security modules',
    description: 'blobs of the security modules for the inode and the file',
    caches: ['lsm_inode_cache', 'lsm_file_cache'],
    cappedBySockets: true,
  },
  { id: 'ports', label: 'Port buckets', description: 'the tables of local ports that are bound', caches: ['tcp_bind_bucket', 'tcp_bind2_bucket'] },
  {
    id: 'smallObjects',
    label: 'Small kernel objects',
    description: 'kmalloc caches: what a socket allocates without a cache of its own',
    caches: ['kmalloc-8', 'kmalloc-16', 'kmalloc-32', 'kmalloc-64', 'kmalloc-96', 'kmalloc-128', 'kmalloc-192', 'kmalloc-256', 'kmalloc-512'],
    cappedBySockets: true,
  },
  { id: 'fdTable', label: 'Descriptor tables', description: 'the tables of open files of our processes' },
  {
    id: 'socketBuffers',
    label: 'Socket buffers',
    description: 'buffers in the queues of sockets: their heads and their pages',
    caches: ['skbuff_head_cache', 'skbuff_small_head'],
    cappedBySockets: true,
  },
  { id: 'pageTables', label: 'Page tables', description: 'page tables of our processes' },
  { id: 'kernelStacks', label: 'Kernel stacks', description: 'stacks of our threads in the kernel' },
  { id: 'serverProcesses', label: 'Server processes', description: 'memory of the server workers that nobody shares' },
  {
    id: 'serverTls',
    label: 'Server TLS',
    description:
      'sessions of TLS in the server workers: what their C library holds for OpenSSL, with the engine node what it added outside of the JavaScript heap',
  },
  { id: 'clientProcesses', label: 'Client processes', description: 'memory of the client workers that nobody shares' },
  { id: 'clientTls', label: 'Client TLS', description: 'sessions of TLS in the client workers: what their C library holds for OpenSSL' },
  { id: 'programFiles', label: 'Programs', description: 'pages of program files and shared memory that the workers have mapped, each program once' },
];

/** All caches that some item is made of. */
export const ledgerCaches: readonly string[] = ledgerItems.flatMap(({ caches }) => caches ?? []);

/** Sockets that are not ours are reported from this many on: a login or a package download takes a few. */
const foreignSocketsWorthTelling = 100;
/** Below this growth a ratio says nothing: 32 MiB are within the noise of an idle machine. */
const growthWorthARatioBytes = 32 * 1024 * 1024;
/** Growth of others is reported, and left out, from this share of the run's own growth on. Below, it stays in the unexplained rest. */
const foreignShareWorthTelling = 0.02;

/** The items may add up to more than memory grew by, since others give memory back meanwhile; reported from this share on. */
const surplusWorthTelling = 0.03;

/** What the processes held before the first connection is reported from this share on: the figure for each end is then mostly not what a connection costs. */
const fixedShareWorthTelling = 0.25;

/** Growth that no counter names is reported from this share of the growth on. */
const unnamedShareWorthTelling = 0.05;

/** Memory in use that is not page cache: what processes and the kernel hold. Shared memory is counted as cache by the kernel, but cannot be given back. */
function usedBytes({ meminfo, perCpuFreeBytes }: MemoryReading): number {
  const cache = (meminfo['Cached'] ?? 0) - (meminfo['Shmem'] ?? 0) + (meminfo['Buffers'] ?? 0) + (meminfo['SwapCached'] ?? 0);
  return (meminfo['MemTotal'] ?? 0) - (meminfo['MemFree'] ?? 0) - perCpuFreeBytes - cache;
}

/** What `usedBytes` consists of by the kernel's own names. */
const namedMemory = ['AnonPages', 'Shmem', 'Slab', 'PageTables', 'KernelStack', 'Percpu'] as const;

/** Growth in pages that no counter of meminfo names, beyond `known`: buffers of sockets and pipes, pages of drivers. Infinity where the kernel names too few. */
function unnamedGrowth(baseline: MemoryReading, now: MemoryReading, known: number): number {
  if (now.meminfo['Slab'] === undefined) return Number.POSITIVE_INFINITY;
  const named = namedMemory.reduce((sum, name) => sum + (now.meminfo[name] ?? 0) - (baseline.meminfo[name] ?? 0), 0);
  return Math.max(0, usedBytes(now) - usedBytes(baseline) - named - known);
}

/** What our processes hold of anonymous memory, page tables and kernel stacks; what cannot be read is not ours to say. */
function ownBytes({ processes, pageTableBytes, kernelStackBytes }: MemoryReading): number {
  return (processes.server ?? 0) + (processes.client ?? 0) + (processes.supervisor ?? 0) + (pageTableBytes ?? 0) + (kernelStackBytes ?? 0);
}

/** Sockets that others opened (negative: closed) since the baseline; 0 while they are too few to matter, or cannot be counted. */
function foreignSockets(baseline: MemoryReading, now: MemoryReading, ends: number): number {
  if (now.tcpAllocated === null || baseline.tcpAllocated === null) return 0;
  const foreign = now.tcpAllocated - baseline.tcpAllocated - ends;
  return Math.abs(foreign) > Math.max(foreignSocketsWorthTelling, ends * 0.01) ? foreign : 0;
}

const growthOf = (before: number | null, now: number | null) => (before === null || now === null ? null : Math.max(0, now - before));

/** Entries whose value could be read. */
function knownEntries(entries: Record<string, number | null>): Record<string, number> {
  return Object.fromEntries(Object.entries(entries).filter((entry): entry is [string, number] => entry[1] !== null));
}

/**
 * The ledger of the growth between two readings. The processes count from zero (their fixed share is part of the cost), the kernel from
 * the baseline. `growthBytes` is measured independently of the items (MemTotal − MemFree − per-CPU free pages − page cache; MemAvailable
 * takes pinned socket inodes for reclaimable), without what others took meanwhile: caches of files, anonymous memory, page tables and stacks that are
 * not ours, and TCP sockets. All are reported in `contamination`, and so is a fixed share of the processes that outweighs the connections.
 */
export function computeLedger(baseline: MemoryReading, now: MemoryReading, established: { server: number; client: number }): Ledger {
  const ends = established.server + established.client;
  const grown = (name: string) => (now.meminfo[name] ?? 0) - (baseline.meminfo[name] ?? 0);
  const memAvailableFallBytes = -grown('MemAvailable');
  const contamination: string[] = [];
  const isUnknown = now.processes.server === null || now.processes.client === null;
  const processBytes = (of: MemoryReading) => (of.processes.server ?? 0) + (of.processes.client ?? 0);
  const programBytes = now.programBytes ?? 0;
  const kernel = kernelEntries(baseline, now, established);
  let fixedBytes = processBytes(baseline) + programBytes;
  let growthBytes: number;
  let entries: Record<string, number>;
  const ofProcesses = processEntries(now);
  if (kernel === null) {
    entries = knownEntries({ ...ofProcesses, kernel: Math.max(0, memAvailableFallBytes - Math.max(0, processBytes(now) - processBytes(baseline))) });
    growthBytes = memAvailableFallBytes + fixedBytes;
  } else {
    entries = knownEntries({ ...ofProcesses, ...kernel.entries, pageTables: now.pageTableBytes, kernelStacks: now.kernelStackBytes });
    fixedBytes += (baseline.pageTableBytes ?? 0) + (baseline.kernelStackBytes ?? 0);
    growthBytes = usedBytes(now) - usedBytes(baseline) + fixedBytes;
    growthBytes -= takeForeignGrowth(baseline, now, kernel, growthBytes, contamination);
  }
  const explainedBytes = Object.values(entries).reduce((sum, bytes) => sum + bytes, 0);
  if (isUnknown) contamination.push('The memory of some of our processes cannot be read: bytes per end are not known.');
  if (ends > 0 && fixedBytes > explainedBytes * fixedShareWorthTelling)
    contamination.push(
      `${Math.round((100 * fixedBytes) / explainedBytes)} % of these bytes were there before the first connection: the processes themselves. More connections would share them.`,
    );
  const grownBytes = growthBytes - fixedBytes;
  const reusedSlotBytes = kernel?.growth.reusedSlotBytes ?? 0;
  const surplus = (explainedBytes - reusedSlotBytes) / growthBytes - 1;
  if (kernel !== null && grownBytes >= growthWorthARatioBytes && surplus > surplusWorthTelling)
    contamination.push(`The items add up to ${(100 * surplus).toFixed(1)} % more than memory grew by: others gave back memory that could not be told apart.`);
  const bytesPerEnd = ends === 0 || isUnknown ? null : explainedBytes / ends;
  return {
    entries,
    explainedBytes,
    growthBytes,
    explainedRatio: kernel === null || isUnknown || grownBytes < growthWorthARatioBytes ? null : (explainedBytes - fixedBytes) / grownBytes,
    reusedSlotBytes,
    bytesPerEnd,
    bytesPerPair: bytesPerEnd === null ? null : bytesPerEnd * 2,
    memAvailableFallBytes,
    approximate: kernel === null,
    contamination,
  };
}

/** What the kernel holds, from the growth of its objects. */
interface KernelEntries {
  entries: Record<string, number | null>;
  growth: ReturnType<typeof itemGrowth>;
  readings: SlabReadings;
  ends: number;
  foreign: number;
}

/** null: the kernel does not show its objects. */
function kernelEntries(baseline: MemoryReading, now: MemoryReading, established: { server: number; client: number }): KernelEntries | null {
  if (baseline.slab === null || now.slab === null) return null;
  const readings = { before: baseline.slab, now: now.slab, pageBytes: now.pageBytes, aliases: now.slabAliases };
  const ends = established.server + established.client;
  const foreign = foreignSockets(baseline, now, ends);
  const growth = itemGrowth(ledgerItems, readings, established, foreign);
  const charged = growthOf(baseline.sockstatMemoryPages, now.sockstatMemoryPages);
  const fdTable = growthOf(baseline.fileTableBytes, now.fileTableBytes);
  // TCP charges a whole page to a socket for its first byte and keeps the charge: what no other counter names is all that can be there.
  const pages = charged === null ? null : Math.min(charged * now.pageBytes, unnamedGrowth(baseline, now, fdTable ?? 0));
  return {
    entries: {
      ...growth.bytes,
      fdTable,
      socketBuffers: pages === null ? null : (growth.bytes['socketBuffers'] ?? 0) + pages,
    },
    growth,
    readings,
    ends,
    foreign,
  };
}

/** Growth of memory that was not the run's, in bytes to leave out; what is worth reporting is added to `contamination`. */
function takeForeignGrowth(baseline: MemoryReading, now: MemoryReading, kernel: KernelEntries, growthBytes: number, contamination: string[]): number {
  const { readings, ends, foreign, entries } = kernel;
  const grown = (name: string) => (now.meminfo[name] ?? 0) - (baseline.meminfo[name] ?? 0);
  const files = fileCacheGrowth(readings, ends);
  const others = grown('AnonPages') + grown('Shmem') + grown('PageTables') + grown('KernelStack') - (ownBytes(now) - ownBytes(baseline));
  const worthTelling = Math.max(growthWorthARatioBytes / 2, foreignShareWorthTelling * (growthBytes - files.bytes - others));
  let leftOut = files.bytes + foreign * socketShareBytes(readings);
  if (Math.abs(others) > worthTelling) {
    leftOut += others;
    contamination.push(`Other programs ${others > 0 ? 'took' : 'gave back'} ${mebibytes(others)} meanwhile: left out.`);
  }
  if (Math.abs(files.bytes) > worthTelling) {
    const who = files.mostlyProc ? 'Another program lists /proc: ' : 'Other programs read files: ';
    contamination.push(`${who}${mebibytes(files.bytes)} of the kernel's caches for it are left out.`);
  }
  if (foreign !== 0)
    contamination.push(`Other programs ${foreign > 0 ? 'opened' : 'closed'} ${formatCount(Math.abs(foreign))} TCP sockets on this host meanwhile: left out.`);
  const unnamed = unnamedGrowth(baseline, now, (entries['fdTable'] ?? 0) + (entries['socketBuffers'] ?? 0));
  if (Number.isFinite(unnamed) && unnamed > Math.max(worthTelling, unnamedShareWorthTelling * growthBytes))
    contamination.push(
      `${mebibytes(unnamed)} of the growth have no name in /proc/meminfo, such as pipe buffers of other programs and pages of drivers: they lower the explained share.`,
    );
  return leftOut;
}

/** What the processes hold, with the sessions of TLS apart; null where it cannot be read. */
function processEntries({ processes, tls, programBytes }: MemoryReading): Record<string, number | null> {
  const entries = { serverProcesses: processes.server, clientProcesses: processes.client, programFiles: programBytes };
  if (tls === undefined) return entries;
  const server = Math.min(tls.server, processes.server ?? 0);
  const client = Math.min(tls.client, processes.client ?? 0);
  return {
    ...entries,
    serverProcesses: processes.server === null ? null : processes.server - server,
    clientProcesses: processes.client === null ? null : processes.client - client,
    serverTls: server,
    clientTls: client,
  };
}

function mebibytes(bytes: number): string {
  return `${Math.round(Math.abs(bytes) / 1_048_576)} MiB`;
}
