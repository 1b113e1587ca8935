import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timeLabel, timeTicks, valueTicks, type TickSteps } from '../../src/core/figures/ticks.js';

const values: [maximum: number, most: number, steps: TickSteps, ticks: number[]][] = [
  [900, 5, 'counts', [0, 200, 400, 600, 800]],
  [972, 6, 'counts', [0, 200, 400, 600, 800]],
  [1, 5, 'counts', [0, 1]],
  [2.16, 5, 'counts', [0, 1, 2]],
  [0, 5, 'counts', [0]],
  [2.1, 5, 'decimal', [0, 0.5, 1, 1.5, 2]],
  [0.3, 4, 'decimal', [0, 0.1, 0.2, 0.3]],
  [900 * 1024 ** 2, 5, 'bytes', [0, 256, 512, 768].map((mebibytes) => mebibytes * 1024 ** 2)],
];

describe('marks of an axis', () => {
  for (const [maximum, most, steps, ticks] of values)
    it(`of ${maximum} ${steps}: ${ticks.length}`, () => assert.deepEqual(valueTicks(maximum, most, steps), ticks));

  it('are never fewer than three, and never above the maximum, where whole numbers allow it', () => {
    for (let maximum = 3; maximum < 2_000_000; maximum = Math.ceil(maximum * 1.07)) {
      const ticks = valueTicks(maximum, 5, 'counts');
      assert.ok(ticks.length >= 3 && ticks.length <= 6 && ticks.at(-1)! <= maximum, `${maximum}: ${ticks.join(' ')}`);
    }
  });

  const times: [from: number, to: number, most: number, labels: string[]][] = [
    [0, 3, 6, ['0 s', '0.5 s', '1 s', '1.5 s', '2 s', '2.5 s', '3 s']],
    [10, 20, 5, ['10 s', '12 s', '14 s', '16 s', '18 s', '20 s']],
    [12.4, 13.1, 5, ['12.4 s', '12.6 s', '12.8 s', '13 s']],
    [0, 95, 6, ['0:00', '0:30', '1:00', '1:30']],
    [0, 43_200, 6, ['0:00 h', '2:00 h', '4:00 h', '6:00 h', '8:00 h', '10:00 h', '12:00 h']],
  ];
  for (const [from, to, most, labels] of times)
    it(`of ${from} to ${to} seconds: ${labels.join(' ')}`, () =>
      assert.deepEqual(
        timeTicks(from, to, most).map((seconds) => timeLabel(seconds, to)),
        labels,
      ));
});
