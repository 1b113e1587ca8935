import { runTitle } from '../../core/run/model.js';
import { text } from '../../core/texts.js';
import type { RunStore } from '../../history/store.js';
import type { PanelEntry, PanelRun, SampleColumns } from '../../protocol/panel.js';
import { panelRunOf } from './panelRun.js';

/** A run from disk as its panel shows it. */
export async function readRunView(store: RunStore, runId: string): Promise<{ run: PanelRun; samples: SampleColumns; entries: PanelEntry[] }> {
  const saved = store.read(runId);
  const { model, samples } = await store.fold(saved);
  const { spec, startedAt, summary } = saved;
  const linkText = summary === undefined ? text('This run has no summary: it was interrupted, or it is followed by another window.') : undefined;
  const shown = { title: saved.name ?? runTitle(spec), tags: saved.tags, link: 'saved', linkText } as const;
  return { run: panelRunOf({ ...model, startedAt, summary: summary ?? model.summary }, shown), samples, entries: [...model.lines] };
}
