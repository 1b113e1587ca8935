import { type ComparedRun, compareRuns } from '../core/figures/compare.js';
import type { Comparison } from '../protocol/comparison.js';
import { type ReportFormat, reportText } from './report.js';
import type { RunStore } from './store.js';

/** Saved runs beside the first of them, the same wherever it is shown: panel, terminal, language model. Repetitions in the store give the noise band. */
export async function compareSaved(store: RunStore, ids: readonly string[]): Promise<{ comparison: Comparison; compared: ComparedRun[] }> {
  const compared = await Promise.all(ids.map(async (id) => ({ run: store.read(id), samples: await store.samples(id) })));
  return { comparison: compareRuns(compared, store.summaries()), compared };
}

/** The report of saved runs, the same from VS Code and from the terminal: several of them are compared, too. */
export async function reportSaved(store: RunStore, format: ReportFormat, ids: readonly string[]): Promise<string> {
  const { comparison, compared } = await compareSaved(store, ids);
  return reportText(format, compared, ids.length > 1 ? comparison : undefined);
}
