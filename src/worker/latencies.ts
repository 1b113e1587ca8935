import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** Microseconds; longer latencies are recorded as this: ten minutes. */
const longestLatency = 600_000_000;

/** Takes `messages` of one age in milliseconds. */
export type RecordAge = (ageMs: number, messages: number) => void;

/**
 * Latencies of one worker's messages, each exactly once: an echoed one with the time since it was planned, another one with its age when its
 * connection ended. Those that are still under way are added, with their age so far, to what is reported.
 */
export class Latencies {
  private readonly recorded = emptyHistogram();
  private readonly whole = emptyHistogram();
  private readonly addToWhole: RecordAge = (ageMs, messages) => this.whole.recordValueWithCount(microseconds(ageMs), messages);

  record(ageMs: number, messages = 1): void {
    this.recorded.recordValueWithCount(microseconds(ageMs), messages);
  }

  /** Base64 of the compressed histogram in microseconds; `addPending` includes the messages that are under way. */
  encode(addPending: (record: RecordAge) => void): string {
    this.whole.reset();
    this.whole.add(this.recorded);
    addPending(this.addToWhole);
    return encodeIntoCompressedBase64(this.whole);
  }
}

function microseconds(milliseconds: number): number {
  return Math.min(longestLatency, Math.max(1, Math.round(milliseconds * 1_000)));
}

function emptyHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: longestLatency,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
}
