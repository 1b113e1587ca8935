import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../core/errors.js';
import { AppendLog } from '../files/appendLog.js';
import { replaceFile } from '../files/durableFile.js';
import type { RunEvent } from '../protocol/events.js';
import { encodeLine } from '../protocol/lines.js';
import type { RunFile } from '../protocol/result.js';
import { moveOldLabels, withoutLabels } from './labels.js';
import { eventsFileName, readRunFile, runFileName } from './runFiles.js';

/** Events that wait for room on the disk: those of about twelve hours. */
const maximumWaitingBytes = 64 * 1024 * 1024;

/**
 * Writes one run while it goes on. A disk that is full does not end it: what could not be written waits in memory and is tried again with each
 * event and at the end; until then `problem` says why.
 */
export class RunWriter {
  private readonly events: AppendLog;
  private isOpen = true;
  private unsaved: RunFile | undefined;
  private saveFailure: string | undefined;

  /** Makes the directory, or continues the run that is in it. Throws what node:fs throws when it cannot be made or written. */
  constructor(
    readonly directory: string,
    run: RunFile,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const before = recordIn(directory);
    if (before !== undefined) moveOldLabels(directory, before);
    writeRun(directory, run);
    this.events = new AppendLog(join(directory, eventsFileName), { maximumWaitingBytes, whenFull: 'refuseNewest' });
  }

  /** Why something is not on the disk; undefined: all is. */
  get problem(): string | undefined {
    return this.events.problem ?? this.saveFailure;
  }

  /** Appends an event to `events.ndjson`. */
  append(event: RunEvent): void {
    if (!this.isOpen) return;
    this.events.append(encodeLine(event));
    this.saveAgain();
  }

  /** Writes `run.json` anew. */
  save(run: RunFile): void {
    this.unsaved = run;
    if (this.isOpen) this.events.flush();
    this.saveAgain();
  }

  close(): void {
    if (!this.isOpen) return;
    this.saveAgain();
    this.events.close();
    this.isOpen = false;
  }

  /** Removes the directory of a run that never began. */
  discard(): void {
    this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The events come first: a run with its summary is taken for whole. */
  private saveAgain(): void {
    if (this.unsaved === undefined || !this.events.isFlushed) return;
    try {
      writeRun(this.directory, this.unsaved);
      this.unsaved = undefined;
      this.saveFailure = undefined;
    } catch (error) {
      this.saveFailure = messageOf(error);
    }
  }
}

function recordIn(directory: string): RunFile | undefined {
  try {
    return readRunFile(directory);
  } catch {
    return undefined;
  }
}

function writeRun(directory: string, run: RunFile): void {
  replaceFile(join(directory, runFileName), `${JSON.stringify(withoutLabels(run), undefined, 1)}\n`);
}
