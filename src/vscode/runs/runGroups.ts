import { text } from '../../core/texts.js';
import { verdictWord } from '../../core/verdict.js';
import type { RunListEntry } from '../../history/runIndex.js';

export type Grouping = 'day' | 'host';

/** A group of the tree Runs. */
export interface RunGroup {
  key: string;
  /** ISO day, or the name of the host; `pinned` for the first group. */
  kind: 'pinned' | Grouping;
  entries: RunListEntry[];
}

/** Words that must all be found in a run's title, host, tags, verdict, protocol or id. */
export function matchesFilter(entry: RunListEntry, title: string, filter: string): boolean {
  const words = [
    title,
    entry.host === 'local' ? `${text('this machine')} local` : entry.host,
    ...entry.tags,
    verdictWord(entry.result ?? 'incomplete'),
    entry.protocol,
    entry.engine,
    entry.id,
  ]
    .join(' ')
    .toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => words.includes(word));
}

/** Groups runs; pinned ones come first in a group of their own. `entries` are newest first, and stay so within a group. */
export function groupRuns(entries: readonly RunListEntry[], grouping: Grouping, dayOf: (isoTime: string) => string): RunGroup[] {
  const pinned: RunGroup = { key: 'pinned', kind: 'pinned', entries: [] };
  const groups = new Map<string, RunGroup>();
  for (const entry of entries) {
    if (entry.pinned) {
      pinned.entries.push(entry);
      continue;
    }
    const key = entry.state === 'unreadable' ? '' : grouping === 'host' ? entry.host : dayOf(entry.startedAt);
    const group = groups.get(key) ?? { key, kind: grouping, entries: [] };
    group.entries.push(entry);
    groups.set(key, group);
  }
  const sorted = [...groups.values()];
  // Days by themselves, the latest first: the id of an imported run need not sort as its time does.
  sorted.sort((a, b) => (grouping === 'host' ? a.key.localeCompare(b.key) : b.key.localeCompare(a.key)));
  // What cannot be read comes last, whatever its id says.
  sorted.sort((a, b) => Number(a.key === '') - Number(b.key === ''));
  return pinned.entries.length > 0 ? [pinned, ...sorted] : sorted;
}

/** The local day of an ISO time, as YYYY-MM-DD; empty when it is none. */
export function localDay(isoTime: string): string {
  const date = new Date(isoTime);
  if (Number.isNaN(date.getTime())) return '';
  const pad = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}
