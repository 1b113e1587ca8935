import type { ForeignEvidence } from '../../protocol/events.js';

/** Different answers of a server that are kept in a sample. */
const keptAnswers = 6;

/** What a server of the user said and did, as several workers or hosts saw it; undefined while there is nothing. */
export function mergeForeign(parts: readonly ForeignEvidence[]): ForeignEvidence | undefined {
  const merged: ForeignEvidence = {};
  const answers = new Map<string, NonNullable<ForeignEvidence['answers']>[number]>();
  for (const { program, upstream, notEchoed, keepAlive, answers: said = [], lifetimes = {} } of parts) {
    if (program !== undefined) merged.program = program;
    if (upstream !== undefined) merged.upstream = (merged.upstream ?? 0) + upstream;
    if (notEchoed !== undefined) merged.notEchoed = (merged.notEchoed ?? 0) + notEchoed;
    if (keepAlive !== undefined) {
      const before = merged.keepAlive ?? { sent: 0, answered: 0, unanswered: 0 };
      merged.keepAlive = {
        sent: before.sent + keepAlive.sent,
        answered: before.answered + keepAlive.answered,
        unanswered: before.unanswered + keepAlive.unanswered,
      };
    }
    for (const answer of said) {
      const key = `${answer.when}\n${answer.text}`;
      const known = answers.get(key);
      if (known === undefined) answers.set(key, { ...answer });
      else known.count += answer.count;
    }
    for (const [bucket, count] of Object.entries(lifetimes)) {
      merged.lifetimes ??= {};
      merged.lifetimes[bucket] = (merged.lifetimes[bucket] ?? 0) + count;
    }
  }
  if (answers.size > 0) merged.answers = [...answers.values()].sort((a, b) => b.count - a.count).slice(0, keptAnswers);
  return Object.keys(merged).length === 0 ? undefined : merged;
}
