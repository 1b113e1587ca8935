import type { Sample } from '../../protocol/events.js';

type Latency = NonNullable<Sample['latency']>;

/** What is asked of a histogram of microseconds. */
interface MicrosecondHistogram {
  totalCount: number;
  maxValue: number;
  getValueAtPercentile(percentile: number): number;
}

/** The figures of a histogram, in milliseconds. `unanswered`: of its messages, those without an echo. */
export function latencyOf(histogram: MicrosecondHistogram, unanswered: number): Latency {
  const milliseconds = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1_000;
  return {
    count: histogram.totalCount,
    unanswered,
    p50: milliseconds(50),
    p90: milliseconds(90),
    p99: milliseconds(99),
    p999: milliseconds(99.9),
    max: histogram.maxValue / 1_000,
  };
}
