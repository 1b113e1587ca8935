import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { planRun } from '../../src/core/plan/plan.js';
import { specFromInput } from '../../src/core/profile.js';
import type { SpecInput } from '../../src/core/specInput.js';
import { type RunEnd, SummaryBuilder } from '../../src/core/figures/summary.js';
import { evaluateThreshold, formatThresholdValue, parseThreshold, thresholdMetrics } from '../../src/core/figures/thresholds.js';
import type { RunEvent } from '../../src/protocol/events.js';
import { hostFacts, limitedFacts } from './builders/hostFacts.js';
import { sample, type SampleChanges, summary } from './builders/samples.js';

const finished: RunEnd = { verdict: 'finished', hostRestored: true, keys: [] };
const counts = (server: number, client = server): SampleChanges => ({ established: { server, client } });

/** The summary of a run that ramps for two seconds and holds for one, with these samples in order. */
function summaryOf(input: SpecInput, samples: SampleChanges[], end: Partial<RunEnd> = {}, facts = hostFacts()) {
  const spec = specFromInput(input);
  const builder = new SummaryBuilder();
  const plan = planRun(spec, facts);
  const events: RunEvent[] = [
    { type: 'hello', seq: 1, t: 0, runId: 'r', startedAt: '', agentVersion: '', supervisorPid: 1, spec },
    { type: 'plan', seq: 2, t: 1, plan },
    { type: 'phase', seq: 3, t: 1_000, phase: 'ramping' },
    ...samples.slice(0, -1).map((changes, index) => sample({ seq: 4, t: 1_500 + index * 500, target: plan.connections, ...changes })),
    { type: 'phase', seq: 5, t: 3_000, phase: 'holding' },
    ...samples.slice(-1).map((changes) => sample({ seq: 6, t: 4_000, target: plan.connections, phase: 'holding', ...changes })),
  ];
  for (const event of events) builder.observeEvent(event);
  return builder.build({ ...finished, ...end });
}

