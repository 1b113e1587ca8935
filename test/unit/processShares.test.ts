import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProcessShares } from '../../src/agent/load/processShares.js';
import type { ProcessMemory } from '../../src/linux/procfs.js';

const own = 1;
/** The process that is no more. */
const gone = 404;

/** Memory of processes of which each holds its own number in pages of 4 kB, with the numbers that were read since the last look. */
function watched(changes: Partial<ProcessMemory> = {}) {
  const read: number[] = [];
  const shares = new ProcessShares(own, (pid) => {
    read.push(pid);
    if (pid === gone) return undefined;
    return { privateBytes: pid * 4_096, mappedFileBytes: pid * 1_000, program: 'node', threads: 11, descriptorSlots: 0, pageTableBytes: pid * 10, ...changes };
  });
  return { shares, takeRead: () => read.splice(0) };
}

test('a sample reads every worker that is new, then each once in five samples, and the supervisor with the first of them', () => {
  const workers = [10, 11, 12, 13, 14, 15, 16].map((pid) => ({ pids: [pid] }));
  const { shares, takeRead } = watched();
  const rounds = Array.from({ length: 6 }, () => {
    shares.readSome(workers);
    return takeRead();
  });
  assert.deepEqual(rounds, [[10, 11, 12, 13, 14, 15, 16, own], [11, 16], [12], [13], [14], [10, 15, own]]);
});

test('a figure that must be exact reads all of them, the processes of a server of the user too, and begins the round anew', () => {
  const workers = [{ pids: [20, 21, 22] }, { pids: [30] }];
  const { shares, takeRead } = watched();
  shares.readSome(workers);
  shares.readSome(workers);
  takeRead();
  shares.readAll(workers);
  assert.deepEqual(takeRead(), [20, 21, 22, 30, own]);
  shares.readSome(workers);
  assert.deepEqual(takeRead(), [20, 21, 22, own]);
});

test('bytes of some processes together; one that is gone or was never read holds nothing', () => {
  const { shares } = watched();
  shares.readAll([{ pids: [2, 3, gone] }, { pids: [4] }]);
  assert.deepEqual(
    {
      private: shares.privateBytes([2, 3, gone, 99]),
      own: shares.ownPrivateBytes,
      pageTables: shares.pageTableBytes([3, 4]),
      threads: shares.threads([2, 3, 4]),
      none: shares.privateBytes([]),
    },
    { private: 5 * 4_096, own: 4_096, pageTables: 70, threads: 33, none: 0 },
  );
});

test('what cannot be read makes the sum unknown, not smaller', () => {
  const { shares } = watched({ privateBytes: null, mappedFileBytes: null, threads: null, descriptorSlots: null, pageTableBytes: null });
  shares.readAll([{ pids: [2] }]);
  const found = [shares.privateBytes([2]), shares.programBytes([2]), shares.threads([2]), shares.descriptorTableBytes([2]), shares.pageTableBytes([2])];
  assert.deepEqual(found, [null, null, null, null, null]);
});

test('a program is counted once, by the process that has most of it mapped', () => {
  const { shares } = watched();
  shares.readAll([{ pids: [20, 30] }]);
  assert.equal(shares.programBytes([20, 30]), 30_000);
  const others = new ProcessShares(own, (pid) => ({
    privateBytes: 0,
    mappedFileBytes: pid * 1_000,
    program: pid > 25 ? 'python' : 'node',
    threads: 1,
    descriptorSlots: 0,
    pageTableBytes: 0,
  }));
  others.readAll([{ pids: [20, 24, 30] }]);
  assert.equal(others.programBytes([20, 24, 30]), 54_000);
});

test('a descriptor table counts where it is too large for a slab: 8.25 bytes a slot, above 8,192 bytes', () => {
  const tables = [0, 64, 992, 993, 1_048_576].map((descriptorSlots) => {
    const { shares } = watched({ descriptorSlots });
    shares.readAll([{ pids: [2, 3] }]);
    return shares.descriptorTableBytes([2, 3]);
  });
  assert.deepEqual(tables, [0, 0, 0, 2 * 993 * 8.25, 2 * 1_048_576 * 8.25]);
});
