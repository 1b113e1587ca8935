import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunListEntry } from '../../src/history/runIndex.js';
import { groupRuns, localDay, matchesFilter } from '../../src/vscode/runs/runGroups.js';
import { startStopwatch } from './support/stopwatch.js';

const entry = (id: string, change: Partial<RunListEntry> = {}): RunListEntry => ({
  id,
  state: 'ok',
  tags: [],
  pinned: false,
  startedAt: '2026-03-04T12:00:00.000Z',
  host: 'local',
  protocol: 'tcp',
  engine: 'epoll',
  connections: 1000,
  verdict: 'finished',
  result: 'passed',
  ...change,
});
const day = (isoTime: string): string => isoTime.slice(0, 10);
const shape = (groups: ReturnType<typeof groupRuns>) => groups.map((group) => `${group.kind}:${group.key}=${group.entries.map(({ id }) => id).join(',')}`);

test('runs are grouped by day or host, pinned ones first, unreadable ones last, the order within is kept', () => {
  const entries = [
    entry('d', { startedAt: '2026-03-05T01:00:00.000Z', host: 'zeta' }),
    entry('c', { pinned: true }),
    entry('x', { state: 'unreadable', startedAt: '', host: '' }),
    entry('b', { host: 'alpha' }),
    entry('a', { host: 'alpha' }),
  ];
  assert.deepEqual(
    { byDay: shape(groupRuns(entries, 'day', day)), byHost: shape(groupRuns(entries, 'host', day)), none: shape(groupRuns([], 'day', day)) },
    {
      byDay: ['pinned:pinned=c', 'day:2026-03-05=d', 'day:2026-03-04=b,a', 'day:=x'],
      byHost: ['pinned:pinned=c', 'host:alpha=b,a', 'host:zeta=d', 'host:=x'],
      none: [],
    },
  );
});

test('days follow each other whatever the ids say', () => {
  const entries = [
    entry('z', { startedAt: '2026-03-03T01:00:00.000Z' }),
    entry('y', { startedAt: '2026-03-05T01:00:00.000Z' }),
    entry('x', { startedAt: '2026-03-03T00:00:00.000Z' }),
    entry('w', { state: 'unreadable', startedAt: '', host: '' }),
  ];
  assert.deepEqual(shape(groupRuns(entries, 'day', day)), ['day:2026-03-05=y', 'day:2026-03-03=z,x', 'day:=w']);
});

test('a filter is words that must all be found, whatever their case', () => {
  const run = entry('20260304-1', { tags: ['nightly'], host: 'edge-1', protocol: 'websocket', verdict: 'failed', result: 'failed' });
  const matches = (filter: string) => matchesFilter(run, '5,000 WebSocket connections', filter);
  assert.deepEqual(
    ['NIGHTLY', 'edge failed', '5,000', 'websocket 20260304', 'nightly passed', 'other'].map((filter) => [filter, matches(filter)]),
    [
      ['NIGHTLY', true],
      ['edge failed', true],
      ['5,000', true],
      ['websocket 20260304', true],
      ['nightly passed', false],
      ['other', false],
    ],
  );
  assert.equal(matchesFilter(entry('y'), 't', 'this machine'), true);
});

test('a time that is none has no day', () => {
  assert.deepEqual([localDay('nonsense'), localDay('2026-03-04T12:00:00')], ['', '2026-03-04']);
});

test('ten thousand runs are grouped in under 100 ms', () => {
  const entries = Array.from({ length: 10_000 }, (_value, index) => entry(String(index), { startedAt: new Date(1.7e12 + index * 3e5).toISOString() }));
  const elapsed = startStopwatch();
  const groups = groupRuns(entries, 'day', localDay);
  const elapsedMs = elapsed();
  assert.ok(groups.length > 30);
  assert.ok(elapsedMs < 100, `${elapsedMs.toFixed(0)} ms`);
});