describe('SummaryBuilder', () => {
  it('takes the peak that both sides held, and the ramp as its workers timed it', () => {
    const built = summaryOf({ connections: 1_000 }, [
      { ...counts(400, 500), ramp: { seconds: 0.9, opened: 500, cpuMicroseconds: 14_000 } },
      { ...counts(900, 1_000), ramp: { seconds: 1.6, opened: 1_000, cpuMicroseconds: 29_000 } },
      { ...counts(1_000), ramp: { seconds: 1.6, opened: 1_000, cpuMicroseconds: 30_000 } },
    ]);
    assert.deepEqual(built.established, { server: 1_000, client: 1_000 });
    assert.deepEqual([built.rampSeconds, built.connectRate.mean, built.cpuMicrosecondsPerConnection], [1.6, 625, 30]);
    assert.deepEqual([built.target, built.exitCode, built.bytesPerEnd], [1_000, 0, 4_400]);
  });

  const opened = (count: number) => ({ seconds: count / 100, opened: count, cpuMicroseconds: null });
  const spreads: [name: string, samples: SampleChanges[], p50: number | null, max: number | null][] = [
    ['too few intervals say nothing', [100, 200, 300, 400, 500].map((rate, index) => ({ connectRate: rate, ramp: opened(rate), seq: index + 4 })), null, null],
    [
      'whole seconds inside the ramp, where there are five',
      [9, 100, 200, 300, 400, 500, 7].map((rate, index) => ({ connectRate: rate, ramp: opened(rate), seq: index + 4, connectRates: [9_999] })),
      300,
      500,
    ],
    [
      'tenths of a short ramp',
      [
        { connectRate: 0, ramp: opened(0) },
        { connectRate: 5, connectRates: [10, 20, 40], ramp: opened(1) },
        { connectRate: 5, connectRates: [50, 30, 60], ramp: opened(2), phase: 'holding' },
      ],
      35,
      60,
    ],
  ];
  for (const [name, samples, p50, max] of spreads)
    it(`connect rates: ${name}`, () => {
      const { connectRate } = summaryOf({ connections: 1_000 }, samples);
      assert.deepEqual([connectRate.p50, connectRate.max], [p50, max]);
    });

  it('adds up stages, of which one that goes down is no ramp', () => {
    const builder = new SummaryBuilder();
    const stages: [number, number, number][] = [
      [2, 1_000, 20_000],
      [0, 0, 900],
      [1, 500, 10_000],
    ];
    for (const [seconds, count, cpuMicroseconds] of stages) {
      builder.observeEvent({ type: 'phase', seq: 1, t: 0, phase: 'ramping' });
      builder.observeEvent(sample({ ramp: { seconds: 0, opened: 0, cpuMicroseconds: 0 } }));
      builder.observeEvent(sample({ ramp: { seconds, opened: count, cpuMicroseconds } }));
      builder.observeEvent({ type: 'phase', seq: 1, t: 0, phase: 'holding' });
      builder.observeEvent(sample({ phase: 'holding', ramp: { seconds, opened: count, cpuMicroseconds } }));
    }
    const { rampSeconds, connectRate, cpuMicrosecondsPerConnection } = builder.build(finished);
    assert.deepEqual([rampSeconds, connectRate.mean, cpuMicrosecondsPerConnection], [3, 500, 20]);
  });

  it('does not count the wait for another run', () => {
    const { elapsedSeconds, waitedSeconds } = summaryOf({ connections: 1_000 }, [counts(1_000)], { waitedSeconds: 3 });
    assert.deepEqual([elapsedSeconds, waitedSeconds], [1, 3]);
  });

  it('has no more on the server than on the client', () => {
    const { established, byProtocol } = summaryOf({ connections: 'max' }, [counts(2_332_886, 2_324_096), counts(2_332_886, 2_324_096)]);
    assert.deepEqual(established, { server: 2_324_096, client: 2_324_096 });
    assert.ok(byProtocol['tcp']!.server <= byProtocol['tcp']!.client);
  });

  it('accounts for each planned message of each protocol', () => {
    const part = (planned: number, messagesTotal: number, lost: number) => ({
      server: 5,
      client: 5,
      messagesPerSecond: 10,
      bytesPerSecond: 640,
      messagesTotal,
      bytesTotal: messagesTotal * 64,
      messages: { planned, unanswered: planned - messagesTotal - lost, lost },
    });
    const built = summaryOf({ connections: 10, protocol: 'both', thresholds: ['messages.unanswered==0', 'messages.planned>=300', 'messages.lost<10'] }, [
      { byProtocol: { tcp: part(200, 100, 1), websocket: part(100, 80, 0) }, ...counts(10) },
    ]);
    assert.deepEqual(built.messages, { planned: 300, total: 180, unanswered: 119, lost: 1, perSecondMaximum: 20 });
    assert.deepEqual(built.byProtocol['websocket']!.messages, { planned: 100, total: 80, unanswered: 20, lost: 0 });
    assert.deepEqual(
      built.thresholds.map(({ passed }) => passed),
      [false, true, true],
    );
    assert.equal(built.exitCode, 99);
  });

  it('judges a ramp that still goes on', () => {
    const builder = new SummaryBuilder();
    const spec = specFromInput({ connections: 15_000, thresholds: ['connectRate.mean>1k'] });
    builder.observeEvent({ type: 'hello', seq: 1, t: 0, runId: 'r', startedAt: '', agentVersion: '', supervisorPid: 1, spec });
    builder.observeEvent({ type: 'phase', seq: 2, t: 250, phase: 'ramping' });
    builder.observeEvent(sample({ seq: 3, t: 1_250, ...counts(1_900, 2_000), ramp: { seconds: 1, opened: 2_000, cpuMicroseconds: 56_000 } }));
    const { connectRate, rampSeconds, thresholds } = builder.build(finished);
    assert.deepEqual([connectRate.mean, rampSeconds, thresholds[0]!.passed], [2_000, 1, true]);
  });

  const most: [name: string, seen: [number, number], told: { server: number; client: number } | undefined, expected: { server: number; client: number }][] = [
    ['nobody told more', [900, 950], undefined, { server: 900, client: 950 }],
    ['the hosts held more while nobody looked', [986, 1_000], { server: 1_000, client: 1_000 }, { server: 1_000, client: 1_000 }],
    ['clients of different moments are bounded by the server', [900, 900], { server: 950, client: 1_200 }, { server: 950, client: 950 }],
    ['the hosts told less', [1_000, 1_000], { server: 400, client: 400 }, { server: 1_000, client: 1_000 }],
  ];
  for (const [name, seen, told, expected] of most)
    it(`established: ${name}`, () =>
      assert.deepEqual(summaryOf({ connections: 1_000 }, [counts(...seen), counts(...seen)], told === undefined ? {} : { most: told }).established, expected));

  const reached = [counts(500), counts(1_000)];
  const short = [counts(500), counts(990)];
  const cases: [string, SpecInput, SampleChanges[], Partial<RunEnd>, number][] = [
    ['all is well', {}, reached, {}, 0],
    ['a threshold holds', { thresholds: ['established>=1k'] }, reached, {}, 0],
    ['a threshold fails', { thresholds: ['bytesPerEnd<10'] }, reached, {}, 99],
    ['a threshold over what the run does not have fails', { thresholds: ['latency.p99<5'] }, reached, {}, 99],
    ['the target was not reached', {}, short, {}, 98],
    ['not reached counts before a threshold', { thresholds: ['bytesPerEnd<10'] }, short, {}, 98],
    ['one side only is not reached', {}, [counts(500), counts(900, 1_000)], {}, 98],
    ['interrupted', {}, short, { verdict: 'stopped' }, 130],
    ['a host that could not be restored counts before all', { thresholds: ['bytesPerEnd<10'] }, short, { verdict: 'stopped', hostRestored: false }, 75],
    ['the ceiling is always reached', { connections: 'max' }, short, {}, 0],
  ];
  for (const [name, input, samples, end, exitCode] of cases) {
    it(`exit code ${exitCode}: ${name}`, () => assert.equal(summaryOf({ connections: 1_000, ...input }, samples, end).exitCode, exitCode));
  }

  it('exits 98 and names the wall when less was planned than asked for', () => {
    const built = summaryOf({ connections: 50_000, ports: 1, tuning: 'none' }, [counts(10_000), counts(19_500)], {}, limitedFacts());
    assert.deepEqual([built.target, built.exitCode, built.walls.map((wall) => wall.id)], [50_000, 98, ['nofile']]);
  });
});

