import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { junitText } from '../../src/cli/junit.js';
import { judgedSummary } from '../../src/core/figures/summary.js';
import { specFromInput } from '../../src/core/profile.js';
import type { SpecInput } from '../../src/core/specInput.js';
import { judgeRun, runVerdicts, verdictLooks, verdictWord, type RunVerdict } from '../../src/core/verdict.js';
import { verdictShape } from '../../src/core/verdictShapes.js';
import type { Summary } from '../../src/protocol/events.js';
import { summary } from './builders/samples.js';

const wall: Summary['walls'][number] = { id: 'nofile', title: 'Open files', at: 900, evidence: 'EMFILE', remedy: 'Raise it.' };
const key = (outcome: 'restored' | 'refused' | 'changedByOthers') => ({ key: 'fs.file-max', original: '1', ours: '2', now: '2', outcome });
const short = { established: { server: 900, client: 1_000 } };

/** Every end: what the host sent, what was asked for, how it is judged. The host's own exit code is 0 in all of them. */
const ends: [name: string, sent: Partial<Summary>, spec: SpecInput, verdict: RunVerdict, exitCode: number][] = [
  ['all is well', {}, {}, 'passed', 0],
  ['a key that others changed is theirs', { keys: [key('changedByOthers'), key('restored')] }, {}, 'passed', 0],
  ['a threshold holds', {}, { thresholds: ['bytesPerEnd<5000'] }, 'passed', 0],
  ['any count is a ceiling', { ...short, target: 5_000 }, { connections: 'max' }, 'passed', 0],
  ['a threshold fails', {}, { thresholds: ['bytesPerEnd<10'] }, 'thresholdFailed', 99],
  [
    'the host says a failed threshold holds',
    { thresholds: [{ expression: 'bytesPerEnd<10', value: 1, passed: true }] },
    { thresholds: ['bytesPerEnd<10'] },
    'thresholdFailed',
    99,
  ],
  ['the host leaves the thresholds out', { thresholds: [] }, { thresholds: ['bytesPerEnd<10'] }, 'thresholdFailed', 99],
  ['a threshold of another version', {}, { thresholds: ['later<10'] }, 'thresholdFailed', 99],
  ['ended early by its threshold', { verdict: 'failed', endedBy: 'threshold', ...short }, { thresholds: ['bytesPerEnd<10'] }, 'thresholdFailed', 99],
  ['said to be ended by a threshold that holds', { verdict: 'failed', endedBy: 'threshold' }, { thresholds: ['bytesPerEnd>10'] }, 'failed', 70],
  ['the target is not reached', short, {}, 'targetNotReached', 98],
  ['the host lowers the target', { ...short, target: 10 }, {}, 'targetNotReached', 98],
  ['an order raised the target', { established: { server: 1_000, client: 1_000 }, target: 2_000 }, {}, 'targetNotReached', 98],
  ['a stage is the target', { ...short, target: 10 }, { connections: 'max', stages: [{ to: 1_000 }] }, 'targetNotReached', 98],
  ['not reached counts before a threshold', short, { thresholds: ['bytesPerEnd<10'] }, 'targetNotReached', 98],
  ['a wall made it fail', { verdict: 'failed', walls: [wall], ...short }, {}, 'targetNotReached', 98],
  ['failed short of its target, without a wall', { verdict: 'failed', ...short }, {}, 'failed', 70],
  ['failed at its target', { verdict: 'failed', walls: [wall] }, {}, 'failed', 70],
  ['stopped', { verdict: 'stopped', ...short }, {}, 'stopped', 130],
  ['the host is not restored', { hostRestored: false }, {}, 'hostNotRestored', 75],
  ['a refused key on a host said to be restored', { keys: [key('refused')] }, {}, 'hostNotRestored', 75],
  ['stopped and not restored', { verdict: 'stopped', hostRestored: false }, {}, 'hostNotRestored', 75],
  ['failed, not restored, refused, and the exit code 0', { verdict: 'failed', hostRestored: false, keys: [key('refused')] }, {}, 'hostNotRestored', 75],
  ['its end was not seen', { verdict: 'failed', hostRestored: false, endSeen: false }, {}, 'incomplete', 75],
];

describe('the verdict of a run', () => {
  for (const [name, sent, input, verdict, exitCode] of ends) {
    const { thresholds = [], ...rest } = input;
    const spec = { ...specFromInput({ connections: 1_000, ...rest }), thresholds: thresholds as string[] };
    const judged = judgedSummary(summary({ target: 1_000, established: { server: 1_000, client: 1_000 }, ...sent, exitCode: 0 }), spec);
    it(`${name}: ${verdict}, exit code ${exitCode}`, () => {
      assert.deepEqual(judgeRun(judged, spec), { verdict, exitCode });
      assert.equal(judged.exitCode, exitCode);
    });
    it(`${name}: the JUnit file is ${exitCode === 0 ? 'green' : 'red'}`, () => assert.equal(/failures="0"/.test(junitText(judged, spec)), exitCode === 0));
  }

  it('is incomplete without a summary', () => assert.equal(judgeRun(undefined, specFromInput({})).verdict, 'incomplete'));

  it('has a word of its own for each verdict, and green only where the exit code is 0', () => {
    assert.equal(new Set(runVerdicts.map(verdictWord)).size, runVerdicts.length);
    assert.equal(new Set(runVerdicts.map((verdict) => verdictLooks[verdict].icon)).size, runVerdicts.length, 'told apart without colour');
    assert.equal(new Set(runVerdicts.map(verdictShape)).size, runVerdicts.length, 'in pages without codicons, too');
    assert.deepEqual(new Set(ends.map(([, , , verdict]) => verdict)), new Set(runVerdicts), 'each is in the table');
    for (const verdict of runVerdicts) assert.equal(verdictLooks[verdict].severity === 'success', verdictLooks[verdict].exitCode === 0, verdict);
  });
});
