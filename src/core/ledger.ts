import type { Ledger } from '../protocol/events.js';

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
  { id: 'pageTables', label: 'Page tables', description: 'page tables of all processes' },
  { id: 'kernelStacks', label: 'Kernel stacks', description: 'stacks of the threads in the kernel' },
  { id: 'serverProcesses', label: 'Server processes', description: 'proportional share of memory (PSS) of the server workers' },
  { id: 'clientProcesses', label: 'Client processes', description: 'proportional share of memory (PSS) of the client workers' },
];

/** Sockets that are not ours are told from this many on: a login or a package download takes a few. */
const foreignSocketsWorthTelling = 100;
/** Below this growth a ratio says nothing: 32 MiB are within the noise of an idle machine. */
const growthWorthARatioBytes = 32 * 1024 * 1024;

function slabBytes(reading: SlabReading): number {
  return reading.objectsPerSlab === 0 ? reading.objectBytes : (reading.pagesPerSlab * pageBytes) / reading.objectsPerSlab;
}

/** Growth of one item's caches in bytes, by active objects × their share of a slab. */
function cacheGrowth(item: LedgerItem, before: Record<string, SlabReading>, now: Record<string, SlabReading>, sockets: number): number {
  let bytes = 0;
  for (const name of item.caches ?? []) {
    const reading = now[name];
    if (reading === undefined) continue;
    const objects = reading.activeObjects - (before[name]?.activeObjects ?? 0);
    bytes += Math.max(0, item.cappedBySockets === true ? Math.min(objects, sockets) : objects) * slabBytes(reading);
  }
  return bytes;
}

/** Memory in use that is not page cache: what processes and the kernel hold. */
function usedBytes(reading: MemoryReading): number {
  const { meminfo } = reading;
  const cache = (meminfo['Cached'] ?? 0) - (meminfo['Shmem'] ?? 0) + (meminfo['Buffers'] ?? 0) + (meminfo['SwapCached'] ?? 0);
  const free = (meminfo['MemFree'] ?? 0) + reading.perCpuFreeBytes;
  return (meminfo['MemTotal'] ?? 0) - free - cache;
}

/** Memory of inodes of /proc that somebody listed meanwhile (proc_inode_cache with its dentries): not the run's. */
function procInodeGrowth(before: Record<string, SlabReading>, now: Record<string, SlabReading>): number {
  const reading = now['proc_inode_cache'];
  if (reading === undefined) return 0;
  const objects = Math.max(0, reading.activeObjects - (before['proc_inode_cache']?.activeObjects ?? 0));
  const dentry = now['dentry'];
  return objects * (slabBytes(reading) + (dentry === undefined ? 0 : slabBytes(dentry)));
}

/**
 * The ledger of the growth between two readings. The processes count from zero (their fixed share is part of the cost), the kernel from
 * the baseline. `explainedRatio` compares what the items grew by with the growth of used memory measured independently
 * (MemTotal − MemFree − per-CPU free pages − page cache), since MemAvailable takes pinned socket inodes for reclaimable.
 */
export function computeLedger(baseline: MemoryReading, now: MemoryReading, established: { server: number; client: number }): Ledger {
  const ends = established.server + established.client;
  const sockets = Math.max(ends, 0);
  const memAvailableFallBytes = (baseline.meminfo['MemAvailable'] ?? 0) - (now.meminfo['MemAvailable'] ?? 0);
  const fixedBytes = baseline.processes.server + baseline.processes.client;
  const entries: Record<string, number> = {};
  const contamination: string[] = [];
  const approximate = baseline.slab === null || now.slab === null;
  let growthBytes = usedBytes(now) - usedBytes(baseline) + fixedBytes;
  entries['serverProcesses'] = now.processes.server;
  entries['clientProcesses'] = now.processes.client;
  if (baseline.slab === null || now.slab === null) {
    entries['kernel'] = Math.max(0, memAvailableFallBytes - (now.processes.server + now.processes.client - fixedBytes));
    growthBytes = memAvailableFallBytes + fixedBytes;
  } else {
    for (const item of ledgerItems) if (item.caches !== undefined) entries[item.id] = cacheGrowth(item, baseline.slab, now.slab, sockets);
    const procInodeBytes = procInodeGrowth(baseline.slab, now.slab);
    growthBytes -= procInodeBytes;
    if (procInodeBytes > 0.02 * Math.max(growthBytes, growthWorthARatioBytes)) {
      contamination.push(`Another process lists /proc: ${Math.round(procInodeBytes / 1_048_576)} MiB of its inodes are left out.`);
    }
    const grown = (name: string) => Math.max(0, (now.meminfo[name] ?? 0) - (baseline.meminfo[name] ?? 0));
    entries['fdTable'] = Math.max(0, now.fileTableBytes - baseline.fileTableBytes);
    entries['socketBuffers'] = Math.max(0, now.sockstatMemoryPages - baseline.sockstatMemoryPages) * pageBytes;
    entries['pageTables'] = grown('PageTables');
    entries['kernelStacks'] = grown('KernelStack');
  }
  const foreign = now.tcpAllocated - baseline.tcpAllocated - ends;
  if (foreign > Math.max(foreignSocketsWorthTelling, ends * 0.01))
    contamination.push(`${foreign} more TCP sockets than ours were opened on this host meanwhile.`);
  const explainedBytes = Object.values(entries).reduce((sum, bytes) => sum + bytes, 0);
  const grownBytes = growthBytes - fixedBytes;
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
