import { wallText } from '../core/figures/resultTexts.js';
import { formatThresholdValue } from '../core/figures/thresholds.js';
import { plainLine, settingCommand } from '../core/foreignText.js';
import { judgeRun } from '../core/verdict.js';
import type { Summary } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';

function byHand({ key, original }: { key: string; original: string }): string {
  // A run over several hosts names the host before the key.
  const command = settingCommand(key.slice(key.lastIndexOf(' ') + 1), original);
  return command === undefined ? '' : ` Set it with: ${command}`;
}

/** What stderr says of a run that is not simply done. */
export function problemLines(summary: Summary, spec: RunSpec): string[] {
  const lines: string[] = [];
  const { verdict } = judgeRun(summary, spec);
  if (verdict === 'targetNotReached') {
    const wall = summary.walls[0];
    lines.push(wall === undefined ? `The target was not reached. ${summary.reason ?? ''}` : `The target was not reached: ${wallText(wall)}`);
  } else if (summary.reason !== undefined) lines.push(summary.reason);
  if (verdict === 'incomplete' || (verdict === 'hostNotRestored' && !summary.keys.some(({ outcome }) => outcome === 'refused')))
    lines.push('It is not known that the host was restored. Look, and restore it, with: c10m host restore');
  for (const key of summary.keys)
    if (key.outcome === 'refused')
      lines.push(`${plainLine(key.key)} could not be restored: it is ${plainLine(key.now ?? 'unreadable')}, it was ${plainLine(key.original)}.${byHand(key)}`);
  for (const threshold of summary.thresholds)
    if (!threshold.passed) lines.push(`The threshold ${threshold.expression} does not hold: it is ${formatThresholdValue(threshold)}.`);
  return lines;
}
