import type { ComparedMetric, Comparison } from '../../protocol/comparison.js';
import { text } from '../texts.js';

/** From this half-width on a band is a factor: "±120 %" would read as less than nothing. */
const widestPercentBand = 0.5;

/** The band in which two values of a metric are the same, and where it is from: `±1 % measured, means of 5 and 5 runs`. */
export function bandText({ noise, noiseSource, repetitions }: Pick<ComparedMetric, 'noise' | 'noiseSource' | 'repetitions'>): string {
  const width = noise === 0 ? text('exact') : noise > widestPercentBand ? `×${(1 + noise).toFixed(1)}` : `±${(noise * 100).toFixed(noise < 0.095 ? 1 : 0)} %`;
  const source = noise === 0 ? '' : ` ${noiseSource === 'measured' ? text('measured') : text('assumed')}`;
  const grouped = repetitions.find(([first, other]) => first > 1 || other > 1);
  return `${width}${source}${grouped === undefined ? '' : text(', means of {0} and {1} runs', grouped[0], grouped[1])}`;
}

/** A change as `+3.1 %`; '' where there is nothing to say. */
export function changeText(change: number | null | undefined): string {
  if (change === null || change === undefined || !Number.isFinite(change) || Math.abs(change) < 0.0005) return '';
  return `${change > 0 ? '+' : '−'}${Math.abs(change * 100).toFixed(1)} %`;
}

/** What got worse against the first run, one line each: of these metrics only, where some are given. */
export function worseLines({ metrics, runs }: Comparison, only: readonly string[] = []): string[] {
  return metrics
    .filter(({ id }) => only.length === 0 || only.includes(id))
    .flatMap((metric) =>
      metric.verdicts.flatMap((verdict, index) =>
        verdict === 'worse'
          ? [
              `${metric.title} is worse in ${runs[index]!.label}: ${metric.texts[index]!} after ${metric.texts[0]!} (${changeText(metric.changes[index]) || text('from 0')}, ${bandText(metric)}).`,
            ]
          : [],
      ),
    );
}
