/** Index range [start, end) of the ascending `x` values that touch [from, to], with one neighbour on each side so that lines reach the edge. */
export function visibleRange(x: Float32Array, from: number, to: number): { start: number; end: number } {
  return { start: Math.max(0, lowerBound(x, from) - 1), end: Math.min(x.length, lowerBound(x, to) + 2) };
}

/** First index whose value is not less than `value`. */
export function lowerBound(x: Float32Array, value: number): number {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The value at `at`, on the straight line between the two samples around it; before the first and after the last sample theirs. NaN where there is
 * none. Samples come some milliseconds early or late, and 32-bit floats round: taking the next one would be off by a whole second.
 */
export function valueAt(x: Float32Array, values: Float32Array, at: number): number {
  if (x.length === 0) return Number.NaN;
  const above = Math.min(lowerBound(x, at), x.length - 1);
  const below = Math.max(0, above - 1);
  const share = above === below ? 1 : Math.min(1, Math.max(0, (at - x[below]!) / (x[above]! - x[below]!)));
  // A gap on one side is none of the other: so close to a sample, its value counts alone.
  if (share < 1e-3) return values[below]!;
  if (share > 1 - 1e-3) return values[above]!;
  return values[below]! + (values[above]! - values[below]!) * share;
}

/**
 * Min/max downsampling to at most `2 * buckets` points: in each bucket every series keeps its smallest and its largest value, in
 * the order in which they came, at the bucket's first and last x. A spike of one sample is never lost. All series share one x.
 */
export function downsampleMinMax(x: Float32Array, series: readonly Float32Array[], start: number, end: number, buckets: number): number[][] {
  const rows = end - start;
  if (rows <= buckets * 2) return [x, ...series].map((values) => Array.from(values.subarray(start, end)));
  const result: number[][] = [[], ...series.map(() => [])];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const first = start + Math.floor((rows * bucket) / buckets);
    const last = start + Math.floor((rows * (bucket + 1)) / buckets) - 1;
    if (last < first) continue;
    result[0]!.push(x[first]!);
    if (last > first) result[0]!.push(x[last]!);
    series.forEach((values, position) => {
      let minimum = first;
      let maximum = first;
      for (let row = first; row <= last; row++) {
        const value = values[row]!;
        if (value < values[minimum]! || Number.isNaN(values[minimum]!)) minimum = row;
        if (value > values[maximum]! || Number.isNaN(values[maximum]!)) maximum = row;
      }
      const column = result[position + 1]!;
      column.push(values[Math.min(minimum, maximum)]!);
      if (last > first) column.push(values[Math.max(minimum, maximum)]!);
    });
  }
  return result;
}

/**
 * For stacked series: one row per bucket, the one whose total is largest, so that the parts drawn belong together and the peak
 * survives. NaN counts as 0.
 */
export function downsampleStack(x: Float32Array, series: readonly Float32Array[], start: number, end: number, buckets: number): number[][] {
  const rows = end - start;
  const result: number[][] = [[], ...series.map(() => [])];
  const count = Math.min(rows, buckets);
  for (let bucket = 0; bucket < count; bucket++) {
    const first = start + Math.floor((rows * bucket) / count);
    const last = start + Math.floor((rows * (bucket + 1)) / count) - 1;
    let chosen = first;
    let largest = Number.NEGATIVE_INFINITY;
    for (let row = first; row <= last; row++) {
      let total = 0;
      for (const values of series) total += values[row]! || 0;
      if (total > largest) {
        largest = total;
        chosen = row;
      }
    }
    result[0]!.push(x[chosen]!);
    series.forEach((values, position) => result[position + 1]!.push(values[chosen]! || 0));
  }
  return result;
}
