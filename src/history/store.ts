import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HumanError, messageOf } from '../core/errors.js';
import { replaceFile } from '../files/durableFile.js';
import type { RunEvent, Sample } from '../protocol/events.js';
import type { SavedRun } from '../protocol/result.js';
import { eventsFileName, readEvents, readRunFile, runFileName } from './runFiles.js';
import { newRunId, runIdPattern } from './runId.js';
import { listRuns, type RunListEntry } from './runIndex.js';
import { RunWriter } from './runWriter.js';

/** A deleted run can be brought back until the trash is emptied: after this long, at the next deletion. */
const trashKeptMs = 24 * 60 * 60 * 1000;
/** A run that goes on saves a sample at least once a minute (the longest ones; others each second), a lost link apart. */
const silenceOfAnEndedRunMs = 90_000;
/** Where a run over several hosts keeps what each host told: a store of its own. */
export const partsName = 'hosts';
/** A server host and 64 client hosts. */
const maximumParts = 65;
const trashName = '.trash';

/** The runs of one directory: each in `<directory>/<id>/` with `run.json` and `events.ndjson`. */
export class RunStore {
  constructor(readonly directory: string) {}

  pathOf(id: string): string {
    if (!runIdPattern.test(id)) throw new HumanError(`"${id}" is not the id of a run.`, { code: 'usage', remedy: 'List them with: c10m runs list' });
    return join(this.directory, id);
  }

  /** Makes the directory of a new run, or continues that of a run to which a window has come back. */
  create(run: SavedRun): RunWriter {
    const directory = this.pathOf(run.id);
    try {
      return new RunWriter(directory, run);
    } catch (error) {
      const reason = messageOf(error);
      throw new HumanError(`The run cannot be saved in ${directory}: ${reason}. Nothing was started.`, {
        code: 'usage',
        remedy: 'Make room, or choose another directory with --runs DIR.',
        cause: error,
      });
    }
  }

  list(): RunListEntry[] {
    return listRuns(this.directory);
  }

  /** The id that `text` means: an id, its unique beginning or end, or `last`. */
  resolve(text: string): string {
    const ids = this.list().map((entry) => entry.id);
    if (text === 'last' && ids[0] !== undefined) return ids[0];
    const matches = ids.includes(text) ? [text] : ids.filter((id) => id.startsWith(text) || id.endsWith(text));
    if (matches.length === 1) return matches[0]!;
    const problem = matches.length === 0 ? `There is no run "${text}" in ${this.directory}.` : `"${text}" means ${matches.length} runs.`;
    throw new HumanError(problem, { code: 'usage', remedy: 'List them with: c10m runs list' });
  }

  read(id: string): SavedRun {
    return { ...readRunFile(this.pathOf(id)), id };
  }

  /** The newest readable runs with a summary, for the noise of repetitions: at most `limit` of them are read. */
  summaries(limit = 200): SavedRun[] {
    return this.list()
      .filter((entry) => entry.state === 'ok' && entry.verdict !== undefined)
      .slice(0, limit)
      .map((entry) => this.read(entry.id));
  }

  /** Passes on all events of a run in order. Those of twelve hours are 50 MB: whoever can, takes them in one by one. */
  async eachEvent(id: string, onEvent: (event: RunEvent) => void): Promise<void> {
    await readEvents(this.pathOf(id), onEvent);
  }

