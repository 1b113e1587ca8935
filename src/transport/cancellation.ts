import { HumanError } from '../core/errors.js';

export function cancelledError(): HumanError {
  return new HumanError('Cancelled.', { code: 'cancelled' });
}

/** Throws a HumanError `cancelled` when the signal was given. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelledError();
}
