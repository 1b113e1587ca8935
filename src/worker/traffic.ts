import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';
import { epollIn, type Epoll } from '../linux/epoll.js';
import { closeTimer, openTimer, readTimer } from '../linux/timer.js';
import { grown } from './connectionTable.js';
import { purposes, type ConnectionObserver, type EchoUser, type Exchange } from './exchange.js';
import type { Stats } from './stats.js';

/** Send times are rounded to this, or to a 4096th of the interval where that is longer: 4 KiB of list heads at most. */
const finestTickMs = 5;
const maximumBuckets = 4096;
/** A connection without an echo for so long, and for three intervals, is dead. */
const deadAfterMs = 60_000;
const deadAfterIntervals = 3;
/** Microseconds; longer latencies are recorded as this: ten minutes. */
const longestLatency = 600_000_000;
/** Places send times evenly over the interval, whatever the number of connections is. */
const goldenRatio = 0.6180339887498949;

export interface TrafficParts {
  exchange: Exchange;
  epoll: Epoll;
  stats: Stats;
  lose(fd: number): void;
}

/**
 * Each connection sends one message per interval at its own fixed phase. Latency is counted from the planned send time: a
 * message that could not be sent in time, because the one before has not come back, is sent late and counted from its plan
 * (no coordinated omission).
 */
export class SteadyTraffic implements EchoUser, ConnectionObserver {
  private readonly recorded: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: longestLatency,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
  private readonly tickMs: number;
  private readonly buckets: number;
  /** Heads of doubly linked lists of descriptors, −1: none. */
  private readonly heads: Int32Array;
  private next: Int32Array;
  private previous: Int32Array;
  private bucketOf: Int32Array;
  /** Planned send time of the message that is under way. */
  private planned: Float64Array;
  /** Messages whose time passed while one was under way. */
  private owed: Uint16Array;
  private readonly timer: number;
  private readonly startedAt = performance.now();
  private tick = 0;
  private phase = 0;

  constructor(
    private readonly configuration: { intervalSeconds: number; bytes: number },
    expected: number,
    private readonly parts: TrafficParts,
  ) {
    const intervalMs = configuration.intervalSeconds * 1000;
    this.buckets = Math.max(1, Math.min(maximumBuckets, Math.floor(intervalMs / finestTickMs)));
    this.tickMs = intervalMs / this.buckets;
    this.heads = new Int32Array(this.buckets).fill(-1);
    const length = Math.max(1024, expected + 64);
    this.next = new Int32Array(length);
    this.previous = new Int32Array(length);
    this.bucketOf = new Int32Array(length);
    this.planned = new Float64Array(length);
    this.owed = new Uint16Array(length);
    this.timer = openTimer(this.tickMs);
    parts.epoll.add(this.timer, epollIn);
    parts.exchange.enter(purposes.traffic, this, configuration.bytes);
    parts.exchange.observe(this);
  }

  /** Base64 of the compressed histogram, in microseconds. */
  histogram(): string {
    return encodeIntoCompressedBase64(this.recorded);
  }

  /** True when the event was the timer's. */
  onEvent(fd: number): boolean {
    if (fd !== this.timer) return false;
    readTimer(fd);
    const now = performance.now();
    for (let at = this.startedAt + this.tick * this.tickMs; at <= now; at = this.startedAt + ++this.tick * this.tickMs) this.sendDue(at, now);
    return true;
  }

  end(): void {
    closeTimer(this.timer);
  }

  opened(fd: number): void {
    this.reserve(fd);
    this.phase = (this.phase + goldenRatio) % 1;
    const bucket = Math.floor(this.phase * this.buckets);
    const head = this.heads[bucket]!;
    this.bucketOf[fd] = bucket;
    this.previous[fd] = -1;
    this.next[fd] = head;
    if (head !== -1) this.previous[head] = fd;
    this.heads[bucket] = fd;
    this.owed[fd] = 0;
    this.planned[fd] = 0;
  }

  closed(fd: number): void {
    const before = this.previous[fd]!;
    const after = this.next[fd]!;
    if (before === -1) this.heads[this.bucketOf[fd]!] = after;
    else this.next[before] = after;
    if (after !== -1) this.previous[after] = before;
  }

  echoed(fd: number, now: number): void {
    this.recorded.recordValue(Math.min(longestLatency, Math.max(1, Math.round((now - this.planned[fd]!) * 1000))));
    if (this.owed[fd]! > 0) {
      this.owed[fd]!--;
      this.send(fd, this.planned[fd]! + this.configuration.intervalSeconds * 1000);
    }
  }

  private sendDue(at: number, now: number): void {
    const { exchange, stats } = this.parts;
    const intervalMs = this.configuration.intervalSeconds * 1000;
    const deadMs = Math.max(deadAfterMs, deadAfterIntervals * intervalMs);
    for (let fd = this.heads[this.tick % this.buckets]!; fd !== -1;) {
      const following = this.next[fd]!;
      if (!exchange.isBusy(fd)) {
        this.send(fd, at);
      } else if (this.planned[fd] !== 0 && now - this.planned[fd]! > deadMs) {
        stats.fail('ETIMEDOUT');
        this.parts.lose(fd);
      } else if (exchange.missing(fd, purposes.traffic) > 0) {
        this.owed[fd]!++;
      }
      // A burst has its messages under way here: this turn of the steady traffic is left out.
      fd = following;
    }
  }

  private send(fd: number, planned: number): void {
    this.planned[fd] = planned;
    this.parts.exchange.send(fd, purposes.traffic, 1);
  }

  private reserve(fd: number): void {
    if (fd < this.next.length) return;
    this.next = grown(this.next, fd, Int32Array);
    this.previous = grown(this.previous, fd, Int32Array);
    this.bucketOf = grown(this.bucketOf, fd, Int32Array);
    this.planned = grown(this.planned, fd, Float64Array);
    this.owed = grown(this.owed, fd, Uint16Array);
  }
}
