import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HumanError, messageOf } from '../core/errors.js';
import type { RunEvent, Sample } from '../protocol/events.js';
import type { RunFile, SavedRun } from '../protocol/result.js';
import { newModel, type RunModel } from '../core/run/model.js';
import { RunFold } from '../core/run/runFold.js';
import type { SampleColumns } from '../protocol/panel.js';
import { exportRun, type Imported, importRun, unreadableText } from './exchange.js';
import { eventsStamp, readFold, writeFold } from './foldCache.js';
import { changeLabels, type LabelChanges, withLabels } from './labels.js';
import { eventsFileName, type EventsRead, readEvents, readRunFile } from './runFiles.js';
import { runIdPattern } from './runId.js';
import { listRuns, type RunListEntry } from './runIndex.js';
import { RunWriter } from './runWriter.js';

/** A deleted run can be brought back until the trash is emptied: after this long, at the next deletion. */
const trashKeptMs = 24 * 60 * 60 * 1000;
/** A run that goes on saves a sample at least once a minute (the longest ones; others each second), a lost link apart. */
const silenceOfAnEndedRunMs = 90_000;
const trashName = '.trash';

/** The runs of one directory: each in `<directory>/<id>/` with `run.json` and `events.ndjson`. */
export class RunStore {
  constructor(readonly directory: string) {}

  pathOf(id: string): string {
    if (!runIdPattern.test(id)) throw new HumanError(`"${id}" is not the id of a run.`, { code: 'usage', remedy: 'List them with: c10m runs list' });
    return join(this.directory, id);
  }

  /** Makes the directory of a new run, or continues that of a run to which a window has come back. */
  create(run: RunFile): RunWriter {
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
    const directory = this.pathOf(id);
    return { ...withLabels(directory, readRunFile(directory)), id };
  }

  /** The newest readable runs with a summary, for the noise of repetitions: at most `limit` of them are read. */
  summaries(limit = 200): SavedRun[] {
    return this.list()
      .filter((entry) => entry.state === 'ok' && entry.verdict !== undefined)
      .slice(0, limit)
      .map((entry) => this.read(entry.id));
  }

  /** Passes on all events of a run in order. Those of twelve hours are 50 MB: whoever can, takes them in one by one. */
  eachEvent(id: string, onEvent: (event: RunEvent) => void): Promise<EventsRead> {
    return readEvents(this.pathOf(id), onEvent);
  }

  async events(id: string): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    await this.eachEvent(id, (event) => events.push(event));
    return events;
  }

  /** The samples of a run, and what of its events could not be read. */
  async samples(id: string): Promise<EventsRead & { samples: Sample[] }> {
    const samples: Sample[] = [];
    const read = await this.eachEvent(id, (event) => {
      if (event.type === 'sample') samples.push(event);
    });
    return { ...read, samples };
  }

  /** A run as it is shown. What its events come to is kept beside them once it is over; they are read again where that does not fit. */
  async fold({ id, spec, facts, plan, summary }: SavedRun): Promise<{ model: RunModel; samples: SampleColumns }> {
    const directory = this.pathOf(id);
    const cached = readFold(directory);
    if (cached !== undefined) return { model: newModel(id, spec, { facts, plan, summary, ...cached.model }), samples: cached.samples };
    const stamp = eventsStamp(directory);
    // Event by event: those of twelve hours are never in memory at once.
    const fold = new RunFold(newModel(id, spec, { facts, plan }));
    const { unreadableLines } = await this.eachEvent(id, (event) => fold.observeEvent(event));
    const { lastSequence, elapsedMs } = fold.model;
    if (unreadableLines > 0) fold.observeEvent({ type: 'log', level: 'warn', text: unreadableText(unreadableLines), seq: lastSequence + 1, t: elapsedMs });
    const known = { model: fold.model, samples: fold.samples.view() };
    if (summary !== undefined) writeFold(directory, known, stamp);
    return known;
  }

  /** Changes what a person gave to a run: its name, its tags, whether it is pinned. */
  update(id: string, changes: LabelChanges): SavedRun {
    const directory = this.pathOf(id);
    const record = readRunFile(directory);
    changeLabels(directory, record, changes);
    return { ...withLabels(directory, record), id };
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
  exportDirectory(id: string, target: string): Promise<void> {
    return exportRun(this.pathOf(id), target);
  }

  /** Copies an exported directory into the store. */
  importDirectory(source: string): Promise<Imported> {
    return importRun(source, this.directory);
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

function emptyTrash(trash: string): void {
  for (const name of readdirSync(trash)) {
    const deletedAt = Number(name.slice(name.lastIndexOf('.') + 1));
    if (!(Date.now() - deletedAt < trashKeptMs)) rmSync(join(trash, name), { recursive: true, force: true });
  }
}
