import { orderText } from '../../core/orderText.js';
import type { RunEvent, Wall } from '../../protocol/events.js';
import { maximumPanelEntries, type PanelDelta, type PanelEntry, type PanelRun } from '../../protocol/panel.js';
import { text } from '../../core/texts.js';
import { formatCount } from '../../core/units.js';
import { protocolTitle } from '../../core/figures/resultTexts.js';
import { rowOf, SampleColumnStore } from '../../core/figures/sampleColumns.js';

/** What a run is called where it has no name. */
export function runTitle(spec: { name?: string | undefined; connections: number | 'max'; protocol: string }): string {
  if (spec.name !== undefined && spec.name !== '') return spec.name;
  const protocol = protocolTitle(spec.protocol);
  return spec.connections === 'max' ? text('As many {0} connections as fit', protocol) : text('{0} {1} connections', formatCount(spec.connections), protocol);
}

/** A run as its panel shows it: built from events, whether they come from a host or from disk. */
export class RunView {
  run: PanelRun;
  readonly samples = new SampleColumnStore();
  entries: PanelEntry[] = [];

  constructor(initial: Omit<PanelRun, 'phases' | 'walls'>) {
    this.run = { ...initial, phases: [], walls: [] };
  }

  /** Takes an event in and returns what a visible panel must be told. */
  observe(event: RunEvent): PanelDelta {
    const delta: PanelDelta = { type: 'delta', rows: [], entries: [], run: this.changeOf(event) };
    if (event.type === 'sample') {
      const row = rowOf(event);
      this.samples.append(row);
      delta.rows.push(row);
    }
    const entry = entryOf(event);
    if (entry !== undefined) {
      this.entries.push(entry);
      if (this.entries.length > maximumPanelEntries) this.entries.shift();
      delta.entries.push(entry);
    }
    this.run = { ...this.run, ...delta.run };
    return delta;
  }

  /** A change that is not an event, such as a lost link. */
  change(run: Partial<PanelRun>): PanelDelta {
    this.run = { ...this.run, ...run };
    return { type: 'delta', rows: [], entries: [], run };
  }

  private changeOf(event: RunEvent): Partial<PanelRun> {
    switch (event.type) {
      case 'hello':
        return { startedAt: event.startedAt, spec: event.spec, linkText: '' };
      case 'phase':
        return { phases: [...this.run.phases, { phase: event.phase, t: event.t }], linkText: '' };
      case 'facts':
        return { facts: event.facts };
      case 'plan':
        return { plan: event.plan };
      case 'sample':
        return { last: event };
      case 'wall':
        return { walls: mergeWalls(this.run.walls, event.wall) };
      case 'summary':
        return { summary: event.summary, walls: event.summary.walls.reduce(mergeWalls, this.run.walls) };
      default:
        return {};
    }
  }
}

function mergeWalls(walls: Wall[], wall: Wall): Wall[] {
  return walls.some((known) => known.id === wall.id) ? walls : [...walls, wall];
}

/** Two deltas as one, in order. */
export function mergeDeltas(first: PanelDelta | undefined, second: PanelDelta): PanelDelta {
  if (first === undefined) return second;
  return { type: 'delta', rows: [...first.rows, ...second.rows], entries: [...first.entries, ...second.entries], run: { ...first.run, ...second.run } };
}

/** The line that an event gives in the list of events; samples, plans and facts are shown elsewhere. */
export function entryOf(event: RunEvent): PanelEntry | undefined {
  const at = { seq: event.seq, t: event.t };
  switch (event.type) {
    case 'phase':
      return { ...at, kind: 'phase', level: 'info', text: event.detail === undefined ? event.phase : `${event.phase}: ${event.detail}` };
    case 'log':
      return { ...at, kind: 'log', level: event.level, text: event.host === undefined ? event.text : `${event.host}: ${event.text}` };
    case 'wall':
      return {
        ...at,
        kind: 'wall',
        level: 'warn',
        text: text('{0} at {1}: {2}', event.wall.title, formatCount(event.wall.at), event.wall.evidence),
        remedy: event.wall.remedy,
      };
    case 'worker':
      return { ...at, kind: 'worker', ...workerText(event) };
    case 'tuning':
      return {
        ...at,
        kind: 'tuning',
        level: event.outcome === 'applied' || event.outcome === 'restored' ? 'debug' : 'warn',
        text: `${event.key}: ${event.from} → ${event.to}, ${event.outcome}${event.detail === undefined ? '' : ` (${event.detail})`}`,
      };
    case 'order':
      return { ...at, kind: 'order', level: event.state === 'failed' ? 'error' : 'info', text: orderText(event) };
    case 'summary':
      return event.summary.reason === undefined
        ? undefined
        : { ...at, kind: 'log', level: event.summary.verdict === 'failed' ? 'error' : 'info', text: event.summary.reason };
    default:
      return undefined;
  }
}

function workerText(event: Extract<RunEvent, { type: 'worker' }>): Pick<PanelEntry, 'level' | 'text'> {
  const pid = event.pid === undefined ? '' : `, pid ${event.pid}`;
  if (event.state !== 'exited') return { level: 'debug', text: `${event.role} ${event.id} ${event.state}${pid}` };
  const clean = event.exitCode === 0;
  const how = event.signal === undefined || event.signal === null ? text('code {0}', event.exitCode ?? '?') : event.signal;
  const lines = clean ? '' : (event.lastLines ?? []).slice(-3).join(' | ');
  return { level: clean ? 'debug' : 'warn', text: `${text('{0} {1} ended: {2}', event.role, event.id, how)}${lines === '' ? '' : `. ${lines}`}` };
}