  async events(id: string): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    await this.eachEvent(id, (event) => events.push(event));
    return events;
  }

  async samples(id: string): Promise<Sample[]> {
    const samples: Sample[] = [];
    await readEvents(this.pathOf(id), (event) => {
      if (event.type === 'sample') samples.push(event);
    });
    return samples;
  }

  /** Changes what a person gave to a run: its name (undefined or empty: none), its tags, whether it is pinned. */
  update(id: string, changes: { name?: string | undefined; tags?: string[]; pinned?: boolean }): SavedRun {
    const run: SavedRun = {
      ...this.read(id),
      ...(changes.tags === undefined ? {} : { tags: changes.tags }),
      ...(changes.pinned === undefined ? {} : { pinned: changes.pinned }),
    };
    if ('name' in changes) {
      if (changes.name === undefined || changes.name.trim() === '') delete run.name;
      else run.name = changes.name.trim();
    }
    replaceFile(join(this.pathOf(id), runFileName), `${JSON.stringify(run, undefined, 1)}\n`);
    return run;
  }

  /** Moves a run to the store's trash; the returned function brings it back. Throws a HumanError for one that is still going on. */
  remove(id: string): () => void {
    const path = this.pathOf(id);
    if (!existsSync(path)) throw new HumanError(`There is no run ${id}.`, { code: 'usage' });
    if (isBeingWritten(path)) {
      throw new HumanError(`The run ${id} is still going on, or was a moment ago, here or in another window or terminal; it was not deleted.`, {
        code: 'usage',
        remedy: 'Stop it first, or try again in two minutes.',
      });
    }
    const trash = join(this.directory, trashName);
    mkdirSync(trash, { recursive: true, mode: 0o700 });
    emptyTrash(trash);
    const trashed = join(trash, `${id}.${Date.now()}`);
    renameSync(path, trashed);
    return () => renameSync(trashed, path);
  }

  /** Copies the directory of a run to `target`, which must not exist yet. */
  exportDirectory(id: string, target: string): void {
    const path = this.pathOf(id);
    readRunFile(path);
    if (existsSync(target)) throw new HumanError(`${target} exists already.`, { code: 'usage', remedy: 'Choose another name; nothing was overwritten.' });
    cpSync(path, target, { recursive: true });
  }

  /** Copies an exported directory into the store. Its id is kept unless another run has it; a new one sorts by the time of the run. Returns the id. */
  importDirectory(source: string): string {
    if (statSync(source, { throwIfNoEntry: false })?.isDirectory() !== true) throw new HumanError(`${source} is not a directory.`, { code: 'usage' });
    const run = readRunFile(source);
    const id = runIdPattern.test(run.id) && !existsSync(join(this.directory, run.id)) ? run.id : newRunId(timeOf(run));
    const target = this.pathOf(id);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    // Only the files of a run and of its parts: whatever else lies in a foreign directory stays there.
    if (existsSync(join(source, eventsFileName))) cpSync(join(source, eventsFileName), join(target, eventsFileName));
    importParts(join(source, partsName), join(target, partsName));
    replaceFile(join(target, runFileName), `${JSON.stringify({ ...run, id }, undefined, 1)}\n`);
    return id;
  }
}

/** The parts of a run over several hosts. One that is damaged is left out: the merged run is whole without it. */
function importParts(source: string, target: string): void {
  if (!existsSync(source)) return;
  const store = new RunStore(target);
  for (const name of readdirSync(source).slice(0, maximumParts)) {
    try {
      store.importDirectory(join(source, name));
    } catch (error) {
      if (!(error instanceof HumanError)) throw error;
    }
  }
}

/** Without an end, and with an event that has just been saved: whoever follows the run would lose what comes. */
function isBeingWritten(path: string): boolean {
  try {
    if (readRunFile(path).summary !== undefined) return false;
  } catch {
    // A damaged run has no writer that would mind.
    return false;
  }
  const lastWrite = statSync(join(path, eventsFileName), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - lastWrite < silenceOfAnEndedRunMs;
}

function timeOf(run: SavedRun): Date {
  const startedAt = new Date(run.startedAt);
  return Number.isNaN(startedAt.getTime()) ? new Date() : startedAt;
}

function emptyTrash(trash: string): void {
  for (const name of readdirSync(trash)) {
    const deletedAt = Number(name.slice(name.lastIndexOf('.') + 1));
    if (!(Date.now() - deletedAt < trashKeptMs)) rmSync(join(trash, name), { recursive: true, force: true });
  }
}
