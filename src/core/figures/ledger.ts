import type { Ledger } from '../../protocol/events.js';
import { formatCount } from '../units.js';

export interface SlabReading {
  activeObjects: number;
  totalObjects: number;
  objectBytes: number;
  objectsPerSlab: number;
  pagesPerSlab: number;
}

/** What the sampler reads of the machine and of our processes at one moment. All figures in bytes unless named otherwise. */
export interface MemoryReading {
  /** `/proc/slabinfo` by cache; null where it is not readable. */
  slab: Record<string, SlabReading> | null;
  /** `/proc/meminfo`. */
  meminfo: Record<string, number>;
  /** Free pages on per-CPU lists, which MemFree does not count (`/proc/zoneinfo`). */
  perCpuFreeBytes: number;
  /** Proportional set sizes of our processes. */
  processes: { server: number; client: number; supervisor: number };
  /** Descriptor tables of our processes. */
  fileTableBytes: number;
  /** Page tables of our processes. */
  pageTableBytes: number;
  sockstatMemoryPages: number;
  /** TCP sockets of the whole host. */
  tcpAllocated: number;
  timeWait: number;
}

const pageBytes = 4_096;

export interface LedgerItem {
  id: string;
  label: string;
  description: string;
  /** Slab caches of this item. The kernel merges caches of one size: `anon_vma_chain` (64 B) holds epoll's wait queues too. */
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
    caches: ['eventpoll_epi', 'eventpoll_pwq', 'ep_head', 'anon_vma_chain'],
  },
  {
    id: 'security',
    label: 'Security modules',
    description: 'blobs of the security modules for the inode and the file',
    caches: ['lsm_inode_cache', 'lsm_file_cache'],
    cappedBySockets: true,
  },
  { id: 'ports', label: 'Port buckets', description: 'bind and port tables', caches: ['tcp_bind_bucket', 'tcp_bind2_bucket', 'inet_peer_cache'] },
  {
    id: 'smallObjects',
    label: 'Small kernel objects',
    description: 'kmalloc caches: what a socket allocates without a cache of its own',
    caches: ['kmalloc-8', 'kmalloc-16', 'kmalloc-32', 'kmalloc-64', 'kmalloc-96', 'kmalloc-128', 'kmalloc-192', 'kmalloc-256', 'kmalloc-512'],
  },
  { id: 'fdTable', label: 'Descriptor tables', description: 'the tables of open files of our processes' },
  { id: 'socketBuffers', label: 'Socket buffers', description: 'pages in socket queues (sockstat mem)' },
  { id: 'pageTables', label: 'Page tables', description: 'page tables of our processes' },
  { id: 'kernelStacks', label: 'Kernel stacks', description: 'stacks of the threads in the kernel' },
  { id: 'serverProcesses', label: 'Server processes', description: 'proportional share of memory (PSS) of the server workers' },
  { id: 'clientProcesses', label: 'Client processes', description: 'proportional share of memory (PSS) of the client workers' },
];

/** Sockets that are not ours are told from this many on: a login or a package download takes a few. */
const foreignSocketsWorthTelling = 100;
/** Below this growth a ratio says nothing: 32 MiB are within the noise of an idle machine. */
const growthWorthARatioBytes = 32 * 1024 * 1024;
/** Growth of others is told, and left out, from this share of the run's own growth on. Below, it stays in the unexplained rest. */
const foreignShareWorthTelling = 0.02;

/** The items may add up to more than memory grew by, since others give memory back meanwhile; told from this share on, since a ratio of 1 would hide it. */
const surplusWorthTelling = 0.03;

/** What the processes held before the first connection is told from this share on: the figure for each end is then mostly not what a connection costs. */
const fixedShareWorthTelling = 0.25;

/** Caches that fill when anybody reads files or lists /proc. They belong to no socket and the kernel gives them back. */
const fileCaches = [
  'proc_inode_cache',
  'ext4_inode_cache',
  'xfs_inode',
  'btrfs_inode',
  'ovl_inode',
  'shmem_inode_cache',
  'inode_cache',
  'kernfs_node_cache',
  'radix_tree_node',
  'buffer_head',
  'extent_status',
  'jbd2_journal_head',
] as const;
/** One object a socket; what is beyond that belongs to files. */
const sharedWithFiles = ['dentry', 'lsm_inode_cache'] as const;

