import { formatThresholdValue } from '../core/figures/thresholds.js';
import { htmlText } from '../core/foreignText.js';
import { isTargetReached, judgeRun, verdictWord } from '../core/verdict.js';
import type { Summary } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';

/** The result of a run as a JUnit file: one case for the verdict, one for the target, one for the restoration, one a threshold. */
export function junitText(summary: Summary, spec: RunSpec): string {
  const established = Math.min(summary.established.server, summary.established.client);
  const { verdict, exitCode } = judgeRun(summary, spec);
  const cases: [name: string, failure: string | undefined][] = [
    [
      'verdict',
      verdict === 'passed' ? undefined : `${verdictWord(verdict)}, exit code ${exitCode}${summary.reason === undefined ? '' : `: ${summary.reason}`}`,
    ],
    ['target reached', isTargetReached(summary, spec) ? undefined : `${established} of ${summary.target} connections`],
    ['host restored', summary.hostRestored ? undefined : summary.keys.map((key) => `${key.key}: ${key.outcome}`).join(', ') || 'not known'],
    ...summary.thresholds.map((threshold): [string, string | undefined] => [
      threshold.expression,
      threshold.passed ? undefined : `it is ${formatThresholdValue(threshold)}`,
    ]),
  ];
  const failures = cases.filter(([, failure]) => failure !== undefined).length;
  const suite = htmlText(spec.name ?? `c10m ${spec.host} ${spec.protocol}`);
  const lines = cases.map(([name, failure]) =>
    failure === undefined
      ? `    <testcase classname="${suite}" name="${htmlText(name)}"/>`
      : `    <testcase classname="${suite}" name="${htmlText(name)}"><failure message="${htmlText(failure)}"/></testcase>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${cases.length}" failures="${failures}">\n  <testsuite name="${suite}" tests="${cases.length}" failures="${failures}" time="${summary.elapsedSeconds.toFixed(3)}">\n${lines.join('\n')}\n  </testsuite>\n</testsuites>\n`;
}