it('does not blame a predicted wall that a run to the ceiling passed', () => {
  const facts = limitedFacts();
  const planned = planRun(specFromInput({ connections: 'max' }), facts).connections;
  assert.deepEqual(
    summaryOf({ connections: 'max' }, [counts(10_000), counts(planned)], {}, facts).walls.map((wall) => wall.id),
    ['unknown'],
  );
});

describe('thresholds', () => {
  const cases: [string, boolean][] = [
    ['established>=100k', true],
    ['established>100k', false],
    ['bytesPerEnd<5000', true],
    ['bytesPerEnd < 4.4k', false],
    ['bytesPerEnd<=4.4k', true],
    ['connectRate.p50>20000', true],
    ['failed==0', true],
    ['failed!=0', false],
    ['explainedRatio>=0.95', true],
    ['walls==0', true],
    ['latency.p99<5', false],
  ];
  for (const [text, passed] of cases) it(`${text} is ${passed}`, () => assert.equal(evaluateThreshold(parseThreshold(text), summary()).passed, passed));

  for (const text of ['bytesPerEn<5', 'bytesPerEnd', 'bytesPerEnd<', 'bytesPerEnd<five', '<5', 'bytesPerEnd=5', 'constructor<5']) {
    it(`refuses ${text}`, () => {
      assert.throws(
        () => parseThreshold(text),
        (error) => error instanceof HumanError && error.code === 'usage',
      );
    });
  }

  const told: [string, number | null, string][] = [
    ['bytesPerEnd<100', 23_321.217349146627, '23,321 bytes'],
    ['connectRate.mean>1M', 16.12345, '16.1 connections/s'],
    ['explainedRatio>0.95', 0.97812, '0.978'],
    ['established>=1M', 1_000_000, '1,000,000 connections'],
    ['latency.p99<5', null, 'no value'],
    ['aMetricOfLater<5', 12.5, '12.5'],
  ];
  for (const [expression, value, expected] of told)
    it(`${expression} is told as ${expected}`, () => assert.equal(formatThresholdValue({ expression, value }), expected));

  it('lists the metrics after a typo', () => {
    assert.throws(
      () => parseThreshold('bytesPerEn<5'),
      (error) => error instanceof HumanError && Object.keys(thresholdMetrics).every((metric) => error.text.includes(metric)),
    );
  });
});
