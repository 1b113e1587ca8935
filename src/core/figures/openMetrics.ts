import type { Sample, Verdict } from '../../protocol/events.js';
import { metrics } from './metrics.js';

/** Names of the run that become labels of every line. */
export interface OpenMetricsLabels {
  run: string;
  host: string;
}

/** How a run ended; `incomplete`: nobody saw it. */
export type FinalPhase = Verdict | 'incomplete';

/**
 * A sample as OpenMetrics text (version 1.0), which node_exporter's textfile collector and Prometheus read too. The figures are those
 * of `metrics`, the same ones that the dashboard shows; a figure that the sample does not have is left out. `sample` null: before the first one. `phase`: the
 * run is over.
 */
export function openMetricsText(sample: Sample | null, labels: OpenMetricsLabels, phase?: FinalPhase): string {
  const lines: string[] = [];
  const family = (name: string, type: 'gauge' | 'counter', help: string, points: [Record<string, string>, number][]) => {
    if (points.length === 0) return;
    // Classic parsers, node_exporter's among them, find help only by the name of the points; OpenMetrics allows no counter whose name ends so, but a
    // family without a type.
    const family = type === 'counter' ? `${name}_total` : name;
    lines.push(...(type === 'counter' ? [] : [`# TYPE ${family} ${type}`]), `# HELP ${family} ${escapeText(help)}`);
    for (const [extra, value] of points) lines.push(`${family}${labelText({ ...labels, ...extra })} ${value}`);
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
  }
  const shownPhase = phase ?? sample?.phase;
  if (shownPhase !== undefined) family('c10m_phase', 'gauge', 'Phase of the run', [[{ phase: shownPhase }, 1]]);
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
