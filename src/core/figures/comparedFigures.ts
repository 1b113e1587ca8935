import type { ComparedMetric } from '../../protocol/comparison.js';
import type { Summary } from '../../protocol/events.js';
import { formatBytes, formatDuration, formatKilobytesPerEnd, formatCount, formatRate } from '../units.js';

/** A figure of a run that is compared. */
export interface ComparedFigure {
  id: string;
  title: string;
  unit: string;
  better: ComparedMetric['better'];
  /** Relative difference of two equal runs that is nothing unusual, while there are no repetitions: as on a busy virtual machine. */
  assumedNoise: number;
  /** Relative difference below which the figure itself says nothing: rounding, clock ticks, the moment at which it was read. */
  resolution: number;
  value(summary: Summary): number | null;
  format(value: number): string;
}

/** All figures that are compared, in the order in which they are shown. */
export const comparedFigures: readonly ComparedFigure[] = [
  {
    id: 'established',
    title: 'Established',
    unit: 'connections',
    better: 'higher',
    assumedNoise: 0,
    resolution: 0,
    value: ({ established }) => Math.min(established.server, established.client),
    format: formatCount,
  },
  {
    id: 'failed',
    title: 'Failed',
    unit: 'connections',
    better: 'lower',
    assumedNoise: 0,
    resolution: 0,
    value: ({ failed }) => failed.total,
    format: formatCount,
  },
  { id: 'lost', title: 'Lost', unit: 'connections', better: 'lower', assumedNoise: 0, resolution: 0, value: ({ lost }) => lost, format: formatCount },
  {
    id: 'bytesPerEnd',
    title: 'Bytes per end',
    unit: 'bytes',
    better: 'lower',
    assumedNoise: 0.03,
    resolution: 0.01,
    value: ({ bytesPerEnd }) => bytesPerEnd,
    format: formatKilobytesPerEnd,
  },
  {
    id: 'connectRateMean',
    title: 'Connect rate, mean',
    unit: 'connections/s',
    better: 'higher',
    assumedNoise: 1.2,
    resolution: 0.05,
    value: ({ connectRate }) => connectRate.mean,
    format: formatRate,
  },
  {
    id: 'connectRateP50',
    title: 'Connect rate, median',
    unit: 'connections/s',
    better: 'higher',
    assumedNoise: 1.2,
    resolution: 0.05,
    value: ({ connectRate }) => connectRate.p50,
    format: formatRate,
  },
  {
    id: 'rampSeconds',
    title: 'Ramp',
    unit: 's',
    better: 'lower',
    assumedNoise: 1.2,
    resolution: 0.05,
    value: ({ rampSeconds }) => rampSeconds,
    format: formatDuration,
  },
  {
    id: 'cpuPerConnection',
    title: 'CPU time per connection',
    unit: 'µs',
    better: 'lower',
    assumedNoise: 1.2,
    resolution: 0.05,
    value: ({ cpuMicrosecondsPerConnection }) => cpuMicrosecondsPerConnection,
    format: (value) => `${value.toFixed(0)} µs`,
  },
  {
    id: 'ledgerBytes',
    title: 'Memory of the run',
    unit: 'bytes',
    better: 'lower',
    assumedNoise: 0.03,
    resolution: 0.01,
    value: ({ ledger }) => ledger?.explainedBytes ?? null,
    format: formatBytes,
  },
  {
    id: 'explainedRatio',
    title: 'Explained',
    unit: '0–1',
    better: null,
    assumedNoise: 0.2,
    // What others take and give back is the rest: tens of MiB.
    resolution: 0.2,
    value: ({ explainedRatio }) => explainedRatio,
    format: (value) => `${(value * 100).toFixed(1)} %`,
  },
  {
    id: 'latencyP50',
    title: 'Latency p50',
    unit: 'ms',
    better: 'lower',
    assumedNoise: 1.2,
    resolution: 0.05,
    value: ({ latency }) => latency?.p50 ?? null,
    format: milliseconds,
  },
  {
    id: 'latencyP99',
    title: 'Latency p99',
    unit: 'ms',
    better: 'lower',
    assumedNoise: 1,
    resolution: 0.1,
    value: ({ latency }) => latency?.p99 ?? null,
    format: milliseconds,
  },
];

function milliseconds(value: number): string {
  return `${value.toFixed(2)} ms`;
}
