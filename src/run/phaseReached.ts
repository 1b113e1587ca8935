import type { Phase } from '../protocol/events.js';
import type { RunHandle } from './runHandle.js';

/** Resolves when a run is in this phase, now or for the first time; never, when it ends before: what waits then has no run any more. */
export function phaseReached(run: Pick<RunHandle, 'state' | 'onEvent'>, phase: Phase): Promise<undefined> {
  if (run.state.phase === phase) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const release = run.onEvent((event) => {
      if (event.type !== 'phase' || event.phase !== phase) return;
      release();
      resolve(undefined);
    });
  });
}
