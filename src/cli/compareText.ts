import type { Comparison, Difference } from '../protocol/comparison.js';
import { table } from './table.js';

const marks: Record<string, string> = { baseline: '', same: 'same', better: 'better', worse: 'WORSE', differs: 'differs', unknown: '?' };

/** The same verdicts as the comparison in VS Code, as tables. */
export function compareText(comparison: Comparison): string {
  const names = comparison.runs.map((run) => run.label);
  const metrics = comparison.metrics.map((metric) => [
    metric.title,
    ...metric.texts.map((text, index) => {
      const change = metric.changes[index];
      const percent =
        change === null || change === undefined || index === 0 || !Number.isFinite(change)
          ? ''
          : ` ${change >= 0 ? '+' : '−'}${Math.abs(change * 100).toFixed(1)} %`;
      return `${text}${percent} ${marks[metric.verdicts[index] ?? 'unknown'] ?? ''}`.trim();
    }),
    `±${(metric.noise * 100).toFixed(0)} % ${metric.noiseSource}`,
  ]);
  const ledger = comparison.ledger.map((item) => [item.label, ...item.bytesPerEnd.map((bytes) => (bytes === null ? '–' : `${bytes.toFixed(0)} B`))]);
  const section = (title: string, differences: readonly Difference[]) =>
    differences.length === 0
      ? ''
      : `\n${table([[title, ...names], ...differences.map(({ field, values }) => [field, ...values.map((value) => value ?? '–')])])}`;
  return [
    table([['', ...names, 'noise'], ...metrics]),
    section('spec', comparison.spec),
    section('host', comparison.host),
    section('tuning', comparison.tuning),
    `\n${table([['bytes per end', ...names], ...ledger])}`,
    comparison.walls.some((walls) => walls.length > 0) ? `\n${table([['walls', ...comparison.walls.map((walls) => walls.join(', ') || 'none')]])}` : '',
  ].join('');
}
