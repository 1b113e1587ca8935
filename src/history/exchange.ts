import { closeSync, existsSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatCountOf } from '../core/units.js';
import { HumanError, messageOf } from '../core/errors.js';
import { replaceFile, writeAll } from '../files/durableFile.js';
import { NotRegular, openRegular } from '../files/regularFile.js';
import type { RunFile } from '../protocol/result.js';
import { labelsFileName } from './labels.js';
import { eventsFileName, readEvents, readRunFile, runFileName } from './runFiles.js';
import { newRunId, runIdPattern } from './runId.js';

/** Where a run over several hosts keeps what each host said: a store of its own. */
export const partsName = 'hosts';
/** A server host and 64 client hosts. */
const maximumParts = 65;
const chunkBytes = 1024 * 1024;

/** An imported run, and what of it could not be taken over. */
export interface Imported {
  id: string;
  /** Whole sentences for people; none: everything is there. */
  notes: string[];
}

/**
 * Copies an exported directory into a store: the files of a run and of its parts; whatever else lies in a foreign directory stays
 * there, and only regular files are read. The id is kept unless another run has it; a new one sorts by the time of the run.
 * Throws a HumanError; nothing is then in the store.
 */
export async function importRun(source: string, store: string): Promise<Imported> {
  if (statSync(source, { throwIfNoEntry: false })?.isDirectory() !== true) throw new HumanError(`${source} is not a directory.`, { code: 'usage' });
  const run = readRunFile(source);
  const id = runIdPattern.test(run.id) && !existsSync(join(store, run.id)) ? run.id : newRunId(timeOf(run));
  const notes: string[] = [];
  await inNewDirectory(join(store, id), async (target) => {
    const { unreadableLines } = await readEvents(source, () => undefined);
    if (unreadableLines > 0) notes.push(unreadableText(unreadableLines));
    copyFiles(source, target, [eventsFileName, labelsFileName]);
    replaceFile(join(target, runFileName), `${JSON.stringify({ ...run, id }, undefined, 1)}\n`);
    notes.push(...(await importParts(join(source, partsName), join(target, partsName))));
  });
  return { id, notes };
}

/** Copies the directory of a run to `target`, which must not exist yet. Throws a HumanError; nothing is then left there. */
export async function exportRun(directory: string, target: string): Promise<void> {
  readRunFile(directory);
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined)
    throw new HumanError(`${target} exists already.`, { code: 'usage', remedy: 'Choose another name; nothing was overwritten.' });
  await inNewDirectory(target, (copy) => {
    copyFiles(directory, copy, [runFileName, eventsFileName, labelsFileName]);
    for (const part of partsOf(join(directory, partsName))) {
      mkdirSync(join(copy, partsName, part), { recursive: true, mode: 0o700 });
      copyFiles(join(directory, partsName, part), join(copy, partsName, part), [runFileName, eventsFileName, labelsFileName]);
    }
    return Promise.resolve();
  });
}

/** What is said of lines that are no events. */
export function unreadableText(lines: number): string {
  return `${formatCountOf(lines, 'line')} of ${eventsFileName} could not be read: what ${lines === 1 ? 'it' : 'they'} said is missing.`;
}

/** The parts of a run over several hosts. One that is damaged is left out, and named: the merged run is whole without it. */
async function importParts(source: string, target: string): Promise<string[]> {
  const notes: string[] = [];
  for (const part of partsOf(source)) {
    try {
      const imported = await importRun(join(source, part), target);
      notes.push(...imported.notes.map((note) => `${part}: ${note}`));
    } catch (error) {
      if (!(error instanceof HumanError)) throw error;
      notes.push(`The part ${part} was left out: ${error.message}`);
    }
  }
  return notes;
}

/** Names of the parts below a directory. A link is not followed. */
function partsOf(directory: string): string[] {
  if (lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && runIdPattern.test(entry.name))
    .slice(0, maximumParts)
    .map(({ name }) => name);
}

/** Fills a directory beside its place and renames it when it is whole, so that a run is never half there. */
async function inNewDirectory(target: string, fill: (directory: string) => Promise<void>): Promise<void> {
  const temporary = join(dirname(target), `.incomplete-${process.pid}-${Date.now()}`);
  try {
    mkdirSync(temporary, { recursive: true, mode: 0o700 });
    await fill(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (error instanceof HumanError) throw error;
    throw new HumanError(`${target} could not be written: ${messageOf(error)}.`, { code: 'usage', remedy: 'Nothing is left there.', cause: error });
  }
}

/** Copies those of the files that are there. Throws a HumanError for one that is no regular file. */
function copyFiles(source: string, target: string, names: readonly string[]): void {
  for (const name of names) {
    try {
      copyRegular(join(source, name), join(target, name));
    } catch (error) {
      if (error instanceof NotRegular)
        throw new HumanError(`${name} in ${source} ${error.message}; it was not copied.`, {
          code: 'usage',
          remedy: 'Copy the file itself there.',
          cause: error,
        });
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function copyRegular(source: string, target: string): void {
  const { fd } = openRegular(source);
  try {
    const copy = openSync(target, 'wx', 0o600);
    try {
      const chunk = Buffer.alloc(chunkBytes);
      for (let count = readSync(fd, chunk); count > 0; count = readSync(fd, chunk)) writeAll(copy, chunk.subarray(0, count));
      fsyncSync(copy);
    } finally {
      closeSync(copy);
    }
  } finally {
    closeSync(fd);
  }
}

function timeOf(run: RunFile): Date {
  const startedAt = new Date(run.startedAt);
  return Number.isNaN(startedAt.getTime()) ? new Date() : startedAt;
}
