import { l10n, LanguageModelTextPart, LanguageModelToolResult, lm, type CancellationToken, type Disposable } from 'vscode';
import { HumanError } from '../../core/errors.js';
import { phaseOf } from '../../core/run/model.js';
import { compareSaved } from '../../history/savedComparison.js';
import type { RunStore } from '../../history/store.js';
import { maximumComparedRuns } from '../panels/comparisonPanel.js';
import { toolNames } from '../ids.js';
import type { LiveRuns } from './liveRuns.js';

/** Runs listed at most: a model reads the first ones anyway. */
const listedRuns = 50;

/** Read-only tools: they list, show and compare runs. None starts, stops or changes anything. A model may send anything: input that is wrong is answered in a sentence. */
export function registerLanguageModelTools(store: RunStore, live: LiveRuns): Disposable[] {
  return [
    tool(toolNames.listRuns, () => ({
      inProgress: live.all.map((run) => ({ id: run.runId, title: run.title, phase: phaseOf(run.model) ?? null })),
      total: store.list().length,
      runs: store.list().slice(0, listedRuns),
    })),
    tool(toolNames.getRun, (input) => {
      const id = store.resolve(textOf(input['runId'], 'runId'));
      const { spec, facts, summary, plan, name, tags, startedAt } = store.read(id);
      const now = live.get(id)?.model.last;
      return { id, name, tags, startedAt, spec, facts, summary, walls: plan?.walls, largestFit: plan?.largestFit, now };
    }),
    tool(toolNames.compareRuns, async (input) => {
      const { runIds } = input;
      if (!Array.isArray(runIds) || runIds.length < 2 || runIds.length > maximumComparedRuns) {
        throw new HumanError(l10n.t('"runIds" must be a list of {0} to {1} ids of runs.', 2, maximumComparedRuns), { code: 'usage', remedy: whereIdsAre() });
      }
      const ids = runIds.map((id: unknown) => store.resolve(textOf(id, 'runIds')));
      return (await compareSaved(store, ids)).comparison;
    }),
  ];
}

/** One tool that answers JSON. What is thrown here reaches the model as the message of the error: the sentence and its remedy. */
function tool(name: string, answer: (input: Readonly<Record<string, unknown>>) => unknown): Disposable {
  return lm.registerTool<unknown>(name, {
    invoke: async ({ input }, token: CancellationToken) => {
      try {
        const value = await answer(typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {});
        if (token.isCancellationRequested) return new LanguageModelToolResult([]);
        return new LanguageModelToolResult([new LanguageModelTextPart(JSON.stringify(value))]);
      } catch (error) {
        throw error instanceof HumanError ? new Error(error.text, { cause: error }) : error;
      }
    },
  });
}

function textOf(value: unknown, field: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw new HumanError(l10n.t('"{0}" must hold the id of a run, or "last".', field), { code: 'usage', remedy: whereIdsAre() });
}

function whereIdsAre(): string {
  return l10n.t('The tool {0} lists them.', toolNames.listRuns);
}
