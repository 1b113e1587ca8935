/** Attempts without an answer at most: no queue of the server overflows, and a round trip is hidden many times over. */
const largestWindow = 2_048;
const smallestWindow = 64;
/** As the kernel's first retransmission (RFC 6298: one second). */
const retryMs = 1_000;
/** SYNs of one connection, and until when it must be established, the answer to the WebSocket handshake included. */
const patienceMs = 30_000;
/** A close that nobody answers is ended by a reset. */
const closingPatienceMs = 2_000;
/** Between two halvings of the window: what is dropped at one moment has one cause. */
const dropPauseMs = 200;

interface Attempt {
  number: number;
  retryAt: number;
  until: number;
}

/**
 * Connections that wait for an answer, in the order in which they are to be looked at again. The window grows by one with each success and is
 * halved by drops (as TCP's own, RFC 5681), so that a server that is behind is not flooded.
 */
export class Attempts {
  /** Bounded by the window. */
  private readonly pending = new Map<number, Attempt>();
  /** Pending ones, the earliest first, and some that were answered meanwhile. */
  private queue: Attempt[] = [];
  private head = 0;
  private window = smallestWindow;
  private droppedAt = Number.NEGATIVE_INFINITY;

  /** `windowAtMost`: as many answers as have room in the queue of the device. */
  constructor(
    private readonly windowAtMost: number,
    private readonly retry: (number: number) => void,
    private readonly giveUp: (number: number) => void,
  ) {}

  /** So many more may begin now. */
  get room(): number {
    return Math.floor(this.window) - this.pending.size;
  }

  begin(number: number, now: number): void {
    this.add({ number, retryAt: now + retryMs, until: now + patienceMs });
  }

  beginClosing(number: number, now: number): void {
    this.add({ number, retryAt: now + closingPatienceMs, until: now + closingPatienceMs });
  }

  /** The connection is established. */
  succeed(number: number): void {
    this.pending.delete(number);
    this.window = Math.min(largestWindow, this.windowAtMost, this.window + 1);
  }

  forget(number: number): void {
    if (this.pending.size !== 0) this.pending.delete(number);
  }

  /** Something was dropped on its way. */
  drop(now: number): void {
    if (now - this.droppedAt < dropPauseMs) return;
    this.droppedAt = now;
    this.window = Math.max(smallestWindow, this.window / 2);
  }

  /** Tries the late ones again. Returns the milliseconds until the next is late. */
  onTurn(now: number): number {
    for (; this.head < this.queue.length; this.head++) {
      const attempt = this.queue[this.head]!;
      if (this.pending.get(attempt.number) !== attempt) continue;
      if (attempt.retryAt > now) break;
      this.drop(now);
      if (now >= attempt.until) {
        this.giveUp(attempt.number);
      } else {
        this.add({ ...attempt, retryAt: Math.min(attempt.until, now + retryMs) });
        this.retry(attempt.number);
      }
    }
    const next = this.queue[this.head];
    this.compact();
    return next === undefined ? Number.POSITIVE_INFINITY : Math.max(1, next.retryAt - now);
  }

  private add(attempt: Attempt): void {
    this.pending.set(attempt.number, attempt);
    this.queue.push(attempt);
  }

  private compact(): void {
    if (this.head === 0 || (this.head <= largestWindow && this.head < this.queue.length)) return;
    this.queue = this.queue.slice(this.head);
    this.head = 0;
  }
}
