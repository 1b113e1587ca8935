import type { Sample } from '../../protocol/events.js';
import { metrics } from './metrics.js';

/** Names of the run that become labels of every line. */
export interface OpenMetricsLabels {
  run: string;
  host: string;
}

/**
 * A sample as OpenMetrics text (version 1.0), which node_exporter's textfile collector and Prometheus read too. The figures are those
 * of `metrics`, the same ones that the dashboard shows; a figure that the sample does not have is left out. `sample` null: before the first one.
 */
export function openMetricsText(sample: Sample | null, labels: OpenMetricsLabels): string {
  const lines: string[] = [];
  const family = (name: string, type: 'gauge' | 'counter', help: string, points: [Record<string, string>, number][]) => {
    if (points.length === 0) return;
    lines.push(`# TYPE ${name} ${type}`, `# HELP ${name} ${escapeText(help)}`);
    const suffix = type === 'counter' ? '_total' : '';
    for (const [extra, value] of points) lines.push(`${name}${suffix}${labelText({ ...labels, ...extra })} ${value}`);
  };
  if (sample !== null) {
    for (const metric of metrics) {
      const value = metric.value(sample);
      if (value !== null && Number.isFinite(value)) family(`c10m_${snakeCase(metric.id)}`, metric.kind, `${metric.title} (${metric.unit})`, [[{}, value]]);
    }
    const entries = (record: Record<string, number>, label: string) =>
      Object.entries(record).map(([key, value]): [Record<string, string>, number] => [{ [label]: key }, value]);
    family('c10m_target', 'gauge', 'Connections that the run aims at', [[{}, sample.target]]);
    family('c10m_failed_by_errno', 'counter', 'Failed connections by errno', entries(sample.failed.byErrno, 'errno'));
    family('c10m_ledger_item_bytes', 'gauge', 'Memory of the run by kind of object', entries(sample.ledger.entries, 'item'));
    family('c10m_phase', 'gauge', 'Phase of the run', [[{ phase: sample.phase }, 1]]);
  }
  return `${lines.join('\n')}${lines.length > 0 ? '\n' : ''}# EOF\n`;
}

function snakeCase(id: string): string {
  return id.replace(/[A-Z]+/g, (letters) => `_${letters.toLowerCase()}`);
}

function labelText(labels: Record<string, string>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeText(value).replaceAll('"', '\\"')}"`);
  return `{${parts.join(',')}}`;
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
