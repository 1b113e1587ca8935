import { LanguageModelTextPart, LanguageModelToolResult, lm, type Disposable } from 'vscode';
import { compareRuns } from '../core/compare.js';
import type { RunStore } from '../history/store.js';
import type { LiveRuns } from './liveRuns.js';

/** Runs listed at most: a model reads the first ones anyway. */
const listedRuns = 50;

/** Read-only tools: they list, show and compare runs. None starts, stops or changes anything. */
export function registerLanguageModelTools(store: RunStore, live: LiveRuns): Disposable[] {
  const result = (value: unknown): LanguageModelToolResult => new LanguageModelToolResult([new LanguageModelTextPart(JSON.stringify(value))]);
  return [
    lm.registerTool<Record<string, never>>('c10m_list_runs', {
      invoke: () => result({ inProgress: live.all.map((run) => run.runId), runs: store.list().slice(0, listedRuns) }),
    }),
    lm.registerTool<{ runId: string }>('c10m_get_run', {
      invoke: ({ input }) => {
        const id = store.resolve(input.runId);
        const { spec, facts, summary, plan, name, tags, startedAt } = store.read(id);
        const running = live.get(id);
        return result({ id, name, tags, startedAt, spec, facts, summary, walls: plan?.walls, largestFit: plan?.largestFit, now: running?.view.run.last });
      },
    }),
    lm.registerTool<{ runIds: string[] }>('c10m_compare_runs', {
      invoke: async ({ input }) => {
        const ids = input.runIds.slice(0, 8).map((id) => store.resolve(id));
        return result(compareRuns(await Promise.all(ids.map(async (id) => ({ run: store.read(id), samples: await store.samples(id) })))));
      },
    }),
  ];
}
