import type { ForeignEvidence } from '../../protocol/events.js';
import type { Answer, WorkerStats } from '../../protocol/worker.js';

/** Different answers in one sample. */
const toldAnswers = 6;

interface EvidentWorker {
  role: 'server' | 'client';
  stats: WorkerStats | undefined;
  program?: string | undefined;
}

/** What a server of the user said and did, of all workers together; undefined while there is nothing. */
export function foreignEvidence(workers: readonly EvidentWorker[]): ForeignEvidence | undefined {
  const evidence: ForeignEvidence = {};
  const answers = new Map<string, Answer>();
  const lifetimes: Record<string, number> = {};
  for (const { role, stats, program } of workers) {
    if (program !== undefined) evidence.program = program;
    if (stats === undefined) continue;
    if (role === 'server' && stats.upstream !== undefined && stats.upstream > 0) evidence.upstream = (evidence.upstream ?? 0) + stats.upstream;
    if (stats.notEchoed !== undefined) evidence.notEchoed = (evidence.notEchoed ?? 0) + stats.notEchoed;
    if (stats.keepAlive !== undefined && stats.keepAlive.sent > 0) {
      const { sent, answered, unanswered } = stats.keepAlive;
      const before = evidence.keepAlive ?? { sent: 0, answered: 0, unanswered: 0 };
      evidence.keepAlive = { sent: before.sent + sent, answered: before.answered + answered, unanswered: before.unanswered + unanswered };
    }
    for (const answer of stats.answers ?? []) {
      const key = `${answer.when}\n${answer.text}`;
      const known = answers.get(key);
      if (known === undefined) answers.set(key, { ...answer });
      else known.count += answer.count;
    }
    for (const [bucket, count] of Object.entries(stats.lifetimes ?? {})) lifetimes[bucket] = (lifetimes[bucket] ?? 0) + count;
  }
  if (answers.size > 0) evidence.answers = [...answers.values()].sort((a, b) => b.count - a.count).slice(0, toldAnswers);
  if (Object.keys(lifetimes).length > 0) evidence.lifetimes = lifetimes;
  return Object.keys(evidence).length === 0 ? undefined : evidence;
}
