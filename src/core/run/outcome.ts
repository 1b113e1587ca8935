import type { Verdict } from '../../protocol/events.js';
import type { LinkEnd } from './linkStates.js';

/** How a run over several hosts came out, before its hosts are looked at. */
export interface Outcome {
  verdict: Verdict;
  reason?: string;
}

/** What the parts of a run over several hosts ended with, once all have. */
export interface PartsEnd {
  /** Of a stop of the whole run. */
  stopReason: string | undefined;
  /** The server's part ended before the clients were done: what happened to it. */
  serverProblem: string | undefined;
  /** What went wrong with client hosts, each with its name. */
  clientProblems: readonly string[];
  clients: number;
  failOnClientHostLoss: boolean;
}

/** A stop outweighs all that it may have caused; without the servers nothing counts; lost clients only with all of them, or where the spec says so. */
export function outcomeOf({ stopReason, serverProblem, clientProblems, clients, failOnClientHostLoss }: PartsEnd): Outcome {
  if (stopReason !== undefined) return { verdict: 'stopped', reason: stopReason };
  if (serverProblem !== undefined) return { verdict: 'failed', reason: [serverProblem, ...clientProblems].join(' ') };
  if (clientProblems.length === 0) return { verdict: 'finished' };
  return { verdict: failOnClientHostLoss || clientProblems.length >= clients ? 'failed' : 'finished', reason: clientProblems.join(' ') };
}

/** The servers of a run over several hosts ended, or never began, before a client was started. */
export function outcomeWithoutServer(name: string, end: LinkEnd | undefined, stopReason: string | undefined): Outcome {
  if (stopReason !== undefined) return { verdict: 'stopped', reason: stopReason };
  return { verdict: 'failed', reason: `${name}: ${(end?.is === 'seen' ? end.summary.reason : problemOf(end)) ?? 'it ended'}` };
}

/** A host that is out of reach has not ended: only its own word, or its refusal to begin, says so. */
export function serverProblem(name: string, end: LinkEnd | undefined): string {
  if (end?.is === 'unseen') return `${name}: the server's host was out of reach, and its end was not seen (${end.why})`;
  return `${name}: the server's part ended before the clients were done.`;
}

/** What went wrong with one host; undefined: nothing, or it was released. */
export function problemOf(end: LinkEnd | undefined): string | undefined {
  switch (end?.is) {
    case 'notBegun':
      return end.error.message;
    case 'unseen':
      return `its end was not seen: ${end.why}`;
    case 'seen':
      return end.summary.verdict === 'failed' ? (end.summary.reason ?? 'for an unknown reason') : undefined;
    case undefined:
      return undefined;
  }
}

/** Says of a host that was lost for good what becomes of the run there. */
export function unseenText(name: string, why: string, leaseSeconds: number): string {
  return `The end of the run on ${name} was not seen: ${why.replace(/\.$/, '')}. Without a sign of life, the host ends the run by itself and restores what it changed, within ${leaseSeconds} s.`;
}
