import { grown } from './connectionTable.js';

/** Connections of which the last words are kept until they end or others come. */
const rememberedConnections = 1_024;
const rememberedBytes = 160;

/** What is known of each open connection by its descriptor: its number among all of the run, its age, and, of a few, what the server said last. */
export class ConnectionBook {
  private numbers = new Uint32Array(1_024);
  /** Milliseconds since this worker began. */
  private births = new Uint32Array(1_024);
  private readonly free: number[] = [];
  private nextNumber = 0;
  private readonly beganAt = performance.now();
  private readonly words = new Map<number, Uint8Array>();

  constructor(
    private readonly first: number,
    private readonly capacity: number,
  ) {}

  opened(fd: number, now: number): void {
    if (fd >= this.numbers.length) {
      this.numbers = grown(this.numbers, fd, Uint32Array);
      this.births = grown(this.births, fd, Uint32Array);
    }
    // Numbers of closed connections are used again, so that they stay within those of this worker.
    this.numbers[fd] = this.free.pop() ?? Math.min(this.nextNumber++, Math.max(0, this.capacity - 1));
    this.births[fd] = now - this.beganAt;
  }

  closed(fd: number): void {
    this.free.push(this.numbers[fd]!);
    if (this.words.size !== 0) this.words.delete(fd);
  }

  numberOf(fd: number): number {
    return this.first + this.numbers[fd]!;
  }

  /** Milliseconds since the connection was begun. */
  ageOf(fd: number, now: number): number {
    return now - this.beganAt - this.births[fd]!;
  }

  /** Bytes that nobody waits for: perhaps why the server is about to close. */
  remember(fd: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.words.size >= rememberedConnections) {
      const oldest = this.words.keys().next();
      if (oldest.done !== true) this.words.delete(oldest.value);
    }
    this.words.set(fd, Uint8Array.from(bytes.subarray(start, Math.min(end, start + rememberedBytes))));
  }

  takeWords(fd: number): Uint8Array | undefined {
    return this.words.size === 0 ? undefined : this.words.get(fd);
  }
}
