import type { Phase, RunEvent, Sample, Summary, Wall } from '../../protocol/events.js';
import type { HostFacts } from '../../protocol/facts.js';
import { maximumPanelEntries, type PanelEntry, type PhaseMark } from '../../protocol/panel.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { protocolTitle } from '../figures/resultTexts.js';
import { text } from '../texts.js';
import { formatCount } from '../units.js';
import { lineOf } from './line.js';

/** A run that ramps and holds again and again by orders: later phases push out the oldest ones. */
const maximumPhases = 1_000;

/**
 * All that is shown of a run but its time series, whether its events come from a host or from disk. A few hundred kilobytes however long the
 * run is: samples are on disk, and whoever draws them keeps their columns (`figures/sampleColumns.ts`).
 */
export interface RunModel {
  readonly runId: string;
  readonly spec: RunSpec;
  /** ISO 8601; undefined before the first event. */
  readonly startedAt: string | undefined;
  readonly phases: readonly PhaseMark[];
  readonly facts: HostFacts | undefined;
  readonly plan: Plan | undefined;
  /** The latest sample. */
  readonly last: Sample | undefined;
  readonly walls: readonly Wall[];
  readonly summary: Summary | undefined;
  /** The list of events, oldest first, bounded. */
  readonly lines: readonly PanelEntry[];
  /** Server and client workers that are ready. */
  readonly workersReady: number;
  /** Set while the link to a host is lost: why. */
  readonly linkLost: string | undefined;
  /** Set while not all of the run could be written to disk: why. What is missing is in memory, and is tried again. */
  readonly unsaved: string | undefined;
  /** Of the last event, and the milliseconds from the beginning of the run to it. */
  readonly lastSequence: number;
  readonly elapsedMs: number;
}

/** What is no event of the run itself, but changes what is shown of it. */
export type RunNotice =
  | { type: 'link'; lost: string | undefined }
  | { type: 'saving'; problem: string | undefined }
  /** The hosts were lost for good; this is the summary of what is known. */
  | { type: 'unseen'; summary: Summary };

/** What an event changes: the fields with their new values, and the line it adds to the list of events. */
export interface ModelChange {
  fields: Partial<Omit<RunModel, 'lines'>>;
  line?: PanelEntry;
}

export function newModel(runId: string, spec: RunSpec, known: Partial<RunModel> = {}): RunModel {
  return {
    runId,
    spec,
    startedAt: undefined,
    phases: [],
    facts: undefined,
    plan: undefined,
    last: undefined,
    walls: [],
    summary: undefined,
    lines: [],
    workersReady: 0,
    linkLost: undefined,
    unsaved: undefined,
    lastSequence: 0,
    elapsedMs: 0,
    ...known,
  };
}

/** The current phase; undefined before the first. */
export function phaseOf({ phases }: Pick<RunModel, 'phases'>): Phase | undefined {
  return phases.at(-1)?.phase;
}

/** What an event changes in a model. Pure. Undefined: the event was seen already, after a reconnect. */
export function observeEvent(model: RunModel, event: RunEvent | RunNotice): ModelChange | undefined {
  if (event.type === 'link') return { fields: { linkLost: event.lost } };
  if (event.type === 'saving') return { fields: { unsaved: event.problem } };
  if (event.type === 'unseen') return { fields: { summary: event.summary } };
  if (event.seq <= model.lastSequence) return undefined;
  const line = lineOf(event);
  return { fields: { ...fieldsOf(model, event), lastSequence: event.seq, elapsedMs: event.t }, ...(line === undefined ? {} : { line }) };
}

/** The model with a change applied. */
export function withChange(model: RunModel, { fields, line }: ModelChange): RunModel {
  return { ...model, ...fields, ...(line === undefined ? {} : { lines: [...model.lines.slice(1 - maximumPanelEntries), line] }) };
}

function fieldsOf(model: RunModel, event: RunEvent): ModelChange['fields'] {
  switch (event.type) {
    case 'hello':
      return { startedAt: event.startedAt };
    case 'phase':
      return { phases: [...model.phases.slice(1 - maximumPhases), { phase: event.phase, t: event.t }] };
    case 'facts':
      return { facts: event.facts };
    case 'plan':
      return { plan: event.plan };
    case 'sample':
      return { last: event };
    case 'wall':
      return { walls: mergeWalls(model.walls, event.wall) };
    case 'worker':
      return event.state === 'ready' && event.role !== 'guardian' ? { workersReady: model.workersReady + 1 } : {};
    case 'summary':
      return { summary: event.summary, walls: event.summary.walls.reduce(mergeWalls, model.walls) };
    default:
      return {};
  }
}

function mergeWalls(walls: readonly Wall[], wall: Wall): readonly Wall[] {
  return walls.some((known) => known.id === wall.id) ? walls : [...walls, wall];
}

/** What a run is called where it has no name. */
export function runTitle(spec: { name?: string | undefined; connections: number | 'max'; protocol: string }): string {
  if (spec.name !== undefined && spec.name !== '') return spec.name;
  const protocol = protocolTitle(spec.protocol);
  return spec.connections === 'max' ? text('As many {0} connections as fit', protocol) : text('{0} {1} connections', formatCount(spec.connections), protocol);
}
