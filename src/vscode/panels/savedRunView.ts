import { rowOf, SampleColumnStore } from '../../core/figures/sampleColumns.js';
import { withChange, newModel, observeEvent, runTitle } from '../../core/run/model.js';
import { text } from '../../core/texts.js';
import { unreadableText } from '../../history/exchange.js';
import type { RunStore } from '../../history/store.js';
import type { RunEvent } from '../../protocol/events.js';
import type { PanelEntry, PanelRun } from '../../protocol/panel.js';
import { panelRunOf } from './panelRun.js';

/** A run from disk as its panel shows it. Events are taken in as they are read: those of twelve hours are never in memory at once. */
export async function readRunView(store: RunStore, runId: string): Promise<{ run: PanelRun; samples: SampleColumnStore; entries: PanelEntry[] }> {
  const saved = store.read(runId);
  const { spec, startedAt, facts, plan, summary } = saved;
  let model = newModel(runId, spec, { facts, plan });
  const samples = new SampleColumnStore();
  const onEvent = (event: RunEvent): void => {
    const change = observeEvent(model, event);
    if (change === undefined) return;
    model = withChange(model, change);
    if (event.type === 'sample') samples.append(rowOf(event));
  };
  let last = { seq: 0, t: 0 };
  const { unreadableLines } = await store.eachEvent(runId, (event) => {
    last = event;
    onEvent(event);
  });
  if (unreadableLines > 0) onEvent({ type: 'log', level: 'warn', text: unreadableText(unreadableLines), seq: last.seq + 1, t: last.t });
  const linkText = summary === undefined ? text('This run has no summary: it was interrupted, or it is followed by another window.') : undefined;
  const shown = { title: saved.name ?? runTitle(spec), tags: saved.tags, link: 'saved', linkText } as const;
  return { run: panelRunOf({ ...model, startedAt, summary: summary ?? model.summary }, shown), samples, entries: [...model.lines] };
}
