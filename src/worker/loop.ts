import { Epoll, epollIn } from '../linux/epoll.js';
import { libc } from '../linux/libc.js';

/** Node's own loop is visited this often while there is work; the rest goes to the sockets. */
const sliceMs = 20;
/** Longest wait without any event; commands end it at once, since standard input is in the same epoll set. */
const longestWaitMs = 1_000;
const standardInput = 0;
const inputBytes = 64 * 1024;

/** What a worker does in its loop. */
export interface LoopWork {
  /** One event of a descriptor that the work added to the epoll set. */
  onEvent(fd: number, flags: number): void;
  /** After each round of events. Returns the milliseconds until it wants to be called again without any event, 0: at once. */
  onTurn(now: number): number;
  /** Bytes of standard input; none: it ended. */
  onInput(bytes: Buffer): void;
}

/**
 * The sliced loop of an epoll worker: it waits in epoll, not in libuv, and goes back to Node at least each 20 ms of work.
 * Standard input is read here, because a command must wake the wait.
 */
export class Loop {
  readonly epoll: Epoll;
  private readonly input = Buffer.alloc(inputBytes);
  private isEnded = false;
  private waitMs = 0;

  /** `eventsPerWait`: fewer where an event is much work, so that a slice stays short; absent: as many as there are. */
  constructor(eventsPerWait?: number) {
    this.epoll = new Epoll(eventsPerWait);
  }

  start(work: LoopWork): void {
    this.epoll.add(standardInput, epollIn);
    const slice = () => {
      this.slice(work);
      if (!this.isEnded) setImmediate(slice);
    };
    setImmediate(slice);
  }

  end(): void {
    this.isEnded = true;
  }

  private slice(work: LoopWork): void {
    const until = performance.now() + sliceMs;
    do {
      const count = this.epoll.wait(Math.min(longestWaitMs, Math.ceil(this.waitMs)));
      for (let index = 0; index < count; index++) {
        const fd = this.epoll.descriptor(index);
        if (fd === standardInput) this.readInput(work);
        else work.onEvent(fd, this.epoll.flags(index));
      }
      const now = performance.now();
      this.waitMs = work.onTurn(now);
      if (now >= until) return;
    } while (!this.isEnded);
  }

  private readInput(work: LoopWork): void {
    const count = libc().read(standardInput, this.input, this.input.length);
    if (count <= 0) this.epoll.remove(standardInput);
    work.onInput(this.input.subarray(0, Math.max(0, count)));
  }
}
