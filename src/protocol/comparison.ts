/** The result of `core/figures/compare.ts`: what `c10m runs compare --json` prints and the comparison panel shows. */

export type MetricVerdict = 'baseline' | 'same' | 'better' | 'worse' | 'differs' | 'unknown';

export interface ComparedMetric {
  id: string;
  title: string;
  unit: string;
  /** Whether a lower or a higher value is the better one; null: neither. */
  better: 'lower' | 'higher' | null;
  values: (number | null)[];
  texts: string[];
  /** Relative to the first run, or of the means of the repetitions (`repetitions`): 0.1 is 10 % more; null where a value is missing. */
  changes: (number | null)[];
  verdicts: MetricVerdict[];
  /** Half-width of the band in which two values count as the same, relative to the first; of several runs, the widest. */
  noise: number;
  /** measured: the spread of repeated runs of the same spec on the same host and kernel that reached their target; assumed: too few of them, our own figure. */
  noiseSource: 'measured' | 'assumed';
  /** Runs behind each change: of the first and of this one. [1, 1]: the single runs themselves, else the means of so many repetitions. */
  repetitions: [number, number][];
}

/** A field in which the runs differ; null where a run has no such field. */
export interface Difference {
  field: string;
  values: (string | null)[];
}

export interface Comparison {
  runs: { id: string; label: string; startedAt: string; host: string; exitCode: number | null }[];
  /** What was asked for: fields of the spec, a target that was not reached, orders given, the version. */
  spec: Difference[];
  host: Difference[];
  tuning: Difference[];
  metrics: ComparedMetric[];
  /** Bytes of one end by ledger item, for each run. */
  ledger: { id: string; label: string; bytesPerEnd: (number | null)[] }[];
  walls: string[][];
  /** When the ramp of each run began, in ms since the run began: where curves are aligned. */
  rampStartMs: number[];
}
