import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareRuns } from '../../src/core/figures/compare.js';
import type { Summary } from '../../src/protocol/events.js';
import { sample, savedRun } from './builders/samples.js';
import recorded from './fixtures/equalRuns.json' with { type: 'json' };

const rate = (perSecond: number) => ({ connectRate: { mean: perSecond, p50: perSecond, max: perSecond } });
const compared = (...runs: ReturnType<typeof savedRun>[]) => runs.map((run) => ({ run, samples: [] }));
const metric = (comparison: ReturnType<typeof compareRuns>, id: string) => comparison.metrics.find((one) => one.id === id);

describe('compareRuns', () => {
  it('tells better from worse by the direction of the metric, and noise from both', () => {
    const cases: [string, Parameters<typeof savedRun>[2], string][] = [
      ['bytesPerEnd', { bytesPerEnd: 4_000 }, 'better'],
      ['bytesPerEnd', { bytesPerEnd: 4_440 }, 'same'],
      ['bytesPerEnd', { bytesPerEnd: 4_600 }, 'worse'],
      ['bytesPerEnd', { bytesPerEnd: 10_500 }, 'worse'],
      ['bytesPerEnd', { bytesPerEnd: null }, 'unknown'],
      ['connectRateP50', { connectRate: { mean: 100_000, p50: 100_000, max: 100_000 } }, 'better'],
      ['connectRateP50', { connectRate: { mean: 38_000, p50: 38_000, max: 38_000 } }, 'same'],
      ['connectRateP50', { connectRate: { mean: 15_000, p50: 15_000, max: 15_000 } }, 'worse'],
      ['failed', { failed: { total: 3, byErrno: { EMFILE: 3 } } }, 'worse'],
      ['established', { established: { server: 99_999, client: 100_000 } }, 'worse'],
      ['explainedRatio', { explainedRatio: 0.8 }, 'differs'],
    ];
    for (const [id, changes, verdict] of cases) {
      const found = metric(compareRuns(compared(savedRun('a'), savedRun('b', {}, changes))), id);
      assert.deepEqual(found?.verdicts, ['baseline', verdict], `${id} ${JSON.stringify(changes)}`);
      assert.equal(found.noiseSource, 'assumed');
    }
  });

  it('takes the noise band from repetitions of the same spec on the same host', () => {
    const history = [40_000, 41_000, 42_000, 40_500, 41_500].map((p50, index) => savedRun(`h${index}`, {}, rate(p50)));
    const others = [1, 100_000, 200_000].map((p50, index) => savedRun(`o${index}`, { connections: 7 }, rate(p50)));
    const against = (p50: number, further: ReturnType<typeof savedRun>[] = []) =>
      metric(compareRuns(compared(savedRun('a', {}, rate(41_000)), savedRun('b', {}, rate(p50))), [...history, ...others, ...further]), 'connectRateP50');
    const found = against(41_900);
    assert.equal(found?.noiseSource, 'measured');
    // Five repetitions and the first run itself: t(5) × √2 × the spread.
    assert.ok(found.noise > 0.09 && found.noise < 0.11, `${found.noise}`);
    assert.deepEqual(found.verdicts, ['baseline', 'same']);
    // The run that is judged does not widen the band that it is judged by, also when the history holds it already.
    assert.deepEqual(against(50_000)?.verdicts, ['baseline', 'better']);
    assert.deepEqual(against(30_000, [savedRun('b', {}, rate(30_000))])?.verdicts, ['baseline', 'worse']);
  });

  it('takes no run for a repetition that missed its target, failed, or had another spec, host or kernel', () => {
    const missed = (index: number) => savedRun(`m${index}`, {}, { ...rate(10_000 * (index + 1)), established: { server: 9_000, client: 9_000 } });
    const failed = (index: number) => savedRun(`f${index}`, {}, { ...rate(10_000 * (index + 1)), verdict: 'failed' });
    const elsewhere = (index: number) => {
      const run = savedRun(`k${index}`, {}, rate(10_000 * (index + 1)));
      return { ...run, facts: { ...run.facts!, kernel: '5.10.0' } };
    };
    const history = [0, 1, 2].flatMap((index) => [
      missed(index),
      failed(index),
      elsewhere(index),
      savedRun(`s${index}`, { holdSeconds: 77 }, rate(10_000 * (index + 1))),
    ]);
    assert.equal(metric(compareRuns(compared(savedRun('a'), savedRun('b')), history), 'connectRateP50')?.noiseSource, 'assumed');
    const named = [0, 1, 2].map((index) => savedRun(`n${index}`, { name: `nightly ${index}`, thresholds: ['lost==0'] }, rate(40_000 + index)));
    assert.equal(
      metric(compareRuns(compared(savedRun('a'), savedRun('b')), named), 'connectRateP50')?.noiseSource,
      'measured',
      'names and thresholds do not matter',
    );
  });

  it('a measured band is never below what the figure can resolve', () => {
    const history = [1, 2, 3].map((index) => savedRun(`h${index}`));
    assert.equal(metric(compareRuns(compared(savedRun('a'), savedRun('b')), history), 'bytesPerEnd')?.noise, 0.01);
  });

  describe('ten equal runs of 20,000 connections, recorded', () => {
    const equal = (recorded as Partial<Summary>[]).map((summary, index) => savedRun(`e${index}`, { connections: 20_000 }, summary));

    it('are called different in at most 5 % of their 90 ordered pairs, in each row', () => {
      const different = new Map<string, string[]>();
      for (const a of equal)
        for (const b of equal) {
          if (a === b) continue;
          for (const { id, verdicts } of compareRuns(compared(a, b), equal).metrics) {
            const pairs = different.get(id) ?? different.set(id, []).get(id)!;
            if (verdicts[1] !== 'same') pairs.push(`${a.id} ${b.id} ${verdicts[1]!}`);
          }
        }
      assert.ok(different.size >= 8);
      for (const [id, pairs] of different) assert.ok(pairs.length <= 4, `${id}: ${pairs.join(', ')}`);
    });

    it('five beside five that take 3 % more bytes: found, whichever five', () => {
      for (const factor of [1.03, 1 / 1.03]) {
        const changed = equal
          .slice(5)
          .map((run, index) =>
            savedRun(
              `c${index}`,
              { connections: 20_000, traffic: { bytes: 64, every: '1s' } },
              { ...run.summary, bytesPerEnd: run.summary!.bytesPerEnd! * factor },
            ),
          );
        const all = [...equal.slice(0, 5), ...changed];
        for (const a of equal.slice(0, 5))
          for (const b of changed) {
            const found = metric(compareRuns(compared(a, b), all), 'bytesPerEnd');
            assert.deepEqual([found?.verdicts[1], found?.repetitions[1]], [factor > 1 ? 'worse' : 'better', [5, 5]], `${a.id} ${b.id}`);
          }
      }
    });

    it('five beside five that connect 30 % slower: found, whichever five', () => {
      const slower = equal.slice(5).map((run, index) => {
        const { connectRate, ...rest } = run.summary!;
        const scaled = Object.fromEntries(Object.entries(connectRate).map(([name, value]) => [name, value === null ? null : value * 0.7]));
        return savedRun(`c${index}`, { connections: 20_000, engine: 'node' }, { ...rest, connectRate: scaled as typeof connectRate });
      });
      const all = [...equal.slice(0, 5), ...slower];
      for (const a of equal.slice(0, 5))
        for (const b of slower) {
          const found = metric(compareRuns(compared(a, b), all), 'connectRateMean');
          assert.deepEqual([found?.verdicts[1], found?.repetitions[1]], ['worse', [5, 5]], `${a.id} ${b.id}`);
        }
    });
  });

  it('five beside five whose rate is 30 % lower: found where runs of one spec differ by a tenth', () => {
    const tenth = [0.9, 0.95, 1, 1.05, 1.1];
    const before = tenth.map((factor, index) => savedRun(`a${index}`, {}, rate(40_000 * factor)));
    const after = tenth.map((factor, index) => savedRun(`b${index}`, { engine: 'node' }, rate(28_000 * factor)));
    const same = tenth.map((factor, index) => savedRun(`c${index}`, { engine: 'node' }, rate(38_000 * factor)));
    assert.equal(metric(compareRuns(compared(before[0]!, after[4]!), [...before, ...after]), 'connectRateMean')?.verdicts[1], 'worse');
    assert.equal(metric(compareRuns(compared(before[0]!, same[4]!), [...before, ...same]), 'connectRateMean')?.verdicts[1], 'same');
  });

  it('says orders, versions and a missed target among what differs', () => {
    const ordered = { run: savedRun('b', {}, { established: { server: 5, client: 5 } }), samples: [], orders: ['target 5', 'burst'] };
    const found = compareRuns([...compared(savedRun('a')), { ...ordered, run: { ...ordered.run, c10mVersion: '9.9.9' } }]);
    assert.deepEqual(
      found.spec.map(({ field, values }) => [field, ...values]),
      [
        ['C10M version', '0.1.0', '9.9.9'],
        ['target reached', null, 'no: 5 of 100000'],
        ['orders', null, 'target 5; burst'],
      ],
    );
  });

  it('lists what differs in spec, host and tuning, and nothing else', () => {
    const other = savedRun('b', { protocol: 'websocket' });
    other.facts = { ...other.facts!, kernel: '6.1.0' };
    const found = compareRuns(compared(savedRun('a'), other));
    assert.deepEqual(
      found.spec.map(({ field, values }) => [field, ...values]),
      [['protocol', 'tcp', 'websocket']],
    );
    assert.deepEqual(
      found.host.map(({ field }) => field),
      ['kernel'],
    );
    assert.deepEqual(found.tuning, []);
    assert.deepEqual(found.ledger.find(({ id }) => id === 'tcpSock')?.bytesPerEnd, [1_250, 1_250]);
  });

  it('aligns at the beginning of the ramp and survives a run without summary', () => {
    const { summary: _none, ...unfinished } = savedRun('b');
    assert.ok(_none);
    const found = compareRuns([
      { run: savedRun('a'), samples: [sample({ phase: 'starting', t: 500 }), sample({ phase: 'ramping', t: 1_500 })] },
      { run: unfinished, samples: [] },
    ]);
    assert.deepEqual(found.rampStartMs, [1_500, 0]);
    assert.equal(metric(found, 'bytesPerEnd')?.verdicts[1], 'unknown');
  });
});
