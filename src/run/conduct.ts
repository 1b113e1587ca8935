import { hostsOf, type RunPlan } from '../core/plan/hostPlans.js';
import { phaseOf } from '../core/run/model.js';
import { type Outcome, outcomeOf, outcomeWithoutServer, problemOf, serverProblem } from '../core/run/outcome.js';
import type { RunSpec } from '../protocol/spec.js';
import type { Part, Parts } from './parts.js';
import type { RunRecord } from './runRecord.js';
import { partStore, savedPart } from './savedParts.js';

/** A run over several hosts, whose order is kept here. */
export interface ConductedRun {
  readonly id: string;
  readonly spec: RunSpec;
  readonly directory: string;
  readonly record: RunRecord;
  readonly parts: Parts;
}

/** Starts the servers, then the clients, and follows them to the end. */
export async function conductStart(run: ConductedRun, { parts: [first, ...others] }: RunPlan): Promise<Outcome> {
  const { record, parts } = run;
  record.enter('starting');
  const server = parts.add(first!);
  const hasBegun = await Promise.race([server.held.then(() => true), server.ended.then(() => false)]);
  if (parts.isReleased) return { verdict: 'stopped' };
  if (!hasBegun) return outcomeWithoutServer(server.name, await server.ended, parts.stopReason);
  if (parts.stopReason === undefined) record.enter('ramping');
  const clients = parts.stopReason === undefined ? others.map((other) => parts.add(other)) : [];
  return followParts(run, server, clients);
}

/** Follows the parts again as far as they had begun. */
export async function conductResume(run: ConductedRun): Promise<Outcome> {
  const { id, spec, parts } = run;
  for (const [index, name] of hostsOf(spec).entries()) {
    const known = await savedPart(partStore(run.directory), id, name, index);
    if (known !== undefined) parts.add(known.part, known.report);
  }
  const [server, ...clients] = parts.all;
  if (server?.role !== 'server') return { verdict: 'failed', reason: 'It was left before it had begun on any host.' };
  if (clients.length < spec.clientHosts.length) parts.stop('It was left before it had begun on all hosts.');
  return followParts(run, server, clients);
}

/** Follows all parts until the clients are done, then ends the server's. */
async function followParts({ spec, record, parts }: ConductedRun, server: Part, clients: readonly Part[]): Promise<Outcome> {
  const phase = () => phaseOf(record.model);
  void Promise.all(clients.map(({ held }) => held)).then(() => phase() === 'ramping' && record.enter('holding'));
  const problems: string[] = [];
  const serverEnd: { problem?: string } = {};
  void server.ended.then((end) => {
    if (phase() === 'draining' || parts.isReleased) return;
    serverEnd.problem = serverProblem(server.name, end);
    for (const client of clients) client.link.stop(`The server host ${server.name} ended.`, false);
  });
  await Promise.all(
    clients.map(async ({ name, ended }) => {
      const problem = problemOf(await ended);
      if (problem === undefined || parts.stopReason !== undefined || parts.isReleased) return;
      problems.push(`${name}: ${problem}`);
      record.emit({ type: 'log', level: 'error', text: `The client host failed: ${problem}`, host: name });
      if (spec.failOnClientHostLoss) for (const other of clients) other.link.stop(`${name} failed.`, false);
    }),
  );
  if (parts.isReleased) return { verdict: 'stopped' };
  if (phase() !== 'draining') record.enter('draining');
  server.link.stop('All clients are done.', false);
  await server.ended;
  return outcomeOf({
    stopReason: parts.stopReason,
    serverProblem: serverEnd.problem,
    clientProblems: problems,
    clients: clients.length,
    failOnClientHostLoss: spec.failOnClientHostLoss,
  });
}
