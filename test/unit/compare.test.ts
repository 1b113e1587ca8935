import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareRuns } from '../../src/core/figures/compare.js';
import { sample, savedRun } from './builders/samples.js';

const compared = (...runs: ReturnType<typeof savedRun>[]) => runs.map((run) => ({ run, samples: [] }));
const metric = (comparison: ReturnType<typeof compareRuns>, id: string) => comparison.metrics.find((one) => one.id === id);

describe('compareRuns', () => {
  it('tells better from worse by the direction of the metric, and noise from both', () => {
    const cases: [string, Parameters<typeof savedRun>[2], string][] = [
      ['bytesPerEnd', { bytesPerEnd: 4_000 }, 'better'],
      ['bytesPerEnd', { bytesPerEnd: 4_440 }, 'same'],
      ['bytesPerEnd', { bytesPerEnd: 10_500 }, 'worse'],
      ['bytesPerEnd', { bytesPerEnd: null }, 'unknown'],
      ['connectRateP50', { connectRate: { mean: 90_000, p50: 90_000, max: 90_000 } }, 'better'],
      ['connectRateP50', { connectRate: { mean: 38_000, p50: 38_000, max: 38_000 } }, 'same'],
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
    const rate = (p50: number) => ({ connectRate: { mean: p50, p50, max: p50 } });
    const history = [40_000, 41_000, 42_000].map((p50, index) => savedRun(`h${index}`, {}, rate(p50)));
    const others = [1, 100_000, 200_000].map((p50, index) => savedRun(`o${index}`, { connections: 7 }, rate(p50)));
    const against = (p50: number, further: ReturnType<typeof savedRun>[] = []) =>
      metric(compareRuns(compared(savedRun('a', {}, rate(41_000)), savedRun('b', {}, rate(p50))), [...history, ...others, ...further]), 'connectRateP50');
    const found = against(41_900);
    assert.equal(found?.noiseSource, 'measured');
    assert.ok(Math.abs(found.noise - 1_000 / 41_000) < 1e-9, 'the widest of 40k–42k around 41k');
    assert.deepEqual(found.verdicts, ['baseline', 'same']);
    // The run that is judged does not widen the band that it is judged by, also when the history holds it already.
    assert.deepEqual(against(45_000)?.verdicts, ['baseline', 'better']);
    assert.deepEqual(against(30_000, [savedRun('b', {}, rate(30_000))])?.verdicts, ['baseline', 'worse']);
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
