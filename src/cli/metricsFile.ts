import { messageOf } from '../core/errors.js';
import { type FinalPhase, openMetricsText } from '../core/figures/openMetrics.js';
import { replaceFile } from '../files/durableFile.js';
import type { Sample } from '../protocol/events.js';

/** Rewrites a file with the figures of each sample, for the textfile collector of node_exporter: written beside it, then renamed. */
export class MetricsFile {
  private isTold = false;
  private isFinished = false;
  private last: Sample | null = null;

  constructor(
    private readonly path: string,
    private readonly labels: { run: string; host: string },
    private readonly warn: (text: string) => void,
  ) {}

  /** Throws what node:fs throws when the path cannot be written. */
  create(): void {
    this.rewrite(null);
  }

  /** A sample that cannot be written is left out and reported once: the run goes on. */
  write(sample: Sample): void {
    if (this.isFinished) return;
    this.last = sample;
    this.writeOrSay(sample);
  }

  /** The last word on a run: its last figures with the phase in which it ended. Only the first one counts. */
  finish(phase: FinalPhase): void {
    if (this.isFinished) return;
    this.isFinished = true;
    this.writeOrSay(this.last, phase);
  }

  private writeOrSay(sample: Sample | null, phase?: FinalPhase): void {
    try {
      this.rewrite(sample, phase);
      this.isTold = false;
    } catch (error) {
      if (this.isTold) return;
      this.isTold = true;
      this.warn(`${this.path} could not be written: ${messageOf(error)}. The run goes on.`);
    }
  }

  private rewrite(sample: Sample | null, phase?: FinalPhase): void {
    replaceFile(this.path, openMetricsText(sample, this.labels, phase), { mode: 0o666, isDurable: false });
  }
}
