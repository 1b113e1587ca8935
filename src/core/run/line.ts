import type { RunEvent } from '../../protocol/events.js';
import type { PanelEntry } from '../../protocol/panel.js';
import { orderText } from '../orderText.js';
import { text } from '../texts.js';
import { formatCount } from '../units.js';

/** The line that an event gives wherever events are listed; undefined for samples, plans and facts, which are shown elsewhere. */
export function lineOf(event: RunEvent): PanelEntry | undefined {
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
    case 'plan':
      return event.reason === undefined ? undefined : { ...at, kind: 'log', level: 'warn', text: text('The run was planned anew: {0}', event.reason) };
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

/** A line of the list of events where there is only text: what it is stands before it, what to do behind it. */
export function entryText({ kind, level, text: said, remedy }: Pick<PanelEntry, 'kind' | 'level' | 'text' | 'remedy'>): string {
  const what = kind === 'wall' ? 'wall: ' : kind === 'phase' || kind === 'order' ? '' : `${level}: `;
  return `${what}${said}${remedy === undefined ? '' : `. ${remedy}`}`;
}
