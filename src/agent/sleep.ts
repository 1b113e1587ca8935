import { HumanError } from '../core/errors.js';

/** Waits, and rejects with a HumanError `cancelled` when the signal is aborted meanwhile. Leaves no timer and no listener behind. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancelled = () => reject(new HumanError('Stopped.', { code: 'cancelled' }));
    if (signal.aborted) {
      cancelled();
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      cancelled();
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
