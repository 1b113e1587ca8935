import type { Comparison, Difference } from '../protocol/comparison.js';
import { bandText, changeText } from '../core/figures/comparisonTexts.js';
import { table } from './table.js';

const marks: Record<string, string> = { baseline: '', same: 'same', better: 'better', worse: 'WORSE', differs: 'differs', unknown: '?' };

/** The same verdicts as the comparison in VS Code, as tables: first what differs between what was asked for. */
export function compareText(comparison: Comparison): string {
  const names = comparison.runs.map((run) => run.label);
  const metrics = comparison.metrics.map((metric) => [
    metric.title,
    ...metric.texts.map((text, index) => {
      const percent = index === 0 ? '' : changeText(metric.changes[index]);
      return `${text} ${percent} ${marks[metric.verdicts[index] ?? 'unknown'] ?? ''}`.trim().replace('  ', ' ');
    }),
    bandText(metric),
  ]);
  const ledger = comparison.ledger.map((item) => [item.label, ...item.bytesPerEnd.map((bytes) => (bytes === null ? '–' : `${bytes.toFixed(0)} B`))]);
  const section = (title: string, differences: readonly Difference[]) =>
    differences.length === 0
      ? ''
      : `\n${table([[title, ...names], ...differences.map(({ field, values }) => [field, ...values.map((value) => value ?? '–')])])}`;
  const differing = [section('run', comparison.spec), section('host', comparison.host), section('tuning', comparison.tuning)].join('');
  return [
    differing === '' ? 'The runs were asked for the same, on the same host with the same settings.\n' : `What differs:\n${differing.replace(/^\n/, '')}`,
    `\n${table([['', ...names, 'the same within'], ...metrics])}`,
    `\n${table([['bytes per end', ...names], ...ledger])}`,
    comparison.walls.some((walls) => walls.length > 0) ? `\n${table([['walls', ...comparison.walls.map((walls) => walls.join(', ') || 'none')]])}` : '',
  ].join('');
}
