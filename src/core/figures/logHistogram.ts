/** Buckets for each doubling: a value is at most 2.2 % off. */
const perOctave = 16;
/** Up to 2^32 microseconds, 71 minutes. */
const bucketCount = perOctave * 32;

/** Counts of microseconds in buckets of equal ratio: 4 KiB whatever is recorded, and many of them add up by adding their counts. */
export class LogHistogram {
  private readonly counts = new Float64Array(bucketCount);
  private largest = 0;
  count = 0;

  record(microseconds: number): void {
    this.counts[bucketOf(microseconds)]!++;
    this.count++;
    if (microseconds > this.largest) this.largest = microseconds;
  }

  /** Index, count, index, count … of the buckets that are not empty. */
  sparse(): number[] {
    const pairs: number[] = [];
    for (let index = 0; index < bucketCount; index++) if (this.counts[index] !== 0) pairs.push(index, this.counts[index]!);
    return pairs;
  }

  /** Adds what `sparse` of another one gave; ignores indexes that are none. */
  add(pairs: readonly number[]): void {
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      const index = pairs[at]!;
      if (!Number.isInteger(index) || index < 0 || index >= bucketCount) continue;
      this.counts[index]! += pairs[at + 1]!;
      this.count += pairs[at + 1]!;
      this.largest = Math.max(this.largest, middleOf(index));
    }
  }

  /** The value, in microseconds, that a share (0–1) of all values is not above; 0 when there is none. */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(this.count * share));
    for (let index = 0; index < bucketCount; index++) {
      left -= this.counts[index]!;
      if (left <= 0) return Math.min(this.largest, middleOf(index));
    }
    return this.largest;
  }

  get maximum(): number {
    return this.largest;
  }
}

function bucketOf(microseconds: number): number {
  return Math.min(bucketCount - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, microseconds)) * perOctave)));
}

function middleOf(index: number): number {
  return 2 ** ((index + 0.5) / perOctave);
}
