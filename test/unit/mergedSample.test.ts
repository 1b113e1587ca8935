import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { mergeSamples } from '../../src/core/figures/mergedSample.js';
import { eventOfWhole, mostOf, newReport, noteReport, targetOf } from '../../src/core/run/partReport.js';
import { sample } from './builders/samples.js';

/** A histogram (µs) with each of these values once. */
function latency(values: number[], unanswered = 0) {
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 });
  for (const value of values) histogram.recordValue(value);
  return { count: values.length, unanswered, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, histogram: encodeIntoCompressedBase64(histogram) };
}

const client = (count: number, changes: Parameters<typeof sample>[0] = {}) =>
  sample({
    established: { server: 0, client: count },
    byProtocol: {
      tcp: {
        server: 0,
        client: count,
        messagesPerSecond: 10,
        bytesPerSecond: 640,
        messagesTotal: 100,
        bytesTotal: 6_400,
        messages: { planned: 120, unanswered: 15, lost: 5 },
      },
    },
    failed: { total: 2, byErrno: { ETIMEDOUT: 2 } },
    ledger: { ...sample().ledger, explainedBytes: 1_000 * count, bytesPerEnd: 1_000 },
    ...changes,
  });

test('one sample of three hosts: ends where they are counted, sums over the clients, memory of the server', () => {
  const server = sample({
    established: { server: 300, client: 0 },
    byProtocol: { tcp: { server: 300, client: 0, messagesPerSecond: 0, bytesPerSecond: 0, messagesTotal: 0, bytesTotal: 0 } },
    memory: { availableBytes: 7, totalBytes: 8, guardBytes: 1, cgroupCurrentBytes: null },
    ledger: { ...sample().ledger, explainedBytes: 600_000, bytesPerEnd: 2_000 },
  });
  const merged = mergeSamples({
    server: { name: 's', sample: server },
    clients: [
      { name: 'a', sample: client(100, { latency: latency([1_000, 2_000], 1), failed: { total: 1, byErrno: { ECONNREFUSED: 1 } } }) },
      { name: 'b', sample: client(200, { latency: latency([3_000, 9_000], 2) }) },
    ],
  });
  assert.deepEqual(merged.established, { server: 300, client: 300 });
  assert.deepEqual(
    [merged.byProtocol.tcp?.client, merged.byProtocol.tcp?.messagesTotal, merged.byProtocol.tcp?.messages],
    [300, 200, { planned: 240, unanswered: 30, lost: 10 }],
  );
  assert.deepEqual(merged.failed, { total: 3, byErrno: { ECONNREFUSED: 1, ETIMEDOUT: 2 } });
  assert.equal(merged.memory.availableBytes, 7);
  // (600,000 + 100,000 + 200,000) bytes of 600 ends.
  assert.deepEqual([merged.ledger.explainedBytes, merged.ledger.bytesPerEnd, merged.ledger.bytesPerPair], [900_000, 1_500, 3_000]);
  // The messages of both hosts, not the mean of their percentiles.
  assert.deepEqual([merged.latency?.count, merged.latency?.unanswered], [4, 3]);
  assert.ok(Math.abs(merged.latency!.p50 - 2) < 0.01 && Math.abs(merged.latency!.max - 9) < 0.01, JSON.stringify(merged.latency));
  assert.deepEqual(Object.keys(merged.hosts ?? {}), ['s', 'a', 'b']);
});

test('a host whose bytes are unknown leaves those of all unknown', () => {
  const unknown = client(10, { ledger: { ...sample().ledger, bytesPerEnd: null } });
  const { ledger } = mergeSamples({ server: { name: 's', sample: sample() }, clients: [{ name: 'a', sample: unknown }] });
  assert.deepEqual([ledger.bytesPerEnd, ledger.bytesPerPair], [null, null]);
});

test('what the hosts report adds up', () => {
  const part = (name: string, role: 'server' | 'client', planned: number) => ({ name, role, planned, report: newReport() });
  const parts = [part('s', 'server', 30), part('a', 'client', 20), part('b', 'client', 10)] as const;
  assert.equal(targetOf(parts), 30, 'as planned, before the first sample');
  noteReport(parts[0].report, 'server', sample({ seq: 1, target: 30, established: { server: 28, client: 0 } }));
  noteReport(parts[1].report, 'client', sample({ seq: 1, target: 5, established: { server: 0, client: 20 } }));
  noteReport(parts[1].report, 'client', sample({ seq: 2, target: 0, established: { server: 0, client: 5 } }));
  noteReport(parts[2].report, 'client', { type: 'phase', seq: 3, t: 1, phase: 'holding' });
  assert.equal(targetOf(parts), 10, 'an order counts at the hosts that have it');
  assert.deepEqual(mostOf(parts), { server: 28, client: 20 });
  assert.deepEqual([parts[2].report.hasHeld, parts[1].report.lastSequence], [true, 2]);
  assert.deepEqual(eventOfWhole('a', { type: 'log', seq: 4, t: 2, level: 'info', text: 'hi' }), { type: 'log', level: 'info', text: 'hi', host: 'a' });
  assert.equal(eventOfWhole('a', sample()), undefined);
});
