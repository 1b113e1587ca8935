import type { Phase, Verdict } from '../protocol/events.js';
import type { Part } from './combine.js';
import type { LinkEnd } from './linkStates.js';

/** How a run over several hosts came out, before its hosts are looked at. */
export interface Outcome {
  verdict: Verdict;
  reason?: string;
}

/** What the order of a run over several hosts needs to know of it. */
export interface Conducted {
  readonly failOnClientHostLoss: boolean;
  phase(): Phase | undefined;
  /** The first reason of a stop of the whole run. */
  stopReason(): string | undefined;
  isReleased(): boolean;
  enter(phase: Phase): void;
  /** Reports a client host that failed. */
  report(part: Part, text: string): void;
  /** Resolves when all of these parts hold; never, when one ends before. */
  holding(parts: readonly Part[]): Promise<void>;
}

/** Waits until the servers listen; what went wrong, when they do not. */
export async function awaitServer(run: Conducted, server: Part): Promise<Outcome | undefined> {
  const failure = await Promise.race([
    run.holding([server]).then(() => undefined),
    server.ended.then((end) => (end?.is === 'seen' ? end.summary.reason : problemOf(end)) ?? 'it ended'),
  ]);
  if (failure === undefined || run.isReleased()) return undefined;
  return run.stopReason() === undefined
    ? { verdict: 'failed', reason: `${server.name}: ${failure}` }
    : { verdict: 'stopped', reason: run.stopReason() ?? failure };
}

/** Follows all parts until the clients are done, then ends the server's. */
export async function conduct(run: Conducted, server: Part, clients: readonly Part[]): Promise<Outcome> {
  void run.holding(clients).then(() => run.phase() === 'ramping' && run.enter('holding'));
  const problems: string[] = [];
  const serverEnd: { problem?: string } = {};
  void server.ended.then((end) => {
    if (run.phase() === 'draining' || run.isReleased()) return;
    serverEnd.problem = serverProblem(server.name, end);
    for (const client of clients) client.link.stop(`The server host ${server.name} ended.`, false);
  });
  await Promise.all(
    clients.map(async (part) => {
      const problem = problemOf(await part.ended);
      if (problem === undefined || run.stopReason() !== undefined || run.isReleased()) return;
      problems.push(`${part.name}: ${problem}`);
      run.report(part, `The client host failed: ${problem}`);
      if (run.failOnClientHostLoss) for (const other of clients) other.link.stop(`${part.name} failed.`, false);
    }),
  );
  // Let go of: the hosts go on, and nothing may be ended here.
  if (run.isReleased()) return { verdict: 'stopped' };
  if (run.phase() !== 'draining') run.enter('draining');
  server.link.stop('All clients are done.', false);
  await server.ended;
  const stopReason = run.stopReason();
  if (stopReason !== undefined) return { verdict: 'stopped', reason: stopReason };
  if (serverEnd.problem !== undefined) return { verdict: 'failed', reason: [serverEnd.problem, ...problems].join(' ') };
  const isFailed = problems.length > 0 && (run.failOnClientHostLoss || problems.length >= clients.length);
  return problems.length === 0 ? { verdict: 'finished' } : { verdict: isFailed ? 'failed' : 'finished', reason: problems.join(' ') };
}

/** A host that is out of reach has not ended: only its own word, or its refusal to begin, says so. */
function serverProblem(name: string, end: LinkEnd | undefined): string {
  if (end?.is === 'unseen') return `${name}: the server's host was out of reach, and its end was not seen (${end.why})`;
  return `${name}: the server's part ended before the clients were done.`;
}

/** What went wrong with one host; undefined: nothing, or the window let go of it. */
function problemOf(end: LinkEnd | undefined): string | undefined {
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
