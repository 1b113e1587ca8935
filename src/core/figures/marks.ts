import type { PanelEntry } from '../../protocol/panel.js';

/** What happened at a moment of a run, for its charts. */
export interface ChartMark {
  kind: 'phase' | 'order' | 'wall';
  /** Since the run began. */
  seconds: number;
  text: string;
}

/** More marks than this on one chart are a hatching. The latest are kept. */
const maximumMarks = 200;

/** Phases from the ramp on, orders as they were given, and walls, from the list of events. */
export function marksOf(entries: readonly Pick<PanelEntry, 'kind' | 't' | 'text'>[]): ChartMark[] {
  return entries
    .flatMap(({ kind, t, text }): ChartMark[] => {
      if (kind === 'phase') return /^(ramping|holding|draining)/.test(text) ? [{ kind, seconds: t / 1_000, text }] : [];
      if (kind === 'order') return text.endsWith(': accepted') ? [{ kind, seconds: t / 1_000, text: text.replace(/: accepted$/, '') }] : [];
      return kind === 'wall' ? [{ kind, seconds: t / 1_000, text }] : [];
    })
    .slice(-maximumMarks);
}
