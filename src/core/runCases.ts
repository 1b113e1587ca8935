import type { Summary } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';
import { formatThresholdValue } from './figures/thresholds.js';
import { text } from './texts.js';
import { formatCount } from './units.js';
import { isTargetReached, judgeRun, verdictWord } from './verdict.js';

/** One thing that a run had to do. */
export interface RunCase {
  /** Stable; of a threshold, its expression. */
  name: string;
  /** Undefined: it did. */
  failure: string | undefined;
  expected: string;
  actual: string;
}

/** What a run had to do, as a test: its verdict, its target, its host afterwards, and each threshold. The same in JUnit and in VS Code's Test Explorer. */
export function runCases(summary: Summary, spec: RunSpec): RunCase[] {
  const { verdict, exitCode } = judgeRun(summary, spec);
  const established = Math.min(summary.established.server, summary.established.client);
  const why = summary.reason === undefined ? '' : `: ${summary.reason}`;
  const keys = summary.keys.map((key) => `${key.key}: ${key.outcome}`).join(', ') || text('not known');
  return [
    {
      name: 'verdict',
      failure: verdict === 'passed' ? undefined : `${verdictWord(verdict)}, exit code ${exitCode}${why}`,
      expected: verdictWord('passed'),
      actual: verdictWord(verdict),
    },
    {
      name: 'target reached',
      failure: isTargetReached(summary, spec) ? undefined : `${established} of ${summary.target} connections`,
      expected: text('{0} connections', formatCount(summary.target)),
      actual: text('{0} connections', formatCount(established)),
    },
    {
      name: 'host restored',
      failure: summary.hostRestored ? undefined : keys,
      expected: text('the host as it was found'),
      actual: summary.hostRestored ? text('the host as it was found') : keys,
    },
    ...summary.thresholds.map((threshold): RunCase => {
      const value = formatThresholdValue(threshold);
      return { name: threshold.expression, failure: threshold.passed ? undefined : `it is ${value}`, expected: threshold.expression, actual: value };
    }),
  ];
}
