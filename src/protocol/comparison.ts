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
  /** Relative to the first run: 0.1 is 10 % more; null where a value is missing. */
  changes: (number | null)[];
  verdicts: MetricVerdict[];
  /** Half-width of the band in which two runs count as the same, relative to the value. */
  noise: number;
  /** measured: the spread of repeated runs of the same spec on the same host; assumed: too few of them, our own figure. */
  noiseSource: 'measured' | 'assumed';
}

/** A field in which the runs differ; null where a run has no such field. */
export interface Difference {
  field: string;
  values: (string | null)[];
}

export interface Comparison {
  runs: { id: string; label: string; startedAt: string; host: string; exitCode: number | null }[];
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
