import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { parseBenchOptions } from '../bench/options.js';
import { barsOf, rowsOf, spreadOf, tlsBarsOf, type RunResult } from '../bench/statistics.js';

test('a spread is minimum, median and maximum', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { minimum: 1, median: 2, maximum: 3 });
  assert.deepEqual(spreadOf([4, 1, 2, 3]), { minimum: 1, median: 2.5, maximum: 4 });
  assert.throws(() => spreadOf([]), RangeError);
});

const run = (engine: string, protocol: 'tcp' | 'websocket', connectionsPerSecond: number, bytesPerPair: number): RunResult => ({
  engine,
  protocol,
  connections: 1000,
  connectionsPerSecond,
  bytesPerPair,
  serverUserBytesPerEnd: 100,
  clientUserBytesPerEnd: 50,
  disturbances: [],
});

test('ratios are taken in each round, since the machine changes between rounds', () => {
  const rounds = [
    [run('floor', 'tcp', 80_000, 8_000), run('epoll', 'tcp', 64_000, 9_600)],
    [run('floor', 'tcp', 20_000, 8_000), run('epoll', 'tcp', 18_000, 8_800)],
    [run('floor', 'tcp', 40_000, 8_000), run('epoll', 'tcp', 20_000, 8_000)],
  ];
  const rows = rowsOf(rounds);
  assert.deepEqual(
    rows.map(({ engine }) => engine),
    ['floor', 'epoll'],
  );
  assert.deepEqual(rows[1]?.rateRatio, { minimum: 0.5, median: 0.8, maximum: 0.9 });
  assert.deepEqual(rows[1].bytesRatio, { minimum: 1, median: 1.1, maximum: 1.2 });
  assert.deepEqual(
    barsOf(rows).map(({ isMet }) => isMet),
    [true, true, true],
  );
});

test('a bar that is missed is told', () => {
  const rounds = [[run('floor', 'websocket', 10_000, 8_000), run('epoll', 'websocket', 7_900, 10_500), run('ws', 'websocket', 2_000, 20_000)]];
  assert.deepEqual(
    barsOf(rowsOf(rounds)).map(({ isMet }) => isMet),
    [false, false, true, false],
  );
});

test('each protocol has a floor of its own, and TLS that of TCP', () => {
  const round = [run('floor', 'tcp', 10_000, 8_000), run('floor', 'websocket', 5_000, 8_000), run('epoll', 'websocket', 4_000, 8_000)];
  const ratios = (runs: RunResult[]) => rowsOf([runs]).map(({ rateRatio }) => rateRatio.median);
  assert.deepEqual(ratios(round), [1, 1, 0.8]);
  assert.deepEqual(ratios([round[0]!, round[2]!]), [1, 0.4]);
  const held = [round[0]!, run('epoll', 'tcp', 8_000, 8_000)];
  assert.deepEqual(
    tlsBarsOf(rowsOf([held])).map(({ isMet }) => isMet),
    [true],
  );
});

test('options are checked, and usage names what is wrong', () => {
  assert.deepEqual(parseBenchOptions(['--connections', '20k', '--protocol', 'tcp', '--engine', 'epoll,node', '--json']), {
    connections: 20_000,
    protocols: ['tcp'],
    engines: ['epoll', 'node'],
    rounds: 3,
    tls: false,
    isJson: true,
  });
  for (const args of [
    ['--protocol', 'udp'],
    ['--engine', 'tornado'],
    ['--rounds', '2'],
    ['--connections', '0'],
    ['--connections', '3M'],
    ['--what'],
    ['--tls', '--engine', 'ws'],
  ]) {
    assert.throws(
      () => parseBenchOptions(args),
      (error) => error instanceof HumanError && error.code === 'usage',
      args.join(' '),
    );
  }
});
