import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { plainLine, settingCommand } from '../core/foreignText.js';
import { exitCodes, HumanError, messageOf } from '../core/errors.js';
import { wallText } from '../core/figures/resultTexts.js';
import { formatThresholdValue } from '../core/figures/thresholds.js';
import type { RunSpec } from '../protocol/spec.js';
import { encodeLine } from '../protocol/lines.js';
import { judgeRun } from '../core/verdict.js';
import { newRun } from '../run/newRun.js';
import { notSaved, type RunHandle } from '../run/runHandle.js';
import { dependenciesOf } from './environment.js';
import { junitText } from './junit.js';
import { LiveView } from './liveView.js';
import { MetricsFile } from './metricsFile.js';
import { parseCommand, specFrom } from './options.js';
import { obeyLines } from './orders.js';
import { PlainView } from './plainView.js';
import { summaryText } from './summaryText.js';
import { onOutputClosed, print, printError } from './output.js';
import { canRedraw } from './screen.js';

/** `c10m run`: one run from the plan to the summary. Returns its exit code. */
export async function run(args: string[]): Promise<number> {
  const { values, given, positionals } = parseCommand('run', args);
  if (positionals.length > 1)
    throw new HumanError(`c10m run takes one profile, but got ${positionals.length} names: ${positionals.join(' ')}.`, { code: 'usage' });
  const spec = specFrom(given, positionals[0]);
  const abort = new AbortController();
  const json = values.json === true;
  const view = json
    ? undefined
    : canRedraw(process.stdout.isTTY, process.env.TERM) && values.orders !== true && values.plain !== true
      ? new LiveView()
      : new PlainView();
  const controller = newRun(
    dependenciesOf(values, abort.signal, (text) => view?.progress(text)),
    spec,
  );
  if (values.junit !== undefined) checkWritable(values.junit, '--junit');
  const metricsFile = values['metrics-file'] === undefined ? undefined : metricsFileOf(values['metrics-file'], controller.state.runId, spec.host);
  controller.onEvent((event) => {
    if (event.type === 'sample') metricsFile?.write(event);
    if (json && event.type !== 'link' && event.type !== 'saving') print(encodeLine(event));
  });
  const releaseSignals = followSignals(controller, abort);
  const stop = () => requestStop(controller, abort);
  view?.begin(controller, stop);
  onOutputClosed(stop);
  const releaseOrders = values.orders === true ? obeyLines(process.stdin, controller, stop, (text) => printError(`c10m: ${text}\n`)) : () => undefined;
  try {
    const summary = await controller.start(abort.signal);
    view?.end();
    if (values.junit !== undefined) writeJunit(values.junit, junitText(summary, spec));
    if (!json) print(summaryText(controller.state, controller.directory));
    for (const line of problemLines(summary, spec)) printError(`c10m: ${line}\n`);
    const unsaved = notSaved(controller);
    if (unsaved !== undefined) printError(`c10m: ${unsaved.message}\n      ${unsaved.remedy ?? ''}\n`);
    // What is worse for the host comes first.
    const { exitCode } = judgeRun(summary, spec);
    return exitCode === exitCodes.done ? (unsaved?.exitCode ?? exitCode) : exitCode;
  } catch (error) {
    view?.end();
    if (error instanceof HumanError && abort.signal.aborted) return exitCodes.interrupted;
    throw error;
  } finally {
    view?.end();
    releaseOrders();
    releaseSignals();
  }
}

/** Written once before anything begins, so that a path that cannot be written is told at once. */
function metricsFileOf(path: string, run: string, hostName: string): MetricsFile {
  const file = new MetricsFile(path, { run, host: hostName }, (text) => printError(`c10m: ${text}\n`));
  try {
    file.create();
  } catch (error) {
    throw cannotBeWritten(path, '--metrics-file', error);
  }
  return file;
}

/** A path that cannot be written is told before anything begins, not after hours. What is there stays until the run has ended. */
function checkWritable(path: string, option: string): void {
  const isNew = !existsSync(path);
  try {
    appendFileSync(path, '');
    if (isNew) rmSync(path);
  } catch (error) {
    throw cannotBeWritten(path, option, error);
  }
}

function cannotBeWritten(path: string, option: string, cause: unknown): HumanError {
  return new HumanError(`${path} cannot be written: ${messageOf(cause)}.`, { code: 'usage', remedy: `Nothing was started; choose another ${option}.`, cause });
}

/** The run is saved; its result must not be lost for a full disk. */
function writeJunit(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    printError(`c10m: ${path} could not be written: ${messageOf(error)}. The run itself is saved.\n`);
  }
}

function byHand({ key, original }: { key: string; original: string }): string {
  // A run over several hosts names the host before the key.
  const command = settingCommand(key.slice(key.lastIndexOf(' ') + 1), original);
  return command === undefined ? '' : ` Set it with: ${command}`;
}

/** What stderr says of a run that is not simply done. */
function problemLines(summary: Awaited<ReturnType<RunHandle['start']>>, spec: RunSpec): string[] {
  const lines: string[] = [];
  const { verdict } = judgeRun(summary, spec);
  if (verdict === 'targetNotReached') {
    const wall = summary.walls[0];
    lines.push(wall === undefined ? `The target was not reached. ${summary.reason ?? ''}` : `The target was not reached: ${wallText(wall)}`);
  } else if (summary.reason !== undefined) lines.push(summary.reason);
  if (verdict === 'incomplete' || (verdict === 'hostNotRestored' && !summary.keys.some(({ outcome }) => outcome === 'refused')))
    lines.push('It is not known that the host was restored. Look, and restore it, with: c10m host restore');
  for (const key of summary.keys)
    if (key.outcome === 'refused')
      lines.push(`${plainLine(key.key)} could not be put back: it is ${plainLine(key.now ?? 'unreadable')}, it was ${plainLine(key.original)}.${byHand(key)}`);
  for (const threshold of summary.thresholds)
    if (!threshold.passed) lines.push(`The threshold ${threshold.expression} does not hold: it is ${formatThresholdValue(threshold)}.`);
  return lines;
}

function requestStop(controller: RunHandle, abort: AbortController): void {
  if (abort.signal.aborted) controller.stop('Interrupted.');
  else abort.abort();
}

/** Ctrl-C, SIGTERM and SIGHUP stop the run, which drains and restores; a second Ctrl-C says what is still going on. */
function followSignals(controller: RunHandle, abort: AbortController): () => void {
  let count = 0;
  const onSignal = () => {
    count++;
    if (count === 1) abort.abort();
    else if (count === 2)
      printError(
        `\nc10m: The run is ${controller.state.phase ?? 'starting'}; the host is being put back. Once more leaves it to the host, which ends the run by itself.\n`,
      );
    else process.exit(exitCodes.interrupted);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
  };
}
