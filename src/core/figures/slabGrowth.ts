/** One cache of `/proc/slabinfo`. */
export interface SlabReading {
  activeObjects: number;
  totalObjects: number;
  objectBytes: number;
  objectsPerSlab: number;
  pagesPerSlab: number;
}

export type Slabs = Readonly<Record<string, SlabReading>>;

/** Two readings of all caches. */
export interface SlabReadings {
  before: Slabs;
  now: Slabs;
  /** Bytes of a page of this kernel: 4,096 on x86-64, 65,536 on RHEL 8 for arm64. */
  pageBytes: number;
  /** The kernel merges caches of one size and lists them under one name: that name by the name of a cache that is not listed. */
  aliases: Readonly<Record<string, string>>;
}

/** The caches of one item of the ledger. */
export interface CachesOfItem {
  id: string;
  caches?: readonly string[];
  /** Objects beyond one a socket belong to somebody else, such as a process that walks /proc. */
  cappedBySockets?: boolean;
}

/** Where merged caches are found when /sys/kernel/slab does not say it (kernels 5.4 to 6.18 on x86-64). */
const usualAliases: Readonly<Record<string, string>> = {
  eventpoll_pwq: 'anon_vma_chain',
  tcp_bind_bucket: 'eventpoll_epi',
  tcp_bind2_bucket: 'eventpoll_epi',
};
/** Caches with exactly one object for each open TCP socket, whoever's it is: the sockets of others can be taken out of them by their count. */
const onePerSocket: ReadonlySet<string> = new Set(['TCP', 'sock_inode_cache', 'filp', 'dentry']);
/** Objects of these are made once for each descriptor that is watched. */
const watchCaches = ['eventpoll_epi', 'eventpoll_pwq', 'ep_head'] as const;
/** A local port has a bucket, and one with its address since Linux 6.1; sockets of the server share that of the listener. */
const bucketsPerClient = 2;

/** Bytes of one object with its share of the slab. */
export function objectShareBytes(reading: SlabReading, pageBytes: number): number {
  return reading.objectsPerSlab === 0 ? reading.objectBytes : (reading.pagesPerSlab * pageBytes) / reading.objectsPerSlab;
}

export function objectGrowth(name: string, { before, now }: SlabReadings): number {
  return (now[name]?.activeObjects ?? 0) - (before[name]?.activeObjects ?? 0);
}

export function slotGrowth(name: string, { before, now }: SlabReadings): number {
  return (now[name]?.totalObjects ?? 0) - (before[name]?.totalObjects ?? 0);
}

/** The name under which slabinfo lists a cache; undefined where this kernel has none such. */
function listedName(cache: string, { now, aliases }: SlabReadings): string | undefined {
  if (now[cache] !== undefined) return cache;
  const alias = aliases[cache] ?? usualAliases[cache];
  return alias !== undefined && now[alias] !== undefined ? alias : undefined;
}

/**
 * Descriptors watched since the baseline, at most one a socket: of the caches that hold one object for each, the middle one counts, since others make
 * objects in those that are merged.
 */
function watchedDescriptors(readings: SlabReadings, sockets: number, closedByOthers: number): number {
  const growths = watchCaches
    .flatMap((cache) => listedName(cache, readings) ?? [])
    .map((name) => objectGrowth(name, readings) + closedByOthers)
    .sort((a, b) => a - b);
  return Math.max(0, Math.min(sockets, growths[(growths.length - 1) >> 1] ?? 0));
}

/** What the items grew by, in bytes by id, and how much of it lies in slots that were allocated, but free, before: memory did not grow for that. */
export interface ItemGrowth {
  bytes: Record<string, number>;
  reusedSlotBytes: number;
}

/**
 * Growth of the caches of all items, by active objects × their share of a slab. A cache that belongs to several items is split: watched descriptors
 * are known, the rest are port buckets. `foreign`: sockets of others opened meanwhile, negative when closed.
 */
export function itemGrowth(items: readonly CachesOfItem[], readings: SlabReadings, ends: { server: number; client: number }, foreign: number): ItemGrowth {
  const sockets = ends.server + ends.client;
  // Sockets that others closed were watched, most likely; those that they opened lie beyond one for each of ours.
  const closedByOthers = Math.max(0, -foreign);
  const watched = watchedDescriptors(readings, sockets, closedByOthers);
  const left = new Map<string, number>();
  const counted = new Map<string, number>();
  const bytes: Record<string, number> = {};
  for (const item of items) {
    if (item.caches === undefined) continue;
    bytes[item.id] = 0;
    const names = item.caches.flatMap((cache) => {
      const name = listedName(cache, readings);
      return name === undefined ? [] : [{ name, isWatch: (watchCaches as readonly string[]).includes(cache) }];
    });
    for (const { name, isWatch } of new Map(names.map((entry) => [entry.name, entry])).values()) {
      const ofOthers = onePerSocket.has(name) ? foreign : isWatch ? -closedByOthers : 0;
      const grown = Math.max(0, objectGrowth(name, readings) - ofOthers);
      const available = left.get(name) ?? grown;
      const most = isWatch
        ? watched
        : item.id === 'ports'
          ? ends.client * bucketsPerClient
          : item.cappedBySockets === true
            ? sockets
            : Number.POSITIVE_INFINITY;
      const objects = Math.min(available, most);
      left.set(name, available - objects);
      counted.set(name, (counted.get(name) ?? 0) + objects);
      bytes[item.id]! += objects * objectShareBytes(readings.now[name]!, readings.pageBytes);
    }
  }
  let reusedSlotBytes = 0;
  for (const [name, objects] of counted) {
    const reused = Math.max(0, Math.min(objects, objectGrowth(name, readings) - Math.max(0, slotGrowth(name, readings))));
    reusedSlotBytes += reused * objectShareBytes(readings.now[name]!, readings.pageBytes);
  }
  return { bytes, reusedSlotBytes };
}

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

/** Growth of the caches of files, and of what sockets share with them beyond one a socket: whole slabs, since used memory counts those. */
export function fileCacheGrowth(readings: SlabReadings, sockets: number): { bytes: number; mostlyProc: boolean } {
  const bytesOf = (name: string, slots: number) => (readings.now[name] === undefined ? 0 : slots * objectShareBytes(readings.now[name], readings.pageBytes));
  let bytes = 0;
  for (const name of fileCaches) bytes += bytesOf(name, slotGrowth(name, readings));
  for (const name of sharedWithFiles) {
    const slots = slotGrowth(name, readings);
    bytes += bytesOf(name, Math.min(0, slots) + Math.max(0, slots - sockets));
  }
  return { bytes, mostlyProc: bytesOf('proc_inode_cache', objectGrowth('proc_inode_cache', readings)) > bytes / 2 };
}

/** Bytes of one socket in the caches that hold one object for each. */
export function socketShareBytes({ now, pageBytes }: Pick<SlabReadings, 'now' | 'pageBytes'>): number {
  return [...onePerSocket].reduce((sum, name) => sum + (now[name] === undefined ? 0 : objectShareBytes(now[name], pageBytes)), 0);
}
