import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { HostLock } from '../../src/agent/hostLock.js';
import { GroupTrend, judgeGuard, slowerRate, type GuardReading } from '../../src/agent/load/rampGuard.js';
import { divide, divideTarget } from '../../src/core/plan/division.js';

const directoryFor = (t: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-agent-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
};

test('a target is divided without a rest and by what each worker can hold', () => {
  const table: [number, number[], number[]][] = [
    [100, [50, 50], [50, 50]],
    [101, [100, 100], [51, 50]],
    [3, [1, 1, 1, 1], [1, 1, 1, 0]],
    [0, [5, 5], [0, 0]],
    [10, [9, 1], [9, 1]],
    [7, [], []],
    [5, [0, 10], [0, 5]],
  ];
  for (const [total, capacities, expected] of table) assert.deepEqual(divide(total, capacities), expected, JSON.stringify([total, capacities]));
});

test('above the plan, connections go where there is room', () => {
  const workers = [
    { planned: 10, capacity: 20 },
    { planned: 10, capacity: 10 },
    { planned: 0, capacity: 30 },
  ];
  const table: [number, number[]][] = [
    [0, [0, 0, 0]],
    [10, [5, 5, 0]],
    [20, [10, 10, 0]],
    [24, [11, 10, 3]],
    [60, [20, 10, 30]],
  ];
  for (const [total, expected] of table) assert.deepEqual(divideTarget(total, workers), expected, String(total));
});

test('the guard names what is short, and whether holding is dangerous too', () => {
  const healthy: GuardReading = { availableBytes: 8e9, cgroup: undefined, conntrack: undefined, files: { used: 1_000, limit: 100_000 } };
  const guardBytes = 1e9;
  const table: [string, Partial<GuardReading>, string | undefined, boolean?][] = [
    ['healthy', {}, undefined],
    ['memory', { availableBytes: 0.9e9 }, 'memory', false],
    ['memory, critical', { availableBytes: 0.4e9 }, 'memory', true],
    ['cgroup at 89 %', { cgroup: { used: 890, limit: 1_000 } }, undefined],
    ['cgroup at 91 %', { cgroup: { used: 910, limit: 1_000 } }, 'cgroupMemory', false],
    ['cgroup at 98 %', { cgroup: { used: 980, limit: 1_000 } }, 'cgroupMemory', true],
    ['conntrack', { conntrack: { used: 236_000, limit: 262_144 } }, 'conntrack', false],
    ['conntrack without a limit', { conntrack: { used: 5, limit: 0 } }, undefined],
    ['files', { files: { used: 95_001, limit: 100_000 } }, 'fileMax', false],
  ];
  for (const [name, change, id, isCritical] of table) {
    const alarm = judgeGuard({ ...healthy, ...change }, guardBytes);
    assert.equal(alarm?.id, id, name);
    if (isCritical !== undefined) assert.equal(alarm?.isCritical, isCritical, name);
  }
});

test('a host is held by one run at a time, and its holder is named', (t) => {
  const path = join(directoryFor(t), 'host.lock');
  const first = HostLock.tryAcquire(path);
  assert.ok(first instanceof HostLock);
  first.describe('run-1', 'ann@laptop', process.pid);
  const second = HostLock.tryAcquire(path);
  assert.ok(!(second instanceof HostLock));
  assert.deepEqual([second.holder?.runId, second.holder?.owner], ['run-1', 'ann@laptop']);
  first.release();
  assert.equal(existsSync(path), false);
  const third = HostLock.tryAcquire(path);
  assert.ok(third instanceof HostLock);
  third.release();
});

test('a lock file that a dead run left is no lock', (t) => {
  const directory = directoryFor(t);
  const path = join(directory, 'host.lock');
  writeFileSync(path, '');
  writeFileSync(join(directory, 'holder.json'), JSON.stringify({ runId: 'old', owner: 'bob', pid: process.pid, startTime: 1 }));
  const lock = HostLock.tryAcquire(path);
  assert.ok(lock instanceof HostLock);
  const other = HostLock.tryAcquire(path);
  assert.ok(!(other instanceof HostLock));
  assert.equal(other.holder, undefined, 'the dead one is not named, its pid belongs to another start time');
  lock.release();
});

test('a ramp slows down where what comes before a stop would pass half of the room of a control group', () => {
  const group = (used: number) => ({ used: used * 1e6, limit: 1_000e6 });
  assert.equal(slowerRate(group(500), 100e6), undefined, 'room enough');
  assert.equal(slowerRate(group(780), 100e6), 90_909, 'half of 120 MB by connections of 6 kB within 110 ms');
  assert.equal(slowerRate(group(899), 100e6), 1_000, 'never slower');
  assert.equal(slowerRate(group(950), 100e6), undefined, 'too late: it is stopped');
  const trend = new GroupTrend();
  assert.equal(trend.observeUse(0, 100e6), 0, 'one reading is no trend');
  assert.equal(trend.observeUse(20, 120e6), 0, 'nor is a short one');
  assert.equal(trend.observeUse(80, 180e6), 110e6, 'a megabyte a millisecond for 110 ms');
  assert.equal(trend.observeUse(200, 150e6), 0, 'what shrinks does not grow');
});
