import { join } from 'node:path';
import * as v from 'valibot';
import { HumanError } from '../core/errors.js';
import { judgedSummary } from '../core/figures/summary.js';
import { infinitePath } from '../core/finiteNumbers.js';
import { harmless, parseForeign } from '../core/foreignText.js';
import { readLinesInSteps } from '../files/lines.js';
import { NotRegular, readRegular } from '../files/regularFile.js';
import { type RunEvent, runEventSchema, sampleSchema } from '../protocol/events.js';
import { quickCheck } from '../protocol/quickCheck.js';
import { type RunFile, runFileSchema } from '../protocol/result.js';

export const runFileName = 'run.json';
export const eventsFileName = 'events.ndjson';

/** The largest plan has 4 MiB as one line; indented, and with the facts of 64 hosts, it stays far below this. */
const maximumRunFileBytes = 64 * 1024 * 1024;

/** `run.json` of a run's directory, with the verdict as this version judges it. Throws a HumanError that says why it is not one. */
export function readRunFile(directory: string): RunFile {
  const text = readText(directory);
  const damaged = (what: string, remedy: string, cause?: unknown) =>
    new HumanError(`${runFileName} in ${directory} ${what}.`, { cause, code: 'usage', remedy });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged('is not JSON', 'It was damaged; the events beside it may still be readable.', error);
  }
  const infinite = infinitePath(text, value);
  if (infinite !== undefined) throw damaged(`is not a run: ${infinite} is no finite number`, 'It was written by another program.');
  const result = v.safeParse(runFileSchema, value);
  if (!result.success) {
    const issue = result.issues[0];
    const path = (issue.path ?? []).map((item) => String(item.key)).join('.');
    throw damaged(`is not a run: ${path === '' ? '' : `${path}: `}${issue.message}`, 'It was written by another program or a later version.');
  }
  // The spec is run again as it is written; it is cleaned where it leaves.
  const { spec } = result.output;
  const run = harmless({ ...result.output, spec: undefined });
  if (run === undefined) throw damaged('is nested too deep to be a run', 'It was written by another program.');
  return { ...run, spec, ...(run.summary === undefined ? {} : { summary: judgedSummary(run.summary, spec) }) };
}

function readText(directory: string): string {
  try {
    return readRegular(join(directory, runFileName), maximumRunFileBytes).toString('utf8');
  } catch (error) {
    if (error instanceof NotRegular) throw notReadable(directory, runFileName, error);
    throw new HumanError(`There is no ${runFileName} in ${directory}.`, { cause: error, code: 'usage', remedy: 'It is not the directory of a run.' });
  }
}

function notReadable(directory: string, name: string, error: NotRegular): HumanError {
  return new HumanError(`${name} in ${directory} ${error.message}; it was not read.`, { cause: error, code: 'usage', remedy: 'Copy the file itself there.' });
}

/** What of a run's events could not be read. */
export interface EventsRead {
  /** Lines that are no event, that are too long, or torn. */
  unreadableLines: number;
}

/** Passes on all events of a run in order. What is no event is counted, not thrown. Throws a HumanError when the file is none. */
export async function readEvents(directory: string, onEvent: (event: RunEvent) => void): Promise<EventsRead> {
  let unreadableLines = 0;
  const onLine = (line: string): void => {
    if (line.trim() === '') return;
    const event = parseEvent(line);
    if (event === undefined) unreadableLines++;
    else onEvent(event);
  };
  try {
    const { isTorn, overlong } = await readLinesInSteps(join(directory, eventsFileName), onLine);
    return { unreadableLines: unreadableLines + overlong + (isTorn ? 1 : 0) };
  } catch (error) {
    if (error instanceof NotRegular) throw notReadable(directory, eventsFileName, error);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { unreadableLines };
    throw error;
  }
}

/** Nearly all lines of a long run are samples. */
const isSurelySample = quickCheck(sampleSchema);

function parseEvent(line: string): RunEvent | undefined {
  const value = parseForeign(line);
  if (isSurelySample(value)) return value as RunEvent;
  const result = v.safeParse(runEventSchema, value);
  return result.success ? result.output : undefined;
}
