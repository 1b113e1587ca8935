import type { Phase, RunEvent, Sample, Summary, Wall } from '../protocol/events.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';

/** Samples kept for views: a day at one a second. The file on disk has them all. */
const maximumSamples = 86_400;
/** Log lines, worker and tuning events kept for views. */
const maximumMessages = 2_000;

/** All that a view needs to draw a run, live or saved. */
export interface RunState {
  runId: string;
  spec: RunSpec;
  /** Undefined before the first phase. */
  phase: Phase | undefined;
  startedAt: string | undefined;
  facts: HostFacts | undefined;
  plan: Plan | undefined;
  samples: Sample[];
  /** Everything that is not a sample, oldest first, bounded. */
  messages: RunEvent[];
  walls: Wall[];
  summary: Summary | undefined;
  /** Set while the link to the host is lost: why. */
  linkLost: string | undefined;
  /** Set while not all of the run could be written to disk: why. What is missing is in memory, and is tried again. */
  unsaved: string | undefined;
  lastSequence: number;
}

export function newRunState(runId: string, spec: RunSpec): RunState {
  return {
    runId,
    spec,
    phase: undefined,
    startedAt: undefined,
    facts: undefined,
    plan: undefined,
    samples: [],
    messages: [],
    walls: [],
    summary: undefined,
    linkLost: undefined,
    unsaved: undefined,
    lastSequence: 0,
  };
}

/** Takes one event into the state. Returns false for one that was seen already (after a reconnect). */
export function applyEvent(state: RunState, event: RunEvent): boolean {
  if (event.seq <= state.lastSequence) return false;
  state.lastSequence = event.seq;
  switch (event.type) {
    case 'hello':
      state.startedAt = event.startedAt;
      break;
    case 'phase':
      state.phase = event.phase;
      break;
    case 'facts':
      state.facts = event.facts;
      break;
    case 'plan':
      state.plan = event.plan;
      break;
    case 'sample':
      state.samples.push(event);
      if (state.samples.length > maximumSamples) state.samples.shift();
      return true;
    case 'wall':
      state.walls.push(event.wall);
      break;
    case 'summary':
      state.summary = event.summary;
      break;
    default:
  }
  state.messages.push(event);
  if (state.messages.length > maximumMessages) state.messages.shift();
  return true;
}
