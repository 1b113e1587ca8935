import { readFileSync } from 'node:fs';
import { harmless, parseForeign } from '../core/foreignText.js';
import { join } from 'node:path';
import * as v from 'valibot';
import { HumanError } from '../core/errors.js';
import { judgedSummary } from '../core/figures/summary.js';
import { readLinesInSteps } from '../files/lines.js';
import { type RunEvent, runEventSchema, sampleSchema } from '../protocol/events.js';
import { quickCheck } from '../protocol/quickCheck.js';
import { type SavedRun, savedRunSchema } from '../protocol/result.js';

export const runFileName = 'run.json';
export const eventsFileName = 'events.ndjson';

/** `run.json` of a run's directory. Throws a HumanError that says why it is not one. */
export function readRunFile(directory: string): SavedRun {
  let text: string;
  try {
    text = readFileSync(join(directory, runFileName), 'utf8');
  } catch (error) {
    throw new HumanError(`There is no ${runFileName} in ${directory}.`, { cause: error, code: 'usage', remedy: 'It is not the directory of a run.' });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new HumanError(`${runFileName} in ${directory} is not JSON.`, {
      cause: error,
      code: 'usage',
      remedy: 'It was damaged; the events beside it may still be readable.',
    });
  }
  const result = v.safeParse(savedRunSchema, value);
  if (!result.success) {
    const issue = result.issues[0];
    const path = (issue.path ?? []).map((item) => String(item.key)).join('.');
    const where = path === '' ? '' : `${path}: `;
    throw new HumanError(`${runFileName} in ${directory} is not a run: ${where}${issue.message}.`, {
      code: 'usage',
      remedy: 'It was written by another program or a later version.',
    });
  }
  // The spec is run again as it is written; it is cleaned where it leaves.
  const { spec } = result.output;
  const run = harmless({ ...result.output, spec: undefined });
  if (run === undefined) throw new HumanError(`${runFileName} in ${directory} is nested too deep to be a run.`, { code: 'usage' });
  return { ...run, spec, ...(run.summary === undefined ? {} : { summary: judgedSummary(run.summary, spec) }) };
}

/** All events of a run in order. A torn last line and lines that are no event are counted, not thrown. */
export async function readEvents(directory: string, onEvent: (event: RunEvent) => void): Promise<{ unreadableLines: number }> {
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
