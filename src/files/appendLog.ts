import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { type Write, writeReally } from './durableFile.js';

export interface AppendLogOptions {
  /** What a full disk may cost in memory. */
  maximumWaitingBytes: number;
  /** When more waits than that: drop the oldest line (the newest count most), or refuse the newest from then on (an unbroken beginning counts most). */
  whenFull: 'dropOldest' | 'refuseNewest';
  /** A parameter only so that a test can be a full disk. */
  write?: Write;
}

/**
 * A file of lines that only grows. A disk that is full does not stop whoever writes: lines wait in memory, bounded, and are
 * tried again with each further line and at the end. A line is in the file whole or, at the end of the file, not at all.
 */
export class AppendLog {
  private readonly fd: number;
  private readonly write: Write;
  private fileBytes: number;
  /** Lines that are not in the file yet, in order; of the first, `offset` bytes may be. */
  private readonly waiting: Buffer[] = [];
  private offset = 0;
  private waitingBytes = 0;
  private isRefusing = false;
  private failure: string | undefined;
  private droppedLines = 0;

  /** Makes the file, or goes on behind its last whole line: a torn one would swallow the next. Throws what node:fs throws. */
  constructor(
    path: string,
    private readonly options: AppendLogOptions,
  ) {
    this.write = options.write ?? writeReally;
    this.fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600);
    this.fileBytes = completeBytes(this.fd);
    if (fstatSync(this.fd).size > this.fileBytes) ftruncateSync(this.fd, this.fileBytes);
  }

  /** Size of the file up to its last whole line. */
  get bytes(): number {
    return this.fileBytes;
  }

  /** Why something is not in the file; undefined: all of it is. */
  get problem(): string | undefined {
    if (this.failure === undefined && this.isRefusing) return 'more lines waited for room on the disk than memory may hold';
    return this.failure;
  }

  /** True when nothing waits. */
  get isFlushed(): boolean {
    return this.waiting.length === 0;
  }

  /** Lines that will never be in the file. */
  get dropped(): number {
    return this.droppedLines;
  }

  /** What the file does not hold yet, without line feeds. */
  get waitingLines(): string[] {
    return this.waiting.map((line) => line.toString('utf8', 0, line.length - 1));
  }

  /** Appends one line, which ends with a line feed. Never throws. */
  append(line: string): void {
    const bytes = Buffer.from(line);
    const isOver = this.waitingBytes + bytes.length > this.options.maximumWaitingBytes;
    if (this.options.whenFull === 'refuseNewest') this.isRefusing ||= isOver;
    if (this.isRefusing) this.droppedLines++;
    else {
      this.waiting.push(bytes);
      this.waitingBytes += bytes.length;
    }
    while (this.waitingBytes > this.options.maximumWaitingBytes && this.waiting.length > 1) this.dropOldest();
    this.flush();
  }

  /** Writes what waits, as far as the disk takes it. Never throws; `problem` says why something is left. */
  flush(): void {
    try {
      for (let line = this.waiting[0]; line !== undefined; line = this.waiting[0]) {
        while (this.offset < line.length) {
          const count = this.write(this.fd, line.subarray(this.offset));
          if (count <= 0) throw new Error('no byte was written');
          this.offset += count;
        }
        this.fileBytes += line.length;
        this.forget(0);
        this.offset = 0;
      }
      this.failure = undefined;
    } catch (error) {
      this.failure = (error as Error).message;
      this.removeTornLine();
    }
  }

  /** Flushes, and has the disk keep it. */
  close(): void {
    this.flush();
    try {
      fsyncSync(this.fd);
    } catch (error) {
      this.failure ??= (error as Error).message;
    }
    closeSync(this.fd);
  }

  private removeTornLine(): void {
    if (this.offset === 0) return;
    try {
      ftruncateSync(this.fd, this.fileBytes);
      this.offset = 0;
    } catch {
      // The rest of the line follows when there is room, and every reader tolerates a torn last line.
    }
  }

  /** The oldest line of which nothing is in the file. */
  private dropOldest(): void {
    this.forget(this.offset > 0 ? 1 : 0);
    this.droppedLines++;
  }

  private forget(index: number): void {
    const line = index === 0 ? this.waiting.shift() : this.waiting.splice(index, 1)[0];
    this.waitingBytes -= line?.length ?? 0;
  }
}

/** How far a file goes up to its last line feed; looks backwards, so that a long file costs no more than a short one. */
function completeBytes(fd: number): number {
  const chunk = Buffer.alloc(64 * 1024);
  let end = fstatSync(fd).size;
  while (end > 0) {
    const begin = Math.max(0, end - chunk.length);
    const count = readSync(fd, chunk, 0, end - begin, begin);
    const lastEnd = chunk.subarray(0, count).lastIndexOf(10);
    if (lastEnd !== -1) return begin + lastEnd + 1;
    end = begin;
  }
  return 0;
}
