import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RampProgress, type RampCounts } from '../../src/agent/load/rampProgress.js';

const pollMs = 50;

/** The second at which the ramp is ended, with the reason; undefined: it goes on for ten minutes. */
function endOf(countsAt: (second: number) => RampCounts): { second: number; reason: string } | undefined {
  const progress = new RampProgress();
  for (let now = 0; now < 600_000; now += pollMs) {
    const reason = progress.observeCounts(now, countsAt(now / 1_000));
    if (reason !== undefined) return { second: now / 1_000, reason };
  }
  return undefined;
}

const counts = (client: number, changes: Partial<RampCounts> = {}): RampCounts => ({
  target: 100_000,
  established: { server: client, client },
  opened: client,
  failed: 0,
  ...changes,
});

describe('RampProgress', () => {
  const table: [string, (second: number) => RampCounts, { before: number; reason: RegExp } | undefined][] = [
    ['a steady ramp', (second) => counts(Math.floor(second * 150)), undefined],
    ['one connection each ten seconds', (second) => counts(Math.floor(second / 10)), undefined],
    [
      'clients that are done while the server still accepts',
      (second) => ({ ...counts(100_000), established: { client: 100_000, server: Math.floor(second * 100) } }),
      undefined,
    ],
    ['half of all attempts fail', (second) => counts(Math.floor(second * 50), { opened: Math.floor(second * 50), failed: Math.floor(second * 50) }), undefined],
    ['the way down to a lower target', (second) => counts(Math.floor(100_000 - second * 150), { target: 0, opened: 100_000 }), undefined],
    ['nothing happens', () => counts(5_000), { before: 16, reason: /no nearer/ }],
    ['the server takes connections away', (second) => counts(Math.floor(5_000 - second), { opened: 5_000 }), { before: 16, reason: /no nearer/ }],
    [
      'a server that resets what it accepted: the count goes up and down',
      (second) => counts(Math.floor(40 + 30 * Math.sin(second * 7)), { opened: Math.floor(second * 64) }),
      { before: 31, reason: /stayed open/ },
    ],
    [
      'the same, with ever new records',
      (second) => counts(Math.floor(60 + second + 30 * Math.sin(second * 7)), { opened: Math.floor(second * 900) }),
      { before: 31, reason: /of 1[0-9]{4} connections/ },
    ],
    [
      'a server that takes its first thousand and refuses the others',
      (second) => counts(Math.min(1_000, Math.floor(second * 1_000)), { opened: Math.floor(second * 1_000) }),
      { before: 31, reason: /./ },
    ],
  ];
  for (const [name, countsAt, expected] of table) {
    it(`${name}: ${expected === undefined ? 'goes on' : `ends before ${expected.before} s`}`, () => {
      const end = endOf(countsAt);
      if (expected === undefined) assert.equal(end, undefined);
      else {
        assert.ok(end !== undefined && end.second < expected.before, JSON.stringify(end));
        assert.match(end.reason, expected.reason);
      }
    });
  }

  it('begins anew with another target', () => {
    const progress = new RampProgress();
    for (let now = 0; now <= 14_000; now += pollMs) assert.equal(progress.observeCounts(now, counts(5_000)), undefined);
    assert.equal(progress.observeCounts(14_050, counts(5_000, { target: 200_000 })), undefined);
    assert.equal(progress.observeCounts(28_000, counts(5_000, { target: 200_000 })), undefined);
    assert.match(progress.observeCounts(30_000, counts(5_000, { target: 200_000 })) ?? '', /no nearer/);
  });
});
