import type { Phase, RunEvent, RunEventBody, Sample, Summary } from '../../protocol/events.js';
import type { HostPart } from '../plan/hostPlans.js';

/** What a host has reported of its part of a run so far. */
export interface PartReport {
  phase: Phase | undefined;
  hasHeld: boolean;
  last: Sample | undefined;
  samples: number;
  /** Most connections of its side in all of its samples, those included that were missed and reported later. */
  most: number;
  lastSequence: number;
  summary: Summary | undefined;
}

/** One host of a run, as it reports itself. */
export interface ReportingPart {
  readonly name: string;
  readonly role: HostPart['role'];
  /** Connections that were planned for it. */
  readonly planned: number;
  readonly report: PartReport;
}

export function newReport(): PartReport {
  return { phase: undefined, hasHeld: false, last: undefined, samples: 0, most: 0, lastSequence: 0, summary: undefined };
}

/** Notes what an event says of the part itself. */
export function noteReport(report: PartReport, role: HostPart['role'], event: RunEvent): void {
  report.lastSequence = event.seq;
  if (event.type === 'phase') report.phase = event.phase;
  report.hasHeld ||= report.phase === 'holding';
  if (event.type === 'summary') report.summary = event.summary;
  if (event.type !== 'sample') return;
  report.last = event;
  report.samples++;
  report.most = Math.max(report.most, role === 'client' ? event.established.client : event.established.server);
}

/** The event of one host as one of the whole run, without number and time; undefined for what each host reports for itself. Samples: `mergedSample.ts`. */
export function eventOfWhole(hostName: string, event: RunEvent): RunEventBody | undefined {
  switch (event.type) {
    case 'log':
      return { type: 'log', level: event.level, text: event.text, host: hostName };
    case 'worker':
      return { ...bodyOf(event), id: `${hostName}/${event.id}` };
    case 'tuning':
      return { ...bodyOf(event), key: `${hostName}: ${event.key}` };
    case 'wall':
      return { type: 'wall', wall: { ...event.wall, evidence: `${hostName}: ${event.wall.evidence}` } };
    case 'order':
      return { ...bodyOf(event), text: `${hostName}: ${event.text}` };
    default:
      return undefined;
  }
}

/** Connections that the hosts of the clients aim at now: by their samples, or as planned before the first. */
export function targetOf(parts: readonly ReportingPart[]): number {
  return parts.filter(({ role }) => role !== 'server').reduce((sum, { planned, report }) => sum + (report.last?.target ?? planned), 0);
}

/** How the hosts were left, as one. */
export function hostsLeft(parts: readonly ReportingPart[]): Pick<Summary, 'hostRestored' | 'keys'> {
  return {
    hostRestored: parts.every(({ report }) => report.summary?.hostRestored === true),
    keys: parts.flatMap(({ name, report }) => report.summary?.keys.map((key) => ({ ...key, key: `${name}: ${key.key}` })) ?? []),
  };
}

/** What each side held at most, as its own hosts counted it. */
export function mostOf(parts: readonly ReportingPart[]): { server: number; client: number } {
  const sum = (role: HostPart['role']) => parts.filter((part) => part.role === role).reduce((total, part) => total + part.report.most, 0);
  return { server: sum('server'), client: sum('client') };
}

function bodyOf<T extends RunEvent>(event: T): Omit<T, 'seq' | 't'> {
  const copy: Partial<T> = { ...event };
  delete copy.seq;
  delete copy.t;
  return copy as Omit<T, 'seq' | 't'>;
}
