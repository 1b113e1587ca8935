import { exitCodes, HumanError } from '../core/errors.js';
import { judgeRun } from '../core/verdict.js';
import { encodeLine } from '../protocol/lines.js';
import type { Summary } from '../protocol/events.js';
import type { Run } from '../run/run.js';
import { notSaved } from '../run/runRecord.js';
import { onOutputClosed, print, printError } from './output.js';
import { submitLines } from './orders.js';
import type { RunView } from './plainView.js';
import { problemLines } from './problemLines.js';
import { followSignals } from './signals.js';
import { summaryText } from './summaryText.js';

export interface FollowOptions {
  /** Undefined: events as JSON. */
  view: RunView | undefined;
  /** Orders are read from standard input. */
  orders: boolean;
  onSummary?: (summary: Summary) => void;
}

/** Shows a run from its beginning, or from where it is taken up, to its end. Returns the exit code. */
export async function followRun(run: Run, begin: (signal: AbortSignal) => Promise<Summary>, { view, orders, onSummary }: FollowOptions): Promise<number> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  if (view === undefined)
    run.onEvent((event) => {
      if ('seq' in event) print(encodeLine(event));
    });
  const releaseSignals = followSignals(run, abort);
  view?.begin(run, stop);
  onOutputClosed(stop);
  const releaseOrders = orders ? submitLines(process.stdin, run, stop, (text) => printError(`c10m: ${text}\n`)) : () => undefined;
  try {
    const summary = await begin(abort.signal);
    view?.end();
    onSummary?.(summary);
    if (view !== undefined) print(summaryText(run.model, run.directory));
    for (const line of problemLines(summary, run.spec)) printError(`c10m: ${line}\n`);
    const unsaved = notSaved(run);
    if (unsaved !== undefined) printError(`c10m: ${unsaved.text}\n`);
    if (!summary.endSeen) printError(`c10m: When the host can be reached again, fetch the end of the run with: c10m runs follow ${run.id}\n`);
    // What is worse for the host comes first.
    const { exitCode } = judgeRun(summary, run.spec);
    return exitCode === exitCodes.done ? (unsaved?.exitCode ?? exitCode) : exitCode;
  } catch (error) {
    if (error instanceof HumanError && error.code === 'cancelled' && abort.signal.aborted) return exitCodes.interrupted;
    throw error;
  } finally {
    view?.end();
    releaseOrders();
    releaseSignals();
  }
}
