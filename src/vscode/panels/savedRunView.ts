import { text } from '../../core/texts.js';
import type { RunStore } from '../../history/store.js';
import { RunView, runTitle } from './runView.js';

/** A run from disk as its panel shows it. Events are taken in as they are read: those of twelve hours are never in memory at once. */
export async function readRunView(store: RunStore, runId: string): Promise<RunView> {
  const run = store.read(runId);
  const { summary, startedAt } = run;
  const view = new RunView({
    runId,
    title: run.name ?? runTitle(run.spec),
    host: run.spec.host,
    startedAt,
    spec: run.spec,
    link: 'saved',
    tags: run.tags,
    facts: run.facts,
    plan: run.plan,
    linkText: summary === undefined ? text('This run has no summary: it was interrupted, or it is followed by another window.') : undefined,
  });
  await store.eachEvent(runId, (event) => view.observe(event));
  view.change({ link: 'saved', startedAt, ...(summary === undefined ? {} : { summary }) });
  return view;
}
