import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type MeteredWorker, RampMeter } from '../../src/agent/load/rampMeter.js';
import { countsOf, ratePerSecond } from '../../src/agent/load/workerRates.js';
import type { WorkerStats } from '../../src/protocol/worker.js';

function client(id: string, atMs: number, opened: number, more: Partial<WorkerStats> = {}): MeteredWorker {
  const tcp = { opened, open: opened, closed: 0 };
  const stats: WorkerStats = {
    type: 'stats',
    atMs,
    tcp,
    connecting: 0,
    failed: {},
    lost: 0,
    tcpMessages: 0,
    tcpBytes: 0,
    websocketMessages: 0,
    websocketBytes: 0,
    cpuMicroseconds: 0,
    ...more,
  };
  return { id, role: 'client', stats };
}

suite('the meter of a ramp', () => {
  test('tells each tenth by the moments at which the workers counted, whenever they told', () => {
    const meter = new RampMeter();
    meter.begin([client('a', 990, 0), client('b', 900, 0)], 1_000);
    // a: 100 each tenth; b: 50, and then 150, told late and all at once.
    meter.observeWorker(client('a', 1_300, 300, { marks: [1_100, 100, 1_200, 200] }));
    assert.deepEqual(meter.takeRates(), [], 'b has told nothing yet');
    meter.observeWorker(client('b', 1_250, 275, { marks: [1_100, 50, 1_200, 200] }));
    assert.deepEqual(meter.takeRates().map(Math.round), [1_500, 2_500]);
    meter.observeWorker(client('a', 1_350, 350));
    meter.observeWorker(client('b', 1_350, 425));
    assert.deepEqual(meter.takeRates().map(Math.round), [2_500]);
    assert.deepEqual(meter.takeRates(), []);
  });

  test('ends with the last connection, and counts the CPU time of both sides', () => {
    const meter = new RampMeter();
    const server = (cpuMicroseconds: number): MeteredWorker => ({ ...client('s', 1_000, 500, { cpuMicroseconds }), role: 'server' });
    meter.begin([client('a', 990, 100, { cpuMicroseconds: 5_000 }), server(7_000)], 1_000);
    meter.observeWorker(client('a', 1_400, 300, { marks: [1_300, 300] }));
    meter.observeWorker(client('a', 2_000, 300));
    const reading = meter.reading([client('a', 2_000, 300, { cpuMicroseconds: 9_000 }), server(10_000)]);
    assert.deepEqual(reading, { seconds: 0.3, opened: 200, cpuMicroseconds: 7_000 });
    assert.equal(meter.takeRates().length, 3, 'no tenth after the last connection');
  });

  test('keeps little of a ramp that goes on and on', () => {
    const meter = new RampMeter();
    meter.begin([client('a', 0, 0)], 0);
    let rates = 0;
    for (let second = 1; second <= 60; second++) {
      meter.observeWorker(client('a', second * 1_000, second * 100));
      rates += meter.takeRates().length;
    }
    assert.equal(rates, 100);
    assert.equal(meter.reading([])?.opened, 6_000);
  });
});

test('a rate is the growth of each worker over its own time', () => {
  const before = countsOf([client('a', 1_000, 0), client('b', 800, 0), client('late', 500, 0)]);
  const now = countsOf([client('a', 2_000, 1_000), client('b', 2_000, 1_200), client('late', 500, 0), client('new', 2_000, 50)]);
  assert.equal(
    ratePerSecond(before, now, 'client', ({ opened }) => opened),
    2_000,
  );
});
