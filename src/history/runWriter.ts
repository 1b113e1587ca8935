import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../core/errors.js';
import type { RunEvent } from '../protocol/events.js';
import { encodeLine } from '../protocol/lines.js';
import type { SavedRun } from '../protocol/result.js';
import { eventsFileName, runFileName, writeWhole } from './runFiles.js';

/** Events that wait for room on the disk: those of about twelve hours. */
const maximumWaitingBytes = 64 * 1024 * 1024;

/**
 * Writes one run while it goes on. A disk that is full does not end it: what could not be written waits in memory and is tried again with each
 * event and at the end; until then `problem` says why.
 */
export class RunWriter {
  /** Why something is not on the disk; undefined: all is. */
  problem: string | undefined;
  private file: number | undefined;
  /** What is not written yet, in order; the first may have been written in part. */
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private unsaved: SavedRun | undefined;
  private isCut = false;

  /** Makes the directory, or continues the run that is in it. Throws what node:fs throws when it cannot be made or written. */
  constructor(
    readonly directory: string,
    run: SavedRun,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeRun(directory, run);
    this.file = openSync(join(directory, eventsFileName), 'a', 0o600);
  }

  /** Appends an event to `events.ndjson`. */
  append(event: RunEvent): void {
    if (this.file === undefined) return;
    const line = Buffer.from(encodeLine(event));
    // Order and whole lines count for more than the newest ones.
    this.isCut ||= this.waitingBytes + line.length > maximumWaitingBytes;
    if (!this.isCut) {
      this.waiting.push(line);
      this.waitingBytes += line.length;
    }
    this.flush();
  }

  /** Writes `run.json` anew (a temporary file, then renamed). */
  save(run: SavedRun): void {
    this.unsaved = run;
    this.flush();
  }

  close(): void {
    if (this.file === undefined) return;
    this.flush();
    try {
      fsyncSync(this.file);
    } catch (error) {
      this.problem ??= messageOf(error);
    }
    closeSync(this.file);
    this.file = undefined;
  }

  /** Removes the directory of a run that never began. */
  discard(): void {
    this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private flush(): void {
    try {
      for (let line = this.waiting[0]; line !== undefined && this.file !== undefined; line = this.waiting[0]) {
        const written = writeSync(this.file, line);
        this.waitingBytes -= written;
        if (written < line.length) this.waiting[0] = line.subarray(written);
        else this.waiting.shift();
      }
      if (this.unsaved !== undefined) writeRun(this.directory, this.unsaved);
      this.unsaved = undefined;
      this.problem = this.isCut ? 'more events waited for room on the disk than memory may hold' : undefined;
    } catch (error) {
      this.problem = messageOf(error);
    }
  }
}

function writeRun(directory: string, run: SavedRun): void {
  writeWhole(join(directory, runFileName), `${JSON.stringify(run, undefined, 1)}\n`);
}
