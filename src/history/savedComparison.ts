import { type ComparedRun, compareRuns } from '../core/figures/compare.js';
import { lineOf } from '../core/run/line.js';
import type { Comparison } from '../protocol/comparison.js';
import type { Sample } from '../protocol/events.js';
import type { PanelEntry } from '../protocol/panel.js';
import { unreadableText } from './exchange.js';
import { type ReportFormat, reportText } from './report.js';
import type { RunStore } from './store.js';

/** Orders of one run that are named where runs are compared: more would be no line any more. */
const maximumOrders = 20;
/** Events that a report lists: more is the file of events, which is beside it. */
const maximumEntries = 300;

export interface SavedComparison {
  comparison: Comparison;
  compared: (ComparedRun & { entries: PanelEntry[] })[];
  /** A sentence for each run of which something could not be read. */
  notes: string[];
}

/** Saved runs beside the first of them, the same wherever it is shown: panel, terminal, language model. Repetitions in the store give the noise band. */
export async function compareSaved(store: RunStore, ids: readonly string[]): Promise<SavedComparison> {
  const notes: string[] = [];
  const compared = await Promise.all(
    ids.map(async (id) => {
      const read = await readCompared(store, id);
      if (read.unreadableLines > 0) notes.push(`${id}: ${unreadableText(read.unreadableLines)}`);
      return read;
    }),
  );
  return { comparison: compareRuns(compared, store.summaries()), compared, notes };
}

async function readCompared(store: RunStore, id: string): Promise<SavedComparison['compared'][number] & { unreadableLines: number }> {
  const samples: Sample[] = [];
  const orders: string[] = [];
  const entries: PanelEntry[] = [];
  const { unreadableLines } = await store.eachEvent(id, (event) => {
    if (event.type === 'sample') samples.push(event);
    else if (event.type === 'order' && event.state === 'accepted' && orders.length < maximumOrders) orders.push(event.text);
    if (event.type === 'sample' || entries.length === maximumEntries) return;
    const line = lineOf(event);
    if (line !== undefined && line.level !== 'debug') entries.push(line);
  });
  return { run: store.read(id), samples, orders, entries, unreadableLines };
}

/** The report of saved runs, the same from VS Code and from the terminal: several of them are compared, too. */
export async function reportSaved(store: RunStore, format: ReportFormat, ids: readonly string[]): Promise<string> {
  const { comparison, compared } = await compareSaved(store, ids);
  return reportText(format, compared, ids.length > 1 ? comparison : undefined);
}
