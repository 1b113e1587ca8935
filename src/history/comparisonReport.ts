import { bandText, changeText } from '../core/figures/comparisonTexts.js';
import type { Comparison, Difference } from '../protocol/comparison.js';
import { htmlText, markdownText } from '../core/foreignText.js';

/** A table of a report: its title, its head and its rows, all as text. */
export interface ReportTable {
  title: string;
  head: string[];
  rows: string[][];
}

/** What a comparison adds to a report of several runs: what differs between what was asked for, then verdicts with their noise band. Tables without rows are left out. */
export function comparisonTables(comparison: Comparison): ReportTable[] {
  const labels = comparison.runs.map(({ label }, index) =>
    comparison.runs.some((other, at) => at !== index && other.label === label) ? `${index + 1}: ${label}` : label,
  );
  const differences = (title: string, rows: readonly Difference[]): ReportTable => ({
    title,
    head: ['Field', ...labels],
    rows: rows.map(({ field, values }) => [field, ...values.map((value) => value ?? '–')]),
  });
  return [
    differences('Differences of the runs', comparison.spec),
    differences('Differences of the hosts', comparison.host),
    differences('Differences of the kernel settings', comparison.tuning),
    {
      title: 'Verdicts against the first run',
      head: ['Metric', ...labels, 'The same within'],
      rows: comparison.metrics.map((metric) => [
        metric.title,
        ...metric.texts.map((value, index) => `${value}${verdictText(metric.verdicts[index], metric.changes[index])}`),
        bandText(metric),
      ]),
    },
  ].filter(({ rows }) => rows.length > 0);
}

function verdictText(verdict: string | undefined, change: number | null | undefined): string {
  if (verdict === undefined || verdict === 'baseline' || verdict === 'unknown') return '';
  const percent = changeText(change);
  return percent === '' ? ` (${verdict})` : ` (${verdict}, ${percent})`;
}

export function markdownTable({ title, head, rows }: ReportTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map(markdownText).join(' | ')} |`;
  return `## ${markdownText(title)}\n\n${[line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')}\n`;
}

export function htmlTable({ title, head, rows }: ReportTable): string {
  const cells = (row: readonly string[]) =>
    row.map((cell, index) => (index === 0 ? `<th scope="row">${htmlText(cell)}</th>` : `<td>${htmlText(cell)}</td>`)).join('');
  return `<h2>${htmlText(title)}</h2><table><thead><tr>${head.map((cell) => `<th scope="col">${htmlText(cell)}</th>`).join('')}</tr></thead><tbody>${rows
    .map((row) => `<tr>${cells(row)}</tr>`)
    .join('')}</tbody></table>`;
}
