import type { Phase } from '../protocol/events.js';

/** The phases that may follow each phase. A run always passes through `restoring` and ends in one of the last three. */
const successors: Record<Phase, readonly Phase[]> = {
  probing: ['planning', 'restoring'],
  // An older host has phases of its own for what takes no time.
  planning: ['deploying', 'tuning', 'starting', 'restoring'],
  deploying: ['tuning', 'starting', 'restoring'],
  tuning: ['starting', 'restoring'],
  starting: ['ramping', 'draining', 'restoring'],
  ramping: ['holding', 'draining', 'restoring'],
  holding: ['ramping', 'draining', 'restoring'],
  draining: ['restoring'],
  restoring: ['finished', 'failed', 'stopped'],
  finished: [],
  failed: [],
  stopped: [],
};

export function isFinal(phase: Phase): phase is 'finished' | 'failed' | 'stopped' {
  return successors[phase].length === 0;
}

/** Returns `next`; throws when no run may go from `current` to `next`. `current` is undefined before the first phase. */
export function advance(current: Phase | undefined, next: Phase): Phase {
  const allowed = current === undefined ? (['probing'] as const) : successors[current];
  if (!allowed.includes(next)) {
    throw new Error(`illegal phase transition from ${current ?? 'nothing'} to ${next}`);
  }
  return next;
}
