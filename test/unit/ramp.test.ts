import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConnectionTable, DescriptorList } from '../../src/worker/connectionTable.js';
import { Backoff, TokenBucket } from '../../src/worker/ramp.js';

test('a bucket gives its rate, never more than a tenth of a second at once, and says when the next is due', () => {
  const given = (rate: number, stepMs: number, seconds: number) => {
    const bucket = new TokenBucket(rate, 0);
    let sum = 0;
    let most = 0;
    for (let step = 1; step * stepMs <= seconds * 1000; step++) {
      const taken = bucket.takeTokens(1_000_000, step * stepMs);
      sum += taken;
      most = Math.max(most, taken);
    }
    return { sum, most };
  };
  assert.deepEqual(given(1000, 5, 10), { sum: 10_000, most: 5 });
  assert.deepEqual(given(1000, 1000, 10), { sum: 1_000, most: 100 });
  assert.deepEqual(given(2, 10, 10), { sum: 20, most: 1 });
  const bucket = new TokenBucket(10, 0);
  assert.equal(bucket.dueIn(0), 100);
  assert.ok(Math.abs(bucket.dueIn(60) - 40) < 1e-9);
  assert.equal(bucket.dueIn(100), 0);
  bucket.setRate(0, 100);
  assert.deepEqual([bucket.takeTokens(64, 100), bucket.dueIn(100)], [64, 0]);
});

test('a back-off doubles from 10 ms to a second and is forgotten after 64 successes in a row', () => {
  const backoff = new Backoff();
  const pauses: number[] = [];
  let now = 0;
  for (let index = 0; index < 9; index++) {
    backoff.fail(now);
    backoff.fail(now);
    pauses.push(backoff.dueIn(now));
    now += backoff.dueIn(now);
  }
  assert.deepEqual(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
  for (let index = 0; index < 63; index++) backoff.succeed();
  backoff.fail(now);
  assert.equal(backoff.dueIn(now), 1000);
  now += 1000;
  for (let index = 0; index < 64; index++) backoff.succeed();
  backoff.fail(now);
  assert.equal(backoff.dueIn(now), 10);
});

test('the list of descriptors is a set with a last element', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3_000 })), { maxLength: 200 }), (steps) => {
      const list = new DescriptorList(1);
      const table = new ConnectionTable(1);
      const model = new Set<number>();
      for (const [isAdded, fd] of steps) {
        if (isAdded && !model.has(fd)) {
          list.add(fd);
          table.set(fd, 3);
          model.add(fd);
        } else if (!isAdded && model.delete(fd)) {
          list.remove(fd);
          table.set(fd, 0);
        }
        assert.equal(list.has(fd), model.has(fd));
        assert.equal(table.get(fd), model.has(fd) ? 3 : 0);
      }
      assert.deepEqual(
        [...list.snapshot()].sort((a, b) => a - b),
        [...model].sort((a, b) => a - b),
      );
      if (model.size > 0) assert.ok(model.has(list.last()));
    }),
    { seed: 20141011 },
  );
});
