import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { computeLedger, ledgerItems, type MemoryReading } from '../../src/core/figures/ledger.js';
import { hasServerEndsOnly, ledgerEnds } from '../../src/core/figures/ledgerEnds.js';
import type { SlabReading } from '../../src/core/figures/slabGrowth.js';

const cache = (objectBytes: number, objectsPerSlab: number, pagesPerSlab: number, objects: number): SlabReading => ({
  activeObjects: objects,
  totalObjects: objects,
  objectBytes,
  objectsPerSlab,
  pagesPerSlab,
});
const mebibyte = 1024 ** 2;
const quiet = { sockets: 0, processInodes: 0, anonymous: 0, workers: 20 * mebibyte, fileCache: 0 };

/** A reading of a host with so many sockets of ours, and of others so much. Slabs and objects are those of kernel 6.18. */
function reading(changes: Partial<typeof quiet> = {}): MemoryReading {
  const { sockets, processInodes, anonymous, workers, fileCache } = { ...quiet, ...changes };
  const slab = {
    TCP: cache(2_368, 13, 8, 40 + sockets),
    sock_inode_cache: cache(832, 19, 4, 300 + sockets),
    dentry: cache(192, 21, 1, 60_000 + sockets + processInodes),
    filp: cache(192, 21, 1, 2_000 + sockets),
    eventpoll_epi: cache(128, 32, 1, 100 + sockets),
    anon_vma_chain: cache(64, 64, 1, 5_000 + sockets),
    lsm_inode_cache: cache(32, 128, 1, 100_000 + sockets + processInodes),
    proc_inode_cache: cache(696, 23, 4, 7_000 + processInodes),
  };
  const slabBytes = Object.values(slab).reduce((sum, one) => sum + one.activeObjects * ((one.pagesPerSlab * 4_096) / one.objectsPerSlab), 0);
  const free = 20_000 * mebibyte - slabBytes - anonymous - (workers - 20 * mebibyte) - fileCache;
  return {
    slab,
    pageBytes: 4_096,
    slabAliases: { eventpoll_pwq: 'anon_vma_chain' },
    meminfo: {
      MemTotal: 24_000 * mebibyte,
      MemFree: free,
      MemAvailable: free + 300 * mebibyte,
      Cached: 500 * mebibyte + fileCache,
      Buffers: 0,
      AnonPages: 900 * mebibyte + anonymous + workers,
      PageTables: 20 * mebibyte,
      KernelStack: 4 * mebibyte,
    },
    perCpuFreeBytes: 0,
    processes: { server: workers / 2, client: workers / 2, supervisor: 0 },
    programBytes: 0,
    fileTableBytes: 0,
    pageTableBytes: mebibyte,
    kernelStackBytes: mebibyte,
    sockstatMemoryPages: 0,
    tcpAllocated: 40 + sockets,
  };
}

/** What `Slab` of meminfo would be. */
const usedSlab = ({ slab }: MemoryReading) =>
  Object.values(slab!).reduce((sum, { activeObjects, pagesPerSlab, objectsPerSlab }) => sum + (activeObjects * pagesPerSlab * 4_096) / objectsPerSlab, 0);

const both = (count: number) => ({ server: count, client: count });
const measured = reading({ sockets: 200_000, workers: 40 * mebibyte });

