import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { exitCodes, HumanError, messageOf } from '../core/errors.js';
import { RunStore } from '../history/store.js';
import { Run } from '../run/run.js';
import { compareWithBaseline, metricIds, resolveBaseline } from './baseline.js';
import { defaultRunsDirectory, dependenciesOf } from './environment.js';
import { followRun } from './followRun.js';
import { junitText } from './junit.js';
import { LiveView } from './liveView.js';
import { MetricsFile } from './metricsFile.js';
import { parseCommand, specFrom } from './options.js';
import { PlainView, type RunView } from './plainView.js';
import { printError } from './output.js';
import { canRedraw } from './screen.js';

/** `c10m run`: one run from the plan to the summary. Returns its exit code. */
export async function run(args: string[]): Promise<number> {
  const { values, given, positionals } = parseCommand('run', args);
  if (positionals.length > 1)
    throw new HumanError(`c10m run takes one profile, but got ${positionals.length} names: ${positionals.join(' ')}.`, { code: 'usage' });
  const spec = specFrom(given, positionals[0]);
  const metrics = metricIds(values.metric);
  const store = new RunStore(values.runs ?? defaultRunsDirectory());
  const baseline = values.baseline === undefined ? undefined : resolveBaseline(store, values.baseline);
  const view = viewFor({ json: values.json === true, plain: values.plain === true || values.orders === true });
  const dependencies = dependenciesOf(values, (text) => view?.progress(text));
  const started = new Run(dependencies, spec);
  if (values.junit !== undefined) checkWritable(values.junit, '--junit');
  const metricsFile = values['metrics-file'] === undefined ? undefined : metricsFileOf(values['metrics-file'], started.id, spec.host);
  started.onEvent((event) => {
    if (event.type === 'sample') metricsFile?.write(event);
  });
  try {
    const exitCode = await followRun(started, (signal) => started.start(signal), {
      view,
      orders: values.orders === true,
      onSummary: (summary) => {
        metricsFile?.finish(summary.verdict);
        if (values.junit !== undefined) writeJunit(values.junit, junitText(summary, spec));
      },
    });
    if (exitCode !== exitCodes.done || baseline === undefined) return exitCode;
    return await compareWithBaseline(store, baseline, started.id, { metrics, quiet: values.json === true });
  } finally {
    metricsFile?.finish('incomplete');
    await dependencies.pool.dispose();
  }
}

/** How a run is shown in this terminal; undefined: as JSON. */
export function viewFor({ json, plain }: { json: boolean; plain: boolean }): RunView | undefined {
  if (json) return undefined;
  return canRedraw(process.stdout.isTTY, process.env.TERM) && !plain ? new LiveView() : new PlainView();
}

/** Written once before anything begins, so that a path that cannot be written is reported at once. */
function metricsFileOf(path: string, run: string, hostName: string): MetricsFile {
  const file = new MetricsFile(path, { run, host: hostName }, (text) => printError(`c10m: ${text}\n`));
  try {
    file.create();
  } catch (error) {
    throw cannotBeWritten(path, '--metrics-file', error);
  }
  return file;
}

/** A path that cannot be written is reported before anything begins, not after hours. What is there stays until the run has ended. */
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
