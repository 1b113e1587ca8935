import { renameSync, writeFileSync } from 'node:fs';
import { openMetricsText } from '../core/figures/openMetrics.js';
import type { Sample } from '../protocol/events.js';

/** Rewrites a file with the figures of each sample, for the textfile collector of node_exporter: written beside it, then renamed. */
export class MetricsFile {
  constructor(
    private readonly path: string,
    private readonly labels: { run: string; host: string },
  ) {}

  write(sample: Sample | null): void {
    const temporary = `${this.path}.${process.pid}.tmp`;
    writeFileSync(temporary, openMetricsText(sample, this.labels));
    renameSync(temporary, this.path);
  }
}
