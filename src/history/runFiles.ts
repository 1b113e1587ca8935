import { closeSync, createReadStream, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { harmless, parseForeign } from '../core/foreignText.js';
import { join } from 'node:path';
import * as v from 'valibot';
import { HumanError } from '../core/errors.js';
import { judgedSummary } from '../core/figures/summary.js';
import { LineSplitter } from '../protocol/lines.js';
import { type RunEvent, runEventSchema, sampleSchema } from '../protocol/events.js';
import { quickCheck } from '../protocol/quickCheck.js';
import { type SavedRun, savedRunSchema } from '../protocol/result.js';

export const runFileName = 'run.json';
export const eventsFileName = 'events.ndjson';

/** Writes a file so that a reader sees the old or the new text whole: a temporary file, fsync, rename. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

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

/** A run of hours has tens of megabytes: fewer turns of the event loop than with the default of 64 KiB. */
const chunkBytes = 1024 * 1024;

/** All events of a run in order. A torn last line and lines that are no event are counted, not thrown. */
export async function readEvents(directory: string, onEvent: (event: RunEvent) => void): Promise<{ unreadableLines: number }> {
  let unreadableLines = 0;
  const splitter = new LineSplitter(
    (line) => {
      if (line.trim() === '') return;
      const event = parseEvent(line);
      if (event === undefined) unreadableLines++;
      else onEvent(event);
    },
    () => unreadableLines++,
  );
  try {
    for await (const chunk of createReadStream(join(directory, eventsFileName), { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>) splitter.push(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  splitter.end();
  return { unreadableLines };
}

/** Nearly all lines of a long run are samples. */
const isSurelySample = quickCheck(sampleSchema);

function parseEvent(line: string): RunEvent | undefined {
  const value = parseForeign(line);
  if (isSurelySample(value)) return value as RunEvent;
  const result = v.safeParse(runEventSchema, value);
  return result.success ? result.output : undefined;
}
