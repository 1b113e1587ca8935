/**
 * When two figures of runs differ by more than chance. Two single runs differ by more than a run from its median: by √2 of a run's spread. A band is so
 * wide that of equal runs one pair in a hundred lies beyond it (Student's t, since the spread is estimated from few runs), and never narrower than what
 * the figure can resolve.
 */

/** With fewer repetitions a spread says nothing. */
export const repetitionsWorthABand = 3;

/** Two-sided 99 % quantiles of Student's t for 2, 3, 4 … 30 degrees of freedom. */
const studentQuantiles = [
  9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.25, 3.169, 3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807,
  2.797, 2.787, 2.779, 2.771, 2.763, 2.756, 2.75,
];

function studentQuantile(degreesOfFreedom: number): number {
  return studentQuantiles[Math.min(Math.max(2, degreesOfFreedom), studentQuantiles.length + 1) - 2]!;
}

/** The spread of repetitions of a positive figure, as factors: twice as much is as far as half as much. */
export interface Spread {
  count: number;
  /** Geometric mean. */
  mean: number;
  /** Standard deviation of the natural logarithms. */
  deviation: number;
}

/** undefined: too few values. A figure that is not positive has no spread in factors: any difference counts (counts of failures). */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length < repetitionsWorthABand) return undefined;
  if (values.some((value) => value <= 0)) {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { count: values.length, mean, deviation: values.every((value) => value === mean) ? 0 : Number.POSITIVE_INFINITY };
  }
  const logarithms = values.map(Math.log);
  const mean = logarithms.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = logarithms.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { count: values.length, mean: Math.exp(mean), deviation: Math.sqrt(variance) };
}

/** Half-width of the band in which two single runs are the same: 0.1 is a tenth more, or as much less as undoes that. */
export function bandOfSingles(spread: Spread, resolution: number): number {
  return Math.max(resolution, Math.expm1(studentQuantile(spread.count - 1) * Math.SQRT2 * spread.deviation));
}

/** Half-width of the band in which the means of two groups are the same. */
export function bandOfMeans(first: Spread, second: Spread, resolution: number): number {
  const degreesOfFreedom = first.count + second.count - 2;
  const pooled = Math.sqrt(((first.count - 1) * first.deviation ** 2 + (second.count - 1) * second.deviation ** 2) / degreesOfFreedom);
  return Math.max(resolution, Math.expm1(studentQuantile(degreesOfFreedom) * pooled * Math.sqrt(1 / first.count + 1 / second.count)));
}

/** Whether a relative change (0.1: a tenth more) lies within a band. */
export function isWithin(change: number, band: number): boolean {
  if (change === 0) return true;
  return change > 0 ? change <= band : change > -1 && 1 / (1 + change) - 1 <= band;
}
