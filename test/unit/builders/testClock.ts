import type { Clock } from '../../../src/files/clock.js';

/** A clock that a test turns: hours pass in milliseconds, and in the same order each time. */
export class TestClock implements Clock {
  private time = 0;
  private timers: { at: number; action: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(milliseconds: number, action: () => void): () => void {
    const timer = { at: this.time + Math.max(0, milliseconds), action };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        cancel();
        reject(signal?.reason as Error);
      };
      const cancel = this.after(milliseconds, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Timers that are set. */
  get pending(): number {
    return this.timers.length;
  }

  /** Lets time pass: each timer goes off at its time, and what follows from it is done before the next. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    await settled();
    for (;;) {
      const next = this.timers.reduce<(typeof this.timers)[number] | undefined>(
        (first, timer) => (first === undefined || timer.at < first.at ? timer : first),
        undefined,
      );
      if (next === undefined || next.at > end) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = next.at;
      next.action();
      await settled();
    }
    this.time = end;
  }
}

/** Lets all promises that are settled be followed up. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
