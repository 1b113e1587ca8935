import { messageOf } from '../core/errors.js';
import type { RunEvent, Summary } from '../protocol/events.js';
import type { SavedRun } from '../protocol/result.js';
import type { RunSpec } from '../protocol/spec.js';
import type { RunWriter } from './runWriter.js';
import type { RunStore } from './store.js';

/** A run on its way to the disk: the one writer of its `run.json` and its events. */
export class RunRecording {
  private constructor(
    private readonly store: RunStore,
    private readonly writer: RunWriter,
    private run: SavedRun,
    private readonly log: (line: string) => void,
  ) {}

  /** Throws a HumanError when its directory cannot be made; nothing was started then. */
  static begin(store: RunStore, begun: { id: string; spec: RunSpec; startedAt: string; version: string }, log: (line: string) => void): RunRecording {
    const { id, spec, startedAt, version } = begun;
    const name = spec.name === undefined ? {} : { name: spec.name };
    const run: SavedRun = { format: 1, id, ...name, tags: [], pinned: false, startedAt, c10mVersion: version, spec };
    return new RunRecording(store, store.create(run), run, log);
  }

  /** Goes on with a run that is on the disk already. */
  static continue(store: RunStore, run: SavedRun, log: (line: string) => void): RunRecording {
    return new RunRecording(store, store.create(run), run, log);
  }

  /** Why not all of it is on the disk; undefined: all is. */
  get problem(): string | undefined {
    return this.writer.problem;
  }

  append(event: RunEvent): void {
    this.writer.append(event);
    if (event.type === 'facts') this.save({ facts: event.facts });
    if (event.type === 'plan') this.save({ plan: event.plan });
    if (event.type === 'summary') this.end(event.summary);
  }

  /** For an end that no event reports: the host was lost for good. */
  end(summary: Summary): void {
    this.save({ endedAt: new Date().toISOString(), summary });
  }

  close(): void {
    this.writer.close();
  }

  /** Removes what was written of a run that never began. */
  discard(): void {
    this.writer.discard();
  }

  private save(known: Partial<SavedRun>): void {
    this.run = { ...this.withLabels(), ...known };
    this.writer.save(this.run);
  }

  /** The name, tags and pin that a person may have given it in the history while it went on. */
  private withLabels(): SavedRun {
    try {
      const { name, tags, pinned } = this.store.read(this.run.id);
      const labelled: SavedRun = { ...this.run, tags, pinned };
      delete labelled.name;
      return name === undefined ? labelled : { ...labelled, name };
    } catch (error) {
      // Its file was damaged or removed: what is known here is written again.
      this.log(`The saved run could not be read: ${messageOf(error)}`);
      return this.run;
    }
  }
}
