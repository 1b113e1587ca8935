import type { PlainError } from './commands.js';
import type { Comparison } from './comparison.js';
import type { Phase, Sample, Summary, Wall } from './events.js';
import type { HostFacts } from './facts.js';
import type { Plan } from './plan.js';
import type { RunSpec } from './spec.js';

/**
 * Samples of a run as columns: what the charts draw, at a twentieth of the size of the JSON. Values are 32-bit floats, exact
 * for counts up to 16.7 million; figures that are read as text come from the sample itself, never from here.
 */
export interface SampleColumns {
  /** Rows in use; each column has at least this many elements. */
  length: number;
  columns: Record<string, Float32Array>;
}

/**
 * Between the extension and a panel. The extension is the truth; a panel may die at any time and asks for everything with
 * `ready` when it comes back. Deltas go only to panels that are ready and visible. Each request is answered, by a value or an error.
 */

/** A line of the list of events. */
export interface PanelEntry {
  seq: number;
  /** Milliseconds since the run began. */
  t: number;
  kind: 'phase' | 'log' | 'worker' | 'tuning' | 'order' | 'wall';
  level: 'debug' | 'info' | 'warn' | 'error';
  text: string;
  /** What to do about it. */
  remedy?: string;
}

/** Lines beyond this are dropped, oldest first; the saved run has them all. */
export const maximumPanelEntries = 1_000;

export interface PhaseMark {
  phase: Phase;
  /** Milliseconds since the run began. */
  t: number;
}

/** `live`: events arrive; `lost`: the link is down and being made anew; `saved`: the run is over and read from disk. */
export type LinkState = 'live' | 'lost' | 'saved';

/** All of a run that is not a time series. */
export interface PanelRun {
  runId: string;
  title: string;
  host: string;
  /** ISO 8601. */
  startedAt: string;
  spec: RunSpec;
  link: LinkState;
  /** Why the link is down, or what is being done before the first event; empty: nothing to say. (A message loses what is undefined.) */
  linkText?: string | undefined;
  phases: PhaseMark[];
  facts?: HostFacts | undefined;
  plan?: Plan | undefined;
  /** The latest sample, exact. */
  last?: Sample | undefined;
  walls: Wall[];
  summary?: Summary | undefined;
  tags: string[];
}

export interface PanelSnapshot {
  type: 'snapshot';
  run: PanelRun;
  samples: SampleColumns;
  entries: PanelEntry[];
  /** Translations of the texts the panel uses, by the English text; empty in English. */
  texts: Record<string, string>;
}

export type PanelDelta = {
  type: 'delta';
  rows: Record<string, number>[];
  entries: PanelEntry[];
  /** Fields of the run that changed. */
  run: Partial<PanelRun>;
};

/** Several runs side by side. `samples` are in the order of `comparison.runs`, their seconds as in the run. */
export interface ComparisonSnapshot {
  type: 'comparison';
  comparison: Comparison;
  samples: SampleColumns[];
  texts: Record<string, string>;
}

export type PanelReply = { type: 'reply'; id: number; ok: true; value: unknown } | { type: 'reply'; id: number; ok: false; error: PlainError };
export type ToPanel = PanelSnapshot | PanelDelta | ComparisonSnapshot | PanelReply;

/** What a panel may ask the extension to do. */
export type PanelRequest =
  | { name: 'stop' }
  | { name: 'set'; target?: number; rate?: number }
  | { name: 'burst'; messages: number; bytes: number }
  | { name: 'removeAll' }
  | { name: 'command'; command: PanelCommand }
  | { name: 'saveImage'; fileName: string; base64: string }
  | { name: 'saveText'; fileName: string; content: string }
  /** Of a comparison: the run that the others are held against. */
  | { name: 'baseline'; runId: string };

/** Commands of the extension that a panel offers as buttons, for its own run. */
export type PanelCommand = 'repeatRun' | 'exportReport' | 'copySummary' | 'saveRunAsProfile' | 'showLog';

export type FromPanel =
  { type: 'ready' } | { type: 'request'; id: number; request: PanelRequest } | { type: 'failure'; message: string; stack?: string | undefined };