type Slab = Record<string, SlabReading>;

function slabShareBytes(reading: SlabReading): number {
  return reading.objectsPerSlab === 0 ? reading.objectBytes : (reading.pagesPerSlab * pageBytes) / reading.objectsPerSlab;
}

function objectGrowth(name: string, before: Slab, now: Slab): number {
  return (now[name]?.activeObjects ?? 0) - (before[name]?.activeObjects ?? 0);
}

function cacheGrowthBytes(name: string, before: Slab, now: Slab, objects = objectGrowth(name, before, now)): number {
  const reading = now[name];
  return reading === undefined ? 0 : objects * slabShareBytes(reading);
}

/** Caches with exactly one object for each open TCP socket, whoever's it is: the sockets of others can be taken out of them by their count. */
const onePerSocket: ReadonlySet<string> = new Set(['TCP', 'sock_inode_cache', 'filp', 'dentry']);

/** Growth of one item's caches in bytes, by active objects × their share of a slab. `foreign`: sockets of others opened meanwhile, negative when closed. */
function itemGrowthBytes(item: LedgerItem, before: Slab, now: Slab, sockets: number, foreign: number): number {
  let bytes = 0;
  for (const name of item.caches ?? []) {
    const objects = Math.max(0, objectGrowth(name, before, now) - (onePerSocket.has(name) ? foreign : 0));
    bytes += cacheGrowthBytes(name, before, now, item.cappedBySockets === true ? Math.min(objects, sockets) : objects);
  }
  return bytes;
}

/** Growth of the caches of files, and of what sockets share with them beyond one a socket: whole slabs, since used memory counts those. */
function fileCacheGrowthBytes(before: Slab, now: Slab, sockets: number): number {
  const slots = (name: string) => (now[name]?.totalObjects ?? 0) - (before[name]?.totalObjects ?? 0);
  let bytes = 0;
  for (const name of fileCaches) bytes += cacheGrowthBytes(name, before, now, slots(name));
  for (const name of sharedWithFiles) bytes += cacheGrowthBytes(name, before, now, Math.min(0, slots(name)) + Math.max(0, slots(name) - sockets));
  return bytes;
}

/** Memory in use that is not page cache: what processes and the kernel hold. */
function usedBytes({ meminfo, perCpuFreeBytes }: MemoryReading): number {
  const cache = (meminfo['Cached'] ?? 0) + (meminfo['Buffers'] ?? 0) + (meminfo['SwapCached'] ?? 0);
  return (meminfo['MemTotal'] ?? 0) - (meminfo['MemFree'] ?? 0) - perCpuFreeBytes - cache;
}

/** What our processes hold of anonymous memory and page tables. */
function ownBytes({ processes, pageTableBytes }: MemoryReading): number {
  return processes.server + processes.client + processes.supervisor + pageTableBytes;
}

/** Sockets that others opened (negative: closed) since the baseline; 0 while they are too few to matter. */
function foreignSockets(baseline: MemoryReading, now: MemoryReading, ends: number): number {
  const foreign = now.tcpAllocated - baseline.tcpAllocated - ends;
  return Math.abs(foreign) > Math.max(foreignSocketsWorthTelling, ends * 0.01) ? foreign : 0;
}

/**
 * The ledger of the growth between two readings. The processes count from zero (their fixed share is part of the cost), the kernel from
 * the baseline. `growthBytes` is measured independently of the items (MemTotal − MemFree − per-CPU free pages − page cache; MemAvailable
 * takes pinned socket inodes for reclaimable), without what others took meanwhile: caches of files, and anonymous memory and page tables that are not ours,
 * and TCP sockets. All are told in `contamination`, and so is a fixed share of the processes that outweighs the connections.
 */
