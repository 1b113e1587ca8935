import { HumanError } from '../core/errors.js';
import type { RunEvent, Summary } from '../protocol/events.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { RunState } from './runState.js';

/** What a listener gets: each new event, `link` when the link is lost or back, and `saving` when the run cannot be saved, or is saved again. */
export type ControllerEvent = RunEvent | { type: 'link' } | { type: 'saving' };

/** A run as its views see it, on one host or on several. */
export interface RunHandle {
  readonly state: RunState;
  /** Where the run is saved. */
  readonly directory: string;
  onEvent(listener: (event: ControllerEvent) => void): () => void;
  start(signal: AbortSignal): Promise<Summary>;
  /** Follows a run that was started before, from the last event that is saved. */
  reattach(signal: AbortSignal): Promise<Summary>;
  check(signal: AbortSignal): Promise<{ facts: HostFacts; plan: Plan }>;
  stop(reason?: string): void;
  set(change: { target?: number; rate?: number }): Promise<void>;
  burst(messages: number, bytes: number): Promise<void>;
  removeAll(): Promise<void>;
  detach(): Promise<void>;
}

/** What is wrong with a run that has ended and is not on the disk; undefined: it is. */
export function notSaved({ state, directory }: Pick<RunHandle, 'state' | 'directory'>): HumanError | undefined {
  if (state.unsaved === undefined) return undefined;
  return new HumanError(`The run is not saved whole in ${directory}: ${state.unsaved}.`, {
    remedy: `The host keeps all of it in ~/.local/state/c10m/runs/${state.runId}, as one of the last that nobody fetched.`,
  });
}
