import assert from 'node:assert/strict';
import { test } from 'node:test';
import { downsampleMinMax, downsampleStack, lowerBound, valueAt, visibleRange } from '../../src/core/figures/downsample.js';
import { SampleColumnStore } from '../../src/core/figures/sampleColumns.js';

const ramp = (length: number, value: (index: number) => number = (index) => index) => Float32Array.from({ length }, (_value, index) => value(index));

test('rows become columns; a column that comes later has gaps before it', () => {
  const store = new SampleColumnStore();
  store.append({ seconds: 0, a: 1 });
  store.append({ seconds: 1, a: 2, b: 7 });
  store.append({ seconds: 2, b: 8 });
  assert.deepEqual(
    { length: store.length, a: [...store.column('a')], b: [...store.column('b')], none: [...store.column('none')] },
    { length: 3, a: [1, 2, Number.NaN], b: [Number.NaN, 7, 8], none: [Number.NaN, Number.NaN, Number.NaN] },
  );
});

test('a store goes on from a snapshot, across growth', () => {
  const first = new SampleColumnStore();
  for (let second = 0; second < 300; second++) first.append({ seconds: second });
  const second = new SampleColumnStore(first.snapshot());
  for (let at = 300; at < 1000; at++) second.append({ seconds: at, late: at });
  assert.equal(second.length, 1000);
  assert.deepEqual(
    [second.column('seconds')[299], second.column('seconds')[999], second.column('late')[299], second.column('late')[999]],
    [299, 999, Number.NaN, 999],
  );
});

test('the bound holds: the resolution halves, the order and the span stay', () => {
  const store = new SampleColumnStore(undefined, 64);
  for (let second = 0; second < 1000; second++) store.append({ seconds: second });
  const seconds = [...store.column('seconds')];
  assert.ok(store.length <= 64);
  assert.equal(seconds[0], 0);
  assert.ok(seconds.at(-1)! >= 1000 - 32, `the last row is at ${seconds.at(-1)!}`);
  assert.deepEqual(
    seconds,
    [...seconds].sort((a, b) => a - b),
  );
});

test('a spike of one sample survives each halving, up and down, whatever was halved before it', () => {
  const spikes = [3, 40, 70, 111, 500, 501, 777, 990];
  for (const spike of spikes) {
    const store = new SampleColumnStore(undefined, 64);
    for (let second = 0; second < 1_024; second++) {
      const height = second === spike ? 1_000 : 10;
      store.append({ seconds: second, up: height, down: -height, 'ledger.a': height, 'ledger.b': height * 2, constant: 7 });
    }
    const peak = store.column('ledger.a').indexOf(1_000);
    assert.deepEqual(
      [Math.max(...store.column('up')), Math.min(...store.column('down')), store.column('ledger.b')[peak], new Set(store.column('constant')).size],
      [1_000, -1_000, 2_000, 1],
      `a spike at ${spike} s`,
    );
  }
});

test('a gap among values is no value, and values among gaps stay', () => {
  const store = new SampleColumnStore(undefined, 4);
  for (let second = 0; second < 8; second++) store.append({ seconds: second, rare: second === 2 ? 5 : Number.NaN, never: Number.NaN });
  assert.ok([...store.column('rare')].includes(5), String(store.column('rare')));
  assert.ok([...store.column('never')].every(Number.isNaN));
});

test('a spike of one sample survives min/max downsampling in both directions', () => {
  const x = ramp(10_000);
  const values = ramp(10_000, (index) => (index === 4321 ? 999 : index === 8765 ? -999 : 5));
  const [drawnX, drawn] = downsampleMinMax(x, [values], 0, x.length, 200);
  assert.equal(drawnX!.length, drawn!.length);
  assert.ok(drawnX!.length <= 400);
  assert.deepEqual([Math.max(...drawn!), Math.min(...drawn!)], [999, -999]);
  assert.deepEqual(
    drawnX,
    [...drawnX!].sort((a, b) => a - b),
  );
});

test('few points are drawn as they are', () => {
  assert.deepEqual(downsampleMinMax(ramp(5), [ramp(5, (index) => index * 2)], 1, 4, 100), [
    [1, 2, 3],
    [2, 4, 6],
  ]);
});

test('a stack keeps its peak, with the parts that belong together', () => {
  const first = ramp(1000, (index) => (index === 700 ? 50 : 10));
  const second = ramp(1000, (index) => (index === 700 ? 60 : 20));
  const [x, a, b] = downsampleStack(ramp(1000), [first, second], 0, 1000, 10);
  const peak = x!.indexOf(700);
  assert.deepEqual([x!.length, a![peak], b![peak]], [10, 50, 60]);
});

test('the visible range reaches one neighbour beyond each edge', () => {
  const x = ramp(100);
  assert.deepEqual([visibleRange(x, 10.5, 20.5), visibleRange(x, -5, 500), lowerBound(x, 10.5)], [{ start: 10, end: 23 }, { start: 0, end: 100 }, 11]);
});

test('a value between samples is on the line between them', () => {
  const x = Float32Array.from([0.329, 1.324, 2.323]);
  const values = Float32Array.from([0, 1_000, Number.NaN]);
  const at = (seconds: number) => Math.round(valueAt(x, values, seconds));
  assert.deepEqual(
    { before: at(0), start: at(0.329), middle: at(0.8265), early: at(1.324), gap: at(1.8), after: at(9), empty: valueAt(new Float32Array(0), values, 1) },
    { before: 0, start: 0, middle: 500, early: 1_000, gap: Number.NaN, after: Number.NaN, empty: Number.NaN },
  );
  assert.equal(valueAt(x, Float32Array.from([0, 5, 7]), 9), 7);
});
