import { comparedFigures } from '../core/figures/comparedFigures.js';
import { worseLines } from '../core/figures/comparisonTexts.js';
import { type ExitCode, exitCodes, HumanError } from '../core/errors.js';
import { nearest } from '../core/nearest.js';
import { compareSaved } from '../history/savedComparison.js';
import type { RunStore } from '../history/store.js';
import type { Comparison } from '../protocol/comparison.js';
import { compareText } from './compareText.js';
import { print, printError } from './output.js';

/** The metrics given by `--metric`. Throws a HumanError (usage) for one that is not compared. */
export function metricIds(given: readonly string[] | undefined): readonly string[] {
  const known = comparedFigures.map(({ id }) => id);
  const unknown = (given ?? []).find((id) => !known.includes(id));
  if (unknown === undefined) return given ?? [];
  const near = nearest(unknown, known);
  throw new HumanError(`--metric is "${unknown}", but must be one of: ${known.join(', ')}.`, {
    code: 'usage',
    ...(near === undefined ? {} : { remedy: `Did you mean ${near}?` }),
  });
}

/** Says on stderr what is worse than in the first run, and returns the exit code of that. */
export function reportWorse(comparison: Comparison, metrics: readonly string[]): ExitCode {
  const lines = worseLines(comparison, metrics);
  for (const line of lines) printError(`c10m: ${line}\n`);
  return lines.length > 0 ? exitCodes.thresholdFailed : exitCodes.done;
}

/** The saved run that `--baseline` names, found before anything begins. Throws a HumanError (usage) when it cannot be compared with. */
export function resolveBaseline(store: RunStore, name: string): string {
  const id = store.resolve(name);
  if (store.read(id).summary === undefined)
    throw new HumanError(`The run ${id} has no summary: nothing can be compared with it. Nothing was started.`, {
      code: 'usage',
      remedy: 'Give --baseline a run that ended.',
    });
  return id;
}

/** Compares a run that has just been saved with its baseline. Returns the exit code of the comparison. */
export async function compareWithBaseline(
  store: RunStore,
  baseline: string,
  runId: string,
  options: { metrics: readonly string[]; quiet: boolean },
): Promise<ExitCode> {
  const { comparison } = await compareSaved(store, [baseline, runId]);
  if (!options.quiet) print(`\n${compareText(comparison)}`);
  return reportWorse(comparison, options.metrics);
}
