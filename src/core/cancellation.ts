import { HumanError } from './errors.js';

export function cancelledError(): HumanError {
  return new HumanError('Cancelled.', { code: 'cancelled' });
}

/** Throws a HumanError `cancelled` when the signal was given. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelledError();
}

/** Rejects with `cancelled` as soon as the signal is given; what was begun goes on unseen, within its own bounds. Leaves no listener behind. */
export function unlessCancelled<T>(begun: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(cancelledError());
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(cancelledError());
    signal.addEventListener('abort', onAbort, { once: true });
    begun.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
