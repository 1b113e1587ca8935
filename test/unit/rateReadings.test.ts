import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateReadings } from '../../src/agent/load/rateReadings.js';

interface Reading {
  atMs: number;
  opened: number;
}

/** Rates per second of the readings, as a sampler computes them. */
function rates(...readings: [atMs: number, opened: number][]): number[] {
  const known = new RateReadings<Reading>();
  return readings.map(([atMs, opened]) => {
    const current = { atMs, opened };
    const before = known.before(current, (reading) => reading.opened === opened);
    return before === undefined ? 0 : Math.round(((opened - before.opened) * 1_000) / (atMs - before.atMs));
  });
}

test('rates of samples that come at once after another', () => {
  assert.deepEqual(
    {
      regular: rates([0, 0], [1_000, 1_000], [2_000, 2_000]),
      // As measured: 1,000/s asked for, and 52 connections in the 13 ms before the hold.
      holdBegins: rates([0, 0], [1_000, 1_000], [2_000, 2_000], [2_013, 2_052], [3_000, 2_052], [4_000, 2_052]),
      rampBegins: rates([0, 0], [1_000, 0], [1_010, 0], [2_010, 1_000]),
      shortRamp: rates([0, 0], [1_000, 0], [1_010, 0], [1_210, 2_000], [2_000, 2_000], [3_000, 2_000]),
      firstRampIsShort: rates([0, 0], [200, 5_000], [1_000, 5_000]),
    },
    {
      regular: [0, 1_000, 1_000],
      holdBegins: [0, 1_000, 1_000, 1_038, 52, 0],
      rampBegins: [0, 0, 0, 1_000],
      shortRamp: [0, 0, 0, 10_000, 2_020, 0],
      firstRampIsShort: [0, 25_000, 5_000],
    },
  );
});

test('a new baseline forgets what was before', () => {
  const known = new RateReadings<Reading>();
  known.before({ atMs: 0, opened: 0 }, () => true);
  known.clear();
  assert.equal(
    known.before({ atMs: 1_000, opened: 5 }, () => false),
    undefined,
  );
});
