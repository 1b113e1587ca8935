import { sameValue } from '../../core/plan/sysctls.js';
import type { PlannedSysctl } from '../../protocol/plan.js';
import { Journal, type JournalEntry } from './journal.js';
import type { SysctlFiles } from '../../linux/sysctlFiles.js';

/** How the change of one key went. */
export interface AppliedKey {
  key: string;
  scope: PlannedSysctl['scope'];
  from: string;
  to: string;
  outcome: 'applied' | 'refused';
  detail?: string;
}

export interface TuningResult {
  applied: AppliedKey[];
  journal: Journal | undefined;
}

/**
 * Sets the plan's keys. Keys of the run's own namespace are just written: they vanish with it. Global keys go through the
 * journal. A refused key is reported, never thrown: the plan is made again with the limit that really holds.
 */
export function applyTuning(planned: readonly PlannedSysctl[], sysctls: SysctlFiles, journalOf: { path: string; runId: string; bootId: string }): TuningResult {
  const applied = planned.filter((key) => key.scope === 'netns').map((key) => applyKey(key, sysctls).result);
  const entries = journalEntries(planned, sysctls);
  if (entries.length === 0) return { applied, journal: undefined };
  let journal: Journal;
  try {
    journal = Journal.create(journalOf.path, journalOf.runId, journalOf.bootId, entries);
  } catch (error) {
    const detail = `the journal of the originals cannot be written (${(error as Error).message})`;
    for (const entry of entries) applied.push({ key: entry.key, scope: 'global', from: entry.original, to: entry.ours, outcome: 'refused', detail });
    return { applied, journal: undefined };
  }
  for (const key of planned.filter((candidate) => candidate.scope === 'global')) {
    const { result, held } = applyKey(key, sysctls);
    applied.push(result);
    if (result.outcome === 'refused') journal.forget(key.key);
    else if (held !== undefined) journal.recordHeld(key.key, held);
  }
  return { applied, journal };
}

function journalEntries(planned: readonly PlannedSysctl[], sysctls: SysctlFiles): JournalEntry[] {
  return planned.flatMap((key) => {
    const original = key.scope === 'global' ? sysctls.read(key.key) : undefined;
    return original === undefined ? [] : [{ key: key.key, original, ours: key.target }];
  });
}

function applyKey(key: PlannedSysctl, sysctls: SysctlFiles): { result: AppliedKey; held?: string } {
  const from = sysctls.read(key.key) ?? '';
  const base = { key: key.key, scope: key.scope, from, to: key.target };
  try {
    sysctls.write(key.key, key.target);
  } catch (error) {
    return { result: { ...base, outcome: 'refused', detail: (error as Error).message } };
  }
  const held = sysctls.read(key.key);
  if (held === undefined) return { result: { ...base, outcome: 'refused', detail: 'it cannot be read back' } };
  if (sameValue(key.key, held, key.target)) return { result: { ...base, outcome: 'applied' }, held };
  const isUnchanged = sameValue(key.key, held, from);
  return { result: { ...base, outcome: isUnchanged ? 'refused' : 'applied', detail: `it holds ${held}` }, held };
}
