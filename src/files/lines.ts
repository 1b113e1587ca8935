import { closeSync, readSync } from 'node:fs';
import { openRegular } from './regularFile.js';

/** A longer line is dropped and reported: 4 MiB holds the largest plan (10,000 client targets of about 120 B) three times over. */
const usualMaximumLineBytes = 4 * 1024 * 1024;
/** Few reads and few turns of the event loop for the tens of megabytes of a long run. */
const chunkBytes = 1024 * 1024;

/**
 * Splits a byte stream into lines, UTF-8 safe across chunk borders. A line over the maximum is passed to `onOverlong`
 * with its first 200 characters and then skipped to its end, so that memory stays bounded.
 */
export class LineSplitter {
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private skipping = false;

  constructor(
    private readonly onLine: (line: string) => void,
    private readonly onOverlong: (beginning: string) => void = () => undefined,
    private readonly maximumBytes: number = usualMaximumLineBytes,
  ) {}

  write(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(10, start);
      if (end === -1) break;
      this.keepPart(chunk.subarray(start, end));
      this.endLine();
      start = end + 1;
    }
    // A copy, so that whoever wrote the chunk may use its memory again.
    this.keepPart(Buffer.from(chunk.subarray(start)));
  }

  /** Passes on what is left without a line feed, such as the torn last line of a file. */
  end(): void {
    if (this.pendingBytes > 0) this.endLine();
  }

  private keepPart(part: Buffer): void {
    if (part.length === 0 || this.skipping) return;
    if (this.pendingBytes + part.length > this.maximumBytes) {
      const beginning = Buffer.concat([...this.pending, part])
        .subarray(0, 200)
        .toString('utf8');
      this.pending = [];
      this.pendingBytes = 0;
      this.skipping = true;
      this.onOverlong(beginning);
      return;
    }
    this.pending.push(part);
    this.pendingBytes += part.length;
  }

  private endLine(): void {
    if (this.skipping) {
      this.skipping = false;
      return;
    }
    const line = this.pending.length === 1 ? (this.pending[0] as Buffer) : Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    const text = line.toString('utf8');
    this.onLine(text.endsWith('\r') ? text.slice(0, -1) : text);
  }
}

/** What a file of lines held beside its lines. */
export interface ReadLines {
  /** Bytes up to and with the last line feed. */
  completeBytes: number;
  /** True when something follows that: the last line was torn off. It is not passed on. */
  isTorn: boolean;
  /** Lines that were longer than the bound, and skipped. */
  overlong: number;
}

/** Passes on the complete lines of a regular file. Throws NotRegular, or what node:fs throws. */
export function readLines(path: string, onLine: (line: string) => void): ReadLines {
  const steps = stepsThrough(path, onLine);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same in steps of a mebibyte, with a turn of the event loop between them: a window must not freeze over a long run. */
export async function readLinesInSteps(path: string, onLine: (line: string) => void): Promise<ReadLines> {
  const steps = stepsThrough(path, onLine);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function* stepsThrough(path: string, onLine: (line: string) => void): Generator<undefined, ReadLines> {
  let overlong = 0;
  let completeBytes = 0;
  let offset = 0;
  const splitter = new LineSplitter(onLine, () => overlong++);
  const { fd } = openRegular(path);
  const chunk = Buffer.allocUnsafe(chunkBytes);
  try {
    for (;;) {
      const count = readSync(fd, chunk, 0, chunk.length, offset);
      if (count === 0) break;
      const part = chunk.subarray(0, count);
      const lastEnd = part.lastIndexOf(10);
      if (lastEnd !== -1) completeBytes = offset + lastEnd + 1;
      splitter.write(part);
      offset += count;
      yield undefined;
    }
  } finally {
    closeSync(fd);
  }
  return { completeBytes, isTorn: offset > completeBytes, overlong };
}
