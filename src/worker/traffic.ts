import { epollIn, type Epoll } from '../linux/epoll.js';
import { closeTimer, openTimer, readTimer } from '../linux/timer.js';
import { grown } from './connectionTable.js';
import { purposes, type ConnectionObserver, type EchoUser, type Exchange } from './exchange.js';
import type { Latencies, RecordAge } from './latencies.js';
import type { Stats } from './stats.js';

/** Send times are rounded to this, or to a 4096th of the interval where that is longer: 4 KiB of list heads at most. */
const finestTickMs = 5;
const maximumBuckets = 4096;
/** A connection without an echo for so long, and for three intervals, is dead. */
const deadAfterMs = 60_000;
const deadAfterIntervals = 3;
/** Places send times evenly over the interval, whatever the number of connections is. */
const goldenRatio = 0.6180339887498949;

export interface TrafficParts {
  exchange: Exchange;
  epoll: Epoll;
  stats: Stats;
  latencies: Latencies;
  lose(fd: number): void;
}

/**
 * Each connection has one message planned per interval, at its own fixed phase. Latency is counted from the planned time: a message that
 * could not be sent in time, because the one before has not come back or a burst has the connection, is sent late and counted from its plan
 * (no coordinated omission). Every planned message is recorded once, whatever becomes of it.
 */
export class SteadyTraffic implements EchoUser, ConnectionObserver {
  private readonly intervalMs: number;
  private readonly tickMs: number;
  private readonly buckets: number;
  /** Heads of doubly linked lists of descriptors, −1: none. */
  private readonly heads: Int32Array;
  /** When the connections of a bucket last had a message planned. */
  private readonly plannedAt: Float64Array;
  private next: Int32Array;
  private previous: Int32Array;
  private bucketOf: Int32Array;
  /** Messages of a connection that were planned and have not come back: the latest so many of its planned times. */
  private pending: Uint32Array;
  private readonly timer: number;
  private readonly startedAt = performance.now();
  private tick = 0;
  private phase = 0;
  private hasEnded = false;

  constructor(
    configuration: { intervalSeconds: number; bytes: number },
    expected: number,
    private readonly parts: TrafficParts,
  ) {
    this.intervalMs = configuration.intervalSeconds * 1000;
    this.buckets = Math.max(1, Math.min(maximumBuckets, Math.floor(this.intervalMs / finestTickMs)));
    this.tickMs = this.intervalMs / this.buckets;
    this.heads = new Int32Array(this.buckets).fill(-1);
    this.plannedAt = new Float64Array(this.buckets);
    const length = Math.max(1024, expected + 64);
    this.next = new Int32Array(length);
    this.previous = new Int32Array(length);
    this.bucketOf = new Int32Array(length);
    this.pending = new Uint32Array(length);
    this.timer = openTimer(this.tickMs);
    parts.epoll.add(this.timer, epollIn);
    parts.exchange.enter(purposes.traffic, this, configuration.bytes);
    parts.exchange.addObserver(this);
  }

  /** True when the event was the timer's. */
  onEvent(fd: number): boolean {
    if (fd !== this.timer || this.hasEnded) return false;
    readTimer(fd);
    this.planDue(performance.now());
    return true;
  }

  /** Plans no more; what is under way may still come back. */
  stop(now: number): void {
    if (this.hasEnded) return;
    this.planDue(now);
    this.hasEnded = true;
    this.parts.epoll.remove(this.timer);
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
    this.pending[fd] = 0;
  }

  closed(fd: number, isLost: boolean): void {
    const before = this.previous[fd]!;
    const after = this.next[fd]!;
    if (before === -1) this.heads[this.bucketOf[fd]!] = after;
    else this.next[before] = after;
    if (after !== -1) this.previous[after] = before;
    const count = this.pending[fd]!;
    if (count === 0) return;
    const { exchange, latencies } = this.parts;
    const now = performance.now();
    const newest = now - this.plannedAt[this.bucketOf[fd]!]!;
    for (let index = 0; index < count; index++) latencies.record(newest + index * this.intervalMs);
    this.pending[fd] = 0;
    if (isLost) exchange.lose(fd, count);
  }

  answered(fd: number, _messages: number, now: number): void {
    const count = this.pending[fd]!;
    this.parts.latencies.record(now - this.oldestOf(fd));
    this.pending[fd] = count - 1;
  }

  echoed(fd: number): void {
    this.freed(fd);
  }

  /** The connection has nothing under way: a message that waits for that is sent. */
  freed(fd: number): void {
    if (this.pending[fd]! > 0) this.parts.exchange.send(fd, purposes.traffic, 1);
  }

  /** Every message that is under way, by its age: those of one bucket were planned at the same moments. */
  addPending(now: number, record: RecordAge): void {
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      let most = 0;
      for (let fd = this.heads[bucket]!; fd !== -1; fd = this.next[fd]!) most = Math.max(most, this.pending[fd]!);
      if (most === 0) continue;
      const having = new Uint32Array(most);
      for (let fd = this.heads[bucket]!; fd !== -1; fd = this.next[fd]!) if (this.pending[fd]! > 0) having[this.pending[fd]! - 1]!++;
      let messages = 0;
      for (let index = most - 1; index >= 0; index--) {
        messages += having[index]!;
        record(now - this.plannedAt[bucket]! + index * this.intervalMs, messages);
      }
    }
  }

  private planDue(now: number): void {
    for (let at = this.startedAt + this.tick * this.tickMs; at <= now; at = this.startedAt + ++this.tick * this.tickMs) this.planBucket(at, now);
  }

  private planBucket(at: number, now: number): void {
    const { exchange, stats } = this.parts;
    const deadMs = Math.max(deadAfterMs, deadAfterIntervals * this.intervalMs);
    const bucket = this.tick % this.buckets;
    this.plannedAt[bucket] = at;
    for (let fd = this.heads[bucket]!; fd !== -1;) {
      const following = this.next[fd]!;
      exchange.plan(fd, 1);
      this.pending[fd]!++;
      if (!exchange.isBusy(fd)) {
        exchange.send(fd, purposes.traffic, 1);
      } else if (now - this.oldestOf(fd) > deadMs && exchange.missing(fd, purposes.traffic) > 0) {
        stats.fail('ETIMEDOUT');
        this.parts.lose(fd);
      }
      fd = following;
    }
  }

  /** When the message was planned that has waited longest on a connection. */
  private oldestOf(fd: number): number {
    return this.plannedAt[this.bucketOf[fd]!]! - (this.pending[fd]! - 1) * this.intervalMs;
  }

  private reserve(fd: number): void {
    if (fd < this.next.length) return;
    this.next = grown(this.next, fd, Int32Array);
    this.previous = grown(this.previous, fd, Int32Array);
    this.bucketOf = grown(this.bucketOf, fd, Int32Array);
    this.pending = grown(this.pending, fd, Uint32Array);
  }
}
