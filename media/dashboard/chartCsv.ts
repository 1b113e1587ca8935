import type { SampleColumnStore } from '../../src/core/figures/sampleColumns.js';
import type { ChartDefinition } from './chartDefinitions.js';

/** The values of a chart, RFC 4180: a line a sample, without gaps filled. Labels may come from names that people gave. */
export function chartCsv({ series, unit }: ChartDefinition, samples: SampleColumnStore): string {
  const seconds = samples.column('seconds');
  const columns = series.map((one) => one.values(samples));
  const number = (value: number | undefined) => (value === undefined || !Number.isFinite(value) ? '' : String(Number(value.toPrecision(9))));
  const lines = Array.from(seconds, (at, row) => [number(at), ...columns.map((values) => number(values[row]))].join(','));
  const quote = (label: string) => `"${label.replaceAll('"', '""')}"`;
  return `${[['seconds', ...series.map(({ label }) => quote(`${label} (${unit})`))].join(','), ...lines].join('\r\n')}\r\n`;
}