export function computeLedger(baseline: MemoryReading, now: MemoryReading, established: { server: number; client: number }): Ledger {
  const ends = established.server + established.client;
  const grown = (name: string) => (now.meminfo[name] ?? 0) - (baseline.meminfo[name] ?? 0);
  const memAvailableFallBytes = -grown('MemAvailable');
  const fixedBytes = baseline.processes.server + baseline.processes.client + (baseline.slab === null ? 0 : baseline.pageTableBytes);
  const entries: Record<string, number> = { serverProcesses: now.processes.server, clientProcesses: now.processes.client };
  const contamination: string[] = [];
  const approximate = baseline.slab === null || now.slab === null;
  const foreign = foreignSockets(baseline, now, ends);
  let growthBytes: number;
  if (baseline.slab === null || now.slab === null) {
    entries['kernel'] = Math.max(0, memAvailableFallBytes - (now.processes.server + now.processes.client - fixedBytes));
    growthBytes = memAvailableFallBytes + fixedBytes;
  } else {
    for (const item of ledgerItems) if (item.caches !== undefined) entries[item.id] = itemGrowthBytes(item, baseline.slab, now.slab, ends, foreign);
    entries['fdTable'] = Math.max(0, now.fileTableBytes - baseline.fileTableBytes);
    entries['socketBuffers'] = Math.max(0, now.sockstatMemoryPages - baseline.sockstatMemoryPages) * pageBytes;
    entries['pageTables'] = now.pageTableBytes;
    entries['kernelStacks'] = Math.max(0, grown('KernelStack'));
    const files = fileCacheGrowthBytes(baseline.slab, now.slab, ends);
    const others = grown('AnonPages') + grown('PageTables') - (ownBytes(now) - ownBytes(baseline));
    growthBytes = usedBytes(now) - usedBytes(baseline) + fixedBytes - files;
    const worthTelling = Math.max(growthWorthARatioBytes / 2, foreignShareWorthTelling * (growthBytes - others));
    const slab = now.slab;
    for (const name of onePerSocket) growthBytes -= slab[name] === undefined ? 0 : foreign * slabShareBytes(slab[name]);
    if (Math.abs(others) > worthTelling) {
      growthBytes -= others;
      contamination.push(`Other programs ${others > 0 ? 'took' : 'gave back'} ${mebibytes(others)} meanwhile: left out.`);
    }
    if (Math.abs(files) > worthTelling) {
      const who = cacheGrowthBytes('proc_inode_cache', baseline.slab, now.slab) > files / 2 ? 'Another program lists /proc: ' : 'Other programs read files: ';
      contamination.push(`${who}${mebibytes(files)} of the kernel's caches for it are left out.`);
    }
  }
  if (foreign !== 0)
    contamination.push(`Other programs ${foreign > 0 ? 'opened' : 'closed'} ${formatCount(Math.abs(foreign))} TCP sockets on this host meanwhile: left out.`);
  const explainedBytes = Object.values(entries).reduce((sum, bytes) => sum + bytes, 0);
  if (ends > 0 && fixedBytes > explainedBytes * fixedShareWorthTelling)
    contamination.push(
      `${Math.round((100 * fixedBytes) / explainedBytes)} % of these bytes were there before the first connection: the processes themselves. More connections would share them.`,
    );
  const grownBytes = growthBytes - fixedBytes;
  const surplus = explainedBytes / growthBytes - 1;
  if (!approximate && grownBytes >= growthWorthARatioBytes && surplus > surplusWorthTelling)
    contamination.push(`The items add up to ${(100 * surplus).toFixed(1)} % more than memory grew by: others gave back memory that could not be told apart.`);
  const explainedRatio = approximate || grownBytes < growthWorthARatioBytes ? null : Math.min(1, Math.max(0, (explainedBytes - fixedBytes) / grownBytes));
  return {
    entries,
    explainedBytes,
    growthBytes,
    explainedRatio,
    bytesPerEnd: ends === 0 ? null : explainedBytes / ends,
    bytesPerPair: ends === 0 ? null : (explainedBytes / ends) * 2,
    memAvailableFallBytes,
    approximate,
    contamination,
  };
}

function mebibytes(bytes: number): string {
  return `${Math.round(Math.abs(bytes) / 1_048_576)} MiB`;
}
