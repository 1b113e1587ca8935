import type { RunFold } from '../core/run/runFold.js';
import type { RunEvent, Summary } from '../protocol/events.js';
import type { RunFile } from '../protocol/result.js';
import { writeFold } from './foldCache.js';
import type { RunWriter } from './runWriter.js';
import type { RunStore } from './store.js';

export interface BegunRun extends Pick<RunFile, 'id' | 'spec' | 'startedAt' | 'startedElsewhere'> {
  /** Of C10M. */
  version: string;
}

/** A run on its way to the disk: the one writer of its `run.json` and its events. */
export class RunRecording {
  private constructor(
    private readonly writer: RunWriter,
    private run: RunFile,
  ) {}

  /** Throws a HumanError when its directory cannot be made; nothing was started then. */
  static begin(store: RunStore, begun: BegunRun): RunRecording {
    const { id, spec, startedAt, version, startedElsewhere } = begun;
    const run: RunFile = { format: 1, id, startedAt, c10mVersion: version, ...(startedElsewhere === true ? { startedElsewhere } : {}), spec };
    return new RunRecording(store.create(run), run);
  }

  /** Goes on with a run that is on the disk already. */
  static continue(store: RunStore, run: RunFile): RunRecording {
    return new RunRecording(store.create(run), run);
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

  /** `fold`: what all events of the run come to, kept beside them for whoever opens the run. */
  close(fold?: RunFold): void {
    this.writer.close();
    if (fold === undefined || this.problem !== undefined || this.run.summary === undefined) return;
    writeFold(this.writer.directory, { model: fold.model, samples: fold.samples.view() });
  }

  /** Removes what was written of a run that never began. */
  discard(): void {
    this.writer.discard();
  }

  private save(known: Partial<RunFile>): void {
    this.run = { ...this.run, ...known };
    this.writer.save(this.run);
  }
}
