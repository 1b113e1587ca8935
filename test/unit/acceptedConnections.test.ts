import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SummaryBuilder } from '../../src/core/figures/summary.js';
import { AcceptedConnections, type AcceptedSources } from '../../src/worker/command/acceptedConnections.js';
import { sample } from './builders/samples.js';

/** A kernel with both ends of the connections to port 80, which counts in so many milliseconds. */
function kernel(costMs: number, socketsPerConnection = 2) {
  const state = { now: 0, accepted: 0, waiting: 0, canRead: true, counts: 0 };
  const sources: AcceptedSources = {
    count() {
      state.now += costMs;
      state.counts++;
      return new Map([[80, { accepted: state.accepted, waiting: state.waiting }]]);
    },
    waiting: () => new Map([[80, state.waiting]]),
    socketsInUse: () => (state.canRead ? 10 + state.accepted * socketsPerConnection + state.waiting * 2 : undefined),
    now: () => state.now,
  };
  const connections = new AcceptedConnections([80], 2, sources);
  const read = (exactly = false) => {
    const { open, waiting, others, isEstimate } = connections.read(exactly);
    return { open, waiting, others, isEstimate };
  };
  return { state, read };
}

describe('connections that a server accepted', () => {
  it('are not those that wait in its queue, however long ago they were counted', () => {
    const { state, read } = kernel(100);
    assert.deepEqual(read(), { open: 0, waiting: 0, others: 0, isEstimate: false });
    Object.assign(state, { now: 1_000, accepted: 50, waiting: 350 });
    assert.deepEqual(read(), { open: 50, waiting: 350, others: 0, isEstimate: true });
    assert.deepEqual(read(true), { open: 50, waiting: 350, others: 0, isEstimate: false });
    assert.equal(state.counts, 2);
  });

  it('are counted exactly, without another count, when waiting ones are taken', () => {
    const { state, read } = kernel(100);
    Object.assign(state, { accepted: 50, waiting: 350 });
    read();
    Object.assign(state, { accepted: 390, waiting: 10 });
    assert.deepEqual(read(), { open: 390, waiting: 10, others: 0, isEstimate: false });
    assert.equal(state.counts, 1);
  });

  it('are estimated beside the upstream sockets of a proxy, and then counted', () => {
    const { state, read } = kernel(100, 4);
    state.accepted = 100;
    assert.deepEqual(read(), { open: 100, waiting: 0, others: 200, isEstimate: false });
    state.accepted = 200;
    assert.deepEqual(read(), { open: 200, waiting: 0, others: 200, isEstimate: true });
    assert.deepEqual(read(true), { open: 200, waiting: 0, others: 400, isEstimate: false });
  });

  it('are counted each time where the sockets in use cannot be read', () => {
    const { state, read } = kernel(100);
    read();
    Object.assign(state, { canRead: false, accepted: 7, waiting: 3 });
    assert.deepEqual(read(), { open: 7, waiting: 3, others: 0, isEstimate: false });
  });
});

describe('the peak of a run', () => {
  const at = (seq: number, server: number, isEstimate: boolean) =>
    sample({ seq, t: seq * 1_000, phase: 'holding', target: 400, established: { server, client: 400 }, evidence: { blocked: [], rate: 0, isEstimate } });
  const end = { verdict: 'finished' as const, hostRestored: true, keys: [] };

  it('is a count, not an estimate', () => {
    const builder = new SummaryBuilder();
    for (const one of [at(1, 50, false), at(2, 400, true), at(3, 50, false)]) builder.observeEvent(one);
    assert.equal(builder.build(end).established.server, 50);
  });

  it('is an estimate only where nothing was counted', () => {
    const builder = new SummaryBuilder();
    for (const one of [at(1, 50, true), at(2, 300, true)]) builder.observeEvent(one);
    assert.equal(builder.build(end).established.server, 300);
  });
});
