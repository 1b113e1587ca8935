import { closeSync, openSync, writeSync } from 'node:fs';
import { LineSplitter } from '../files/lines.js';

/** What is kept of each stream of the user's server; the rest is dropped with a note. */
const maximumFileBytes = 1024 * 1024;
const keptLines = 20;
const longestKeptLine = 500;

/** The beginning of a stream in a file, and its last lines in memory. */
export class OutputFile {
  private readonly fd: number | undefined;
  private readonly lines: string[] = [];
  private readonly splitter = new LineSplitter(
    (line) => this.keep(line),
    (beginning) => this.keep(beginning),
    64 * 1024,
  );
  private written = 0;
  private isClosed = false;

  /** Without a path only the last lines are kept. */
  constructor(path: string | undefined) {
    this.fd = path === undefined ? undefined : openSync(path, 'w', 0o600);
  }

  writeBytes(bytes: Buffer): void {
    this.splitter.write(bytes);
    if (this.fd === undefined || this.isClosed || this.written >= maximumFileBytes) return;
    const part = bytes.subarray(0, maximumFileBytes - this.written);
    writeSync(this.fd, part);
    this.written += part.length;
    if (this.written === maximumFileBytes) writeSync(this.fd, `\n[C10M keeps the first ${maximumFileBytes} bytes]\n`);
  }

  lastLines(): string[] {
    this.splitter.end();
    return [...this.lines];
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.fd !== undefined) closeSync(this.fd);
  }

  private keep(line: string): void {
    this.lines.push(line.slice(0, longestKeptLine));
    if (this.lines.length > keptLines) this.lines.shift();
  }
}
