import { htmlText } from '../core/foreignText.js';
import { runCases } from '../core/runCases.js';
import type { Summary } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';

/** The result of a run as a JUnit file: one case for the verdict, one for the target, one for the restoration, one a threshold. */
export function junitText(summary: Summary, spec: RunSpec): string {
  const cases = runCases(summary, spec);
  const failures = cases.filter(({ failure }) => failure !== undefined).length;
  const suite = htmlText(spec.name ?? `c10m ${spec.host} ${spec.protocol}`);
  const lines = cases.map(({ name, failure }) =>
    failure === undefined
      ? `    <testcase classname="${suite}" name="${htmlText(name)}"/>`
      : `    <testcase classname="${suite}" name="${htmlText(name)}"><failure message="${htmlText(failure)}"/></testcase>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${cases.length}" failures="${failures}">\n  <testsuite name="${suite}" tests="${cases.length}" failures="${failures}" time="${summary.elapsedSeconds.toFixed(3)}">\n${lines.join('\n')}\n  </testsuite>\n</testsuites>\n`;
}
