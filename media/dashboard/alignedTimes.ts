/** Own times of this many samples at most are points of the axis: beyond, an even grid has to do. */
const maximumOwnTimes = 100_000;

/**
 * Points of a time axis that several runs share, in seconds, ascending: an even grid, and the time of each sample, so that a peak of one sample
 * between two points of the grid is not lost.
 */
export function alignedTimes(sampleTimes: readonly (readonly number[])[], step: number, end: number): number[] {
  const times = Array.from({ length: Math.floor(end / step + 0.5) + 1 }, (_value, index) => index * step);
  if (sampleTimes.reduce((sum, { length }) => sum + length, 0) <= maximumOwnTimes)
    for (const own of sampleTimes) for (const seconds of own) if (seconds >= 0 && seconds <= end) times.push(seconds);
  return [...new Set(times)].sort((a, b) => a - b);
}
