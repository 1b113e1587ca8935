import type { RunRecording } from '../history/recording.js';
import type { Phase, RunEvent, RunEventBody, Sample, Summary } from '../protocol/events.js';
import type { HostLink } from './hostLink.js';
import type { LinkEnd } from './linkStates.js';
import type { HostPart } from './planning.js';

/** What a host has reported of its part so far. */
export interface PartReport {
  phase: Phase | undefined;
  hasHeld: boolean;
  last: Sample | undefined;
  /** Most connections of its side in all of its samples, those included that were missed and reported later. */
  most: number;
  lastSequence: number;
  summary: Summary | undefined;
}

/** One host of a run. */
export interface Part {
  readonly name: string;
  readonly role: HostPart['role'];
  /** Connections that were planned for it. */
  readonly planned: number;
  readonly link: HostLink;
  /** Of a run over several hosts: each part is saved whole, too. */
  readonly recording: RunRecording | undefined;
  readonly report: PartReport;
  /** How its link ended; undefined: it was let go of. */
  readonly ended: Promise<LinkEnd | undefined>;
}

export function newReport(): PartReport {
  return { phase: undefined, hasHeld: false, last: undefined, most: 0, lastSequence: 0, summary: undefined };
}

/** Notes what an event says of the part itself. */
export function noteReport(report: PartReport, role: Part['role'], event: RunEvent): void {
  report.lastSequence = event.seq;
  if (event.type === 'phase') report.phase = event.phase;
  report.hasHeld ||= report.phase === 'holding';
  if (event.type === 'summary') report.summary = event.summary;
  if (event.type !== 'sample') return;
  report.last = event;
  report.most = Math.max(report.most, role === 'client' ? event.established.client : event.established.server);
}

/** The event of one host as one of the whole run, without number and time; undefined for what each host reports for itself. Samples: `bothSides.ts`. */
export function asWhole(name: string, event: RunEvent): RunEventBody | undefined {
  switch (event.type) {
    case 'log':
      return { type: 'log', level: event.level, text: event.text, host: name };
    case 'worker':
      return { ...bodyOf(event), id: `${name}/${event.id}` };
    case 'tuning':
      return { ...bodyOf(event), key: `${name}: ${event.key}` };
    case 'wall':
      return { type: 'wall', wall: { ...event.wall, evidence: `${name}: ${event.wall.evidence}` } };
    case 'order':
      return { ...bodyOf(event), text: `${name}: ${event.text}` };
    default:
      return undefined;
  }
}

/** How the hosts were left, as one. */
export function leftOf(parts: readonly Part[]): Pick<Summary, 'hostRestored' | 'keys'> {
  return {
    hostRestored: parts.every(({ report }) => report.summary?.hostRestored === true),
    keys: parts.flatMap(({ name, report }) => report.summary?.keys.map((key) => ({ ...key, key: `${name}: ${key.key}` })) ?? []),
  };
}

/** What each side held at most, as its own hosts counted it. */
export function mostOf(parts: readonly Part[]): { server: number; client: number } {
  const sum = (role: Part['role']) => parts.filter((part) => part.role === role).reduce((total, part) => total + part.report.most, 0);
  return { server: sum('server'), client: sum('client') };
}

function bodyOf<T extends RunEvent>(event: T): Omit<T, 'seq' | 't'> {
  const copy: Partial<T> = { ...event };
  delete copy.seq;
  delete copy.t;
  return copy as Omit<T, 'seq' | 't'>;
}
