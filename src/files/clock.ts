import { sleep } from './sleep.js';

/** Time as a part of the program sees it. A parameter, so that a test may let hours pass in milliseconds. */
export interface Clock {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Calls once, later; returns the way to call it off. */
  after(milliseconds: number, action: () => void): () => void;
}

export const monotonicClock: Clock = {
  now: () => performance.now(),
  sleep,
  after: (milliseconds, action) => {
    const timer = setTimeout(action, milliseconds);
    return () => clearTimeout(timer);
  },
};
