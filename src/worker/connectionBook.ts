import { grown } from './connectionTable.js';
import { LastWords } from './lastWords.js';

/** What is known of each open connection by its descriptor: its number among all of the run, its age, and, of a few, what the server said last. */
export class ConnectionBook {
  private numbers = new Uint32Array(1_024);
  /** Milliseconds since this worker began. */
  private births = new Uint32Array(1_024);
  private readonly free: number[] = [];
  private nextNumber = 0;
  private readonly beganAt = performance.now();
  private readonly words = new LastWords();

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
    this.words.forget(fd);
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
    this.words.remember(fd, bytes, start, end);
  }

  takeWords(fd: number): Uint8Array | undefined {
    return this.words.of(fd);
  }
}
