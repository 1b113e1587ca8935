import { mergeForeign } from '../../core/figures/foreignEvidence.js';
import type { ForeignEvidence } from '../../protocol/events.js';
import type { WorkerStats } from '../../protocol/worker.js';

interface EvidentWorker {
  role: 'server' | 'client';
  stats: WorkerStats | undefined;
  program?: string | undefined;
}

/** What a server of the user said and did, of all workers together; undefined while there is nothing. */
export function foreignEvidence(workers: readonly EvidentWorker[]): ForeignEvidence | undefined {
  return mergeForeign(workers.map(evidenceOf));
}

function evidenceOf({ role, stats, program }: EvidentWorker): ForeignEvidence {
  const evidence: ForeignEvidence = program === undefined ? {} : { program };
  if (stats === undefined) return evidence;
  const { upstream = 0, notEchoed, keepAlive, answers, lifetimes } = stats;
  if (role === 'server' && upstream > 0) evidence.upstream = upstream;
  if (notEchoed !== undefined) evidence.notEchoed = notEchoed;
  if (keepAlive !== undefined && keepAlive.sent > 0) evidence.keepAlive = keepAlive;
  if (answers !== undefined) evidence.answers = answers;
  if (lifetimes !== undefined) evidence.lifetimes = lifetimes;
  return evidence;
}
