import { renameSync, writeFileSync } from 'node:fs';
import { metrics } from '../core/metrics.js';
import type { Sample } from '../protocol/events.js';

/** Rewrites a file with the figures of each sample, for the textfile collector of node_exporter: written beside it, then renamed. */
export class MetricsFile {
  constructor(private readonly path: string) {}

  write(sample: Sample): void {
    const temporary = `${this.path}.${process.pid}.tmp`;
    writeFileSync(temporary, openMetricsText(sample));
    renameSync(temporary, this.path);
  }
}

/** Units of OpenMetrics are plain words in the name; a metric without a value in this sample is left out. */
export function openMetricsText(sample: Sample): string {
  const lines: string[] = [];
  for (const metric of metrics) {
    const value = metric.value(sample);
    if (value === null) continue;
    const unit = metric.unit.replace('/s', '_per_second').replace(/^ms$/, 'milliseconds');
    const name = `c10m_${metric.id.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
    const full = name.endsWith(`_${unit}`) ? name : `${name}_${unit}`;
    lines.push(`# HELP ${full} ${metric.title}.`, `# TYPE ${full} gauge`, `${full} ${value}`);
  }
  return `${lines.join('\n')}\n# EOF\n`;
}
