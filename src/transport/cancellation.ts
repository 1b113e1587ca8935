import { HumanError } from '../core/errors.js';

export function cancelledError(): HumanError {
  return new HumanError('Cancelled.', { code: 'cancelled' });
}

/** Throws a HumanError `cancelled` when the signal was given. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelledError();
}

/** `promise`, or a HumanError `cancelled` as soon as the signal is given. The promise itself goes on unheard. */
export async function orCancelled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined);
    throw cancelledError();
  }
  let stop: () => void = () => undefined;
  const cancelled = new Promise<never>((_, reject) => {
    const onAbort = () => reject(cancelledError());
    signal.addEventListener('abort', onAbort, { once: true });
    stop = () => signal.removeEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([promise, cancelled]);
  } finally {
    stop();
  }
}
