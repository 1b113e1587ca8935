import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProcessShares } from '../../src/agent/load/processShares.js';

const own = 1;

/** Shares of processes of which each holds its own number in pages of 4 kB, with the numbers that were read since the last look. */
function watched(descriptorSlots = 0) {
  const read: number[] = [];
  const shares = new ProcessShares(own, (pid) => {
    read.push(pid);
    return { shareBytes: pid * 4_096, descriptorSlots, pageTableBytes: pid * 10 };
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

test('bytes of some processes together; one that was never read holds nothing', () => {
  const { shares } = watched();
  shares.readAll([{ pids: [2, 3] }, { pids: [4] }]);
  assert.deepEqual(
    { share: shares.shareBytes([2, 3, 99]), own: shares.ownShareBytes, pageTables: shares.pageTableBytes([3, 4]), none: shares.shareBytes([]) },
    { share: 5 * 4_096, own: 4_096, pageTables: 70, none: 0 },
  );
});

test('a descriptor table counts where it is too large for a slab: 8.25 bytes a slot, above 8,192 bytes', () => {
  const tables = [0, 64, 992, 993, 1_048_576].map((slots) => {
    const { shares } = watched(slots);
    shares.readAll([{ pids: [2, 3] }]);
    return shares.descriptorTableBytes([2, 3]);
  });
  assert.deepEqual(tables, [0, 0, 0, 2 * 993 * 8.25, 2 * 1_048_576 * 8.25]);
});
