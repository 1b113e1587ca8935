import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canRedraw, fitted, redrawn, wrap } from '../../src/cli/screen.js';
import { formatDuration } from '../../src/core/units.js';

test('durations that people read: a figure times its seconds gives the count again', () => {
  const cases: [seconds: number, text: string][] = [
    [0, '0 s'],
    [0.0002, '1 ms'],
    [0.063, '63 ms'],
    [0.9994, '999 ms'],
    [0.9996, '1.0 s'],
    [1, '1 s'],
    [9.94, '9.9 s'],
    [59.6, '1 min'],
    [185, '3 min 5 s'],
    [7_800, '2 h 10 min'],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds), text, String(seconds));
});

test('a screen never has more rows than the terminal, nor longer ones', () => {
  const lines = ['head', 'x'.repeat(50), 'figures', 'more', 'keys'];
  const cases: [columns: number, rows: number, expected: string[]][] = [
    [80, 24, lines],
    [11, 24, ['head', 'xxxxxxxxx…', 'figures', 'more', 'keys']],
    [80, 4, ['head', 'x'.repeat(50), 'keys']],
    [80, 1, ['head', 'keys']],
  ];
  for (const [columns, rows, expected] of cases) assert.deepEqual(fitted(lines, { columns, rows }), expected, `${columns} x ${rows}`);
});

test('a redraw goes up as many rows as the terminal made of the lines before', () => {
  const rowsUp = (before: string[], columns: number) => Number(/^\u001b\[(\d+)A/.exec(redrawn(before, ['new'], columns))?.[1] ?? 0);
  const cases: [before: string[], columns: number, up: number][] = [
    [[], 80, 0],
    [['a', '', 'b'], 80, 3],
    // Became half as wide: each long line is two rows now.
    [['x'.repeat(79), 'y', 'z'.repeat(79)], 40, 5],
  ];
  for (const [before, columns, up] of cases) assert.equal(rowsUp(before, columns), up);
});

test('a sentence is wrapped between words, and its end is not lost', () => {
  assert.deepEqual(wrap('wall: Open files of one process. Raise the limit.', 24), ['  wall: Open files of', '    one process. Raise', '    the limit.']);
  assert.deepEqual(wrap('short', 80), ['  short']);
  assert.deepEqual(wrap('x'.repeat(30), 10), [`  ${'x'.repeat(30)}`]);
});

test('a screen is redrawn only where the cursor moves', () => {
  assert.deepEqual([canRedraw(true, 'xterm'), canRedraw(true, undefined), canRedraw(true, 'dumb'), canRedraw(false, 'xterm')], [true, true, false, false]);
});