describe('computeLedger', () => {
  it('explains the growth of a quiet host by objects and processes', () => {
    const ledger = computeLedger(reading(), measured, both(100_000));
    assert.ok(ledger.explainedRatio! > 0.999, `${ledger.explainedRatio!}`);
    assert.equal(ledger.entries['tcpSock'], (200_000 * 8 * 4_096) / 13);
    assert.equal(ledger.entries['serverProcesses'], 20 * mebibyte);
    assert.ok(Math.abs(ledger.bytesPerEnd! - (3_997 + 215)) < 20, `${ledger.bytesPerEnd!}`);
    assert.equal(ledger.bytesPerPair, ledger.bytesPerEnd! * 2);
    assert.deepEqual(ledger.contamination, []);
  });

  const disturbances: [string, Partial<typeof quiet>, RegExp][] = [
    ['somebody lists /proc', { processInodes: 200_000 }, /lists \/proc: 17\d MiB/],
    ['another program takes memory', { anonymous: 1_600 * mebibyte }, /Other programs took 1600 MiB/],
    ['another program ends', { anonymous: -500 * mebibyte }, /Other programs gave back 500 MiB/],
  ];
  for (const [name, changes, told] of disturbances) {
    it(`${name}: the same bytes, and told`, () => {
      const ledger = computeLedger(reading(), reading({ sockets: 200_000, workers: 40 * mebibyte, ...changes }), both(100_000));
      assert.equal(ledger.bytesPerEnd, computeLedger(reading(), measured, both(100_000)).bytesPerEnd);
      assert.ok(ledger.explainedRatio! > 0.97, `${ledger.explainedRatio!}`);
      assert.match(ledger.contamination.join('; '), told);
    });
  }

  it('does not take page cache for growth', () => {
    const ledger = computeLedger(reading(), reading({ sockets: 200_000, workers: 40 * mebibyte, fileCache: 3_000 * mebibyte }), both(100_000));
    assert.ok(ledger.explainedRatio! > 0.99);
  });

  it('shows what it cannot explain', () => {
    const now = reading({ sockets: 200_000 });
    now.meminfo['MemFree']! -= 400 * mebibyte;
    const ledger = computeLedger(reading(), now, both(100_000));
    assert.ok(ledger.explainedRatio! > 0.6 && ledger.explainedRatio! < 0.7, `${ledger.explainedRatio!}`);
  });

  it('tells foreign sockets', () => {
    const ledger = computeLedger(reading(), measured, both(90_000));
    assert.match(ledger.contamination.join(), /Other programs opened 20,000 TCP sockets/);
  });

  it('leaves out the sockets that others opened or closed', () => {
    const alone = computeLedger(reading(), measured, both(100_000)).entries;
    const others = (count: number) => {
      const { tcpSock, socketInode, file } = computeLedger({ ...reading({ sockets: count }) }, measured, both(100_000)).entries;
      return { tcpSock, socketInode, file };
    };
    const expected = { tcpSock: alone.tcpSock, socketInode: alone.socketInode, file: alone.file };
    assert.deepEqual(others(30_000), expected, 'closed 30,000 of theirs');
  });

  it('falls back to MemAvailable without slabinfo, and says so', () => {
    const ledger = computeLedger({ ...reading(), slab: null }, { ...measured, slab: null }, both(100_000));
    assert.ok(ledger.approximate);
    assert.equal(ledger.explainedRatio, null);
    assert.ok(ledger.bytesPerEnd! > 4_000);
  });

  it('says when its items add up to more than memory grew by, with the ratio as it is', () => {
    const now = { ...measured, meminfo: { ...measured.meminfo, MemFree: (measured.meminfo['MemFree'] ?? 0) + 100 * mebibyte } };
    const ledger = computeLedger(reading(), now, both(100_000));
    assert.ok(ledger.explainedRatio! > 1.1, `${ledger.explainedRatio!}`);
    assert.match(ledger.contamination.join(), /The items add up to \d+\.\d % more than memory grew by/);
  });

  it('shows slots that were free before as reused, and does not blame others for them', () => {
    const freeSlots = 40_000;
    const baseline = reading();
    const bytesEach = (8 * 4_096) / 13;
    baseline.slab = { ...baseline.slab!, TCP: { ...baseline.slab!['TCP']!, totalObjects: baseline.slab!['TCP']!.totalObjects + freeSlots } };
    baseline.meminfo['MemFree']! -= freeSlots * bytesEach;
    const ledger = computeLedger(baseline, measured, both(100_000));
    assert.ok(Math.abs(ledger.reusedSlotBytes! - freeSlots * bytesEach) < 1, `${ledger.reusedSlotBytes!}`);
    assert.ok(ledger.explainedRatio! > 1.1, 'memory grew by less than what the sockets hold');
    assert.deepEqual(ledger.contamination, []);
    assert.equal(computeLedger(reading(), measured, both(100_000)).reusedSlotBytes, 0);
  });

  it('counts objects in pages of the size that this kernel has', () => {
    const large = (one: MemoryReading): MemoryReading => ({
      ...one,
      pageBytes: 65_536,
      slab: { TCP: { ...one.slab!['TCP']!, objectsPerSlab: 26, pagesPerSlab: 1 } },
    });
    const ledger = computeLedger(large(reading()), large(measured), both(100_000));
    assert.equal(Math.round(ledger.entries['tcpSock']! / 200_000), 2_521, 'not 158 B');
    const buffers = computeLedger({ ...large(reading()), sockstatMemoryPages: 10 }, { ...large(measured), sockstatMemoryPages: 20 }, both(100_000));
    assert.equal(buffers.entries['socketBuffers'], 655_360);
  });

  describe('caches that the kernel merged', () => {
    const slots = (name: string, objects: number, extra: Record<string, SlabReading> = {}): MemoryReading => {
      const one = reading({ sockets: objects });
      const others = Object.fromEntries(Object.entries(one.slab!).filter(([cacheName]) => cacheName !== 'eventpoll_epi'));
      return {
        ...one,
        slab: { ...others, ep_head: cache(16, 256, 1, objects), [name]: cache(128, 32, 1, 500 + objects + Math.round(objects * 0.83)), ...extra },
      };
    };
    const aliasCases: [string, string, Record<string, string>][] = [
      ['listed as eventpoll_epi, as on Debian 12', 'eventpoll_epi', {}],
      [
        'listed by another name, which /sys says',
        'pte_list_desc',
        { eventpoll_epi: 'pte_list_desc', tcp_bind_bucket: 'pte_list_desc', tcp_bind2_bucket: 'pte_list_desc' },
      ],
    ];
    for (const [name, listed, aliases] of aliasCases) {
      it(`${name}: watched descriptors are Epoll, the rest port buckets`, () => {
        const of = (objects: number) => ({ ...slots(listed, objects), slabAliases: { eventpoll_pwq: 'anon_vma_chain', ...aliases } });
        const ledger = computeLedger(of(0), of(40_000), both(20_000));
        assert.equal(ledger.entries['epoll']! / 40_000, 208);
        assert.equal(Math.round(ledger.entries['ports']! / 40_000), 106);
      });
    }
    it('not merged: each item has its own', () => {
      const of = (objects: number) =>
        slots('eventpoll_epi', objects, { eventpoll_epi: cache(128, 32, 1, objects), tcp_bind_bucket: cache(128, 32, 1, objects / 2) });
      const { epoll, ports } = computeLedger(of(0), of(40_000), both(20_000)).entries;
      assert.deepEqual([epoll, ports], [40_000 * 208, 20_000 * 128]);
    });
    it('sockets that others closed meanwhile were watched: ours stay Epoll', () => {
      const of = (objects: number, others: number) => ({ ...slots('eventpoll_epi', objects + others), tcpAllocated: objects + others });
      assert.equal(computeLedger(of(0, 10_000), of(40_000, 0), both(20_000)).entries['epoll'], 40_000 * 208);
    });
    it('objects that others make in a merged cache are nobody of ours', () => {
      const now = slots('eventpoll_epi', 40_000);
      const busy = { ...now, slab: { ...now.slab!, anon_vma_chain: cache(64, 64, 1, 5_000 + 40_000 + 900_000) } };
      assert.equal(computeLedger(slots('eventpoll_epi', 0), busy, both(20_000)).entries['epoll'], 40_000 * 208);
    });
  });

  describe('what cannot be read is unknown', () => {
    const without = (changes: Partial<MemoryReading>) => computeLedger(reading(), { ...measured, ...changes }, both(100_000));
    it('a process: bytes per end are not known, and why', () => {
      const ledger = without({ processes: { server: null, client: 20 * mebibyte, supervisor: 0 } });
      assert.deepEqual([ledger.bytesPerEnd, ledger.bytesPerPair, ledger.explainedRatio, ledger.entries['serverProcesses']], [null, null, null, undefined]);
      assert.match(ledger.contamination.join(), /cannot be read: bytes per end are not known/);
    });
    it('sockstat: no socket of others is made up', () => {
      const ledger = without({ tcpAllocated: null, sockstatMemoryPages: null });
      assert.equal(ledger.bytesPerEnd, computeLedger(reading(), measured, both(100_000)).bytesPerEnd);
      assert.ok(!('socketBuffers' in ledger.entries));
      assert.deepEqual(ledger.contamination, []);
    });
  });

  it('counts no more in socket buffers than can be there: TCP charges a page for a byte', () => {
    const withSlab = (one: MemoryReading): MemoryReading => ({ ...one, meminfo: { ...one.meminfo, Slab: usedSlab(one) }, sockstatMemoryPages: 0 });
    const charged = { ...withSlab(measured), sockstatMemoryPages: 100_000 };
    assert.equal(Math.round(computeLedger(withSlab(reading()), charged, both(100_000)).entries['socketBuffers']!), 0);
    const queued = { ...charged, meminfo: { ...charged.meminfo, MemFree: charged.meminfo['MemFree']! - 100 * mebibyte } };
    assert.equal(Math.round(computeLedger(withSlab(reading()), queued, both(100_000)).entries['socketBuffers']! / mebibyte), 100);
  });

  it('says when memory grew that no counter names, such as pipe buffers of others', () => {
    const named = (one: MemoryReading) => ({ ...one, meminfo: { ...one.meminfo, Slab: usedSlab(one) } });
    const pipes = { ...measured, meminfo: { ...measured.meminfo, MemFree: measured.meminfo['MemFree']! - 350 * mebibyte } };
    const ledger = computeLedger(named(reading()), named(pipes), both(100_000));
    assert.ok(ledger.explainedRatio! < 0.8);
    assert.match(ledger.contamination.join(), /35\d MiB of the growth have no name in \/proc\/meminfo, such as pipe buffers/);
  });

  it('says when the processes themselves outweigh their few connections', () => {
    const few = computeLedger(reading(), reading({ sockets: 4_000, workers: 21 * mebibyte }), both(2_000));
    assert.match(few.contamination.join(), /^\d+ % of these bytes were there before the first connection: the processes themselves/);
  });

  it('says nothing of bytes per end before the first connection', () => {
    const ledger = computeLedger(reading(), reading(), both(0));
    assert.deepEqual([ledger.bytesPerEnd, ledger.bytesPerPair, ledger.explainedRatio], [null, null, null]);
  });
});

it('every item of the ledger has a label and a description', () => {
  assert.equal(new Set(ledgerItems.map(({ id }) => id)).size, ledgerItems.length);
  assert.ok(ledgerItems.every(({ label, description }) => label.length > 3 && description.length > 5));
});

it('bytes are divided by the ends that the ledger has: those of the server alone where the client has no sockets', () => {
  const established = { server: 1_000, client: 1_000 };
  const cases: [string, { explainedBytes: number; bytesPerEnd: number | null }, number, boolean][] = [
    ['sockets on both sides', { explainedBytes: 10_000_000, bytesPerEnd: 5_000 }, 2_000, false],
    ['a client without sockets', { explainedBytes: 5_000_000, bytesPerEnd: 5_000 }, 1_000, true],
    ['not known', { explainedBytes: 0, bytesPerEnd: null }, 2_000, false],
  ];
  for (const [name, ledger, ends, isServerOnly] of cases)
    assert.deepEqual([ledgerEnds(ledger, established), hasServerEndsOnly(ledger, established)], [ends, isServerOnly], name);
});
