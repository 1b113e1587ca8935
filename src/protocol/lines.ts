/** A longer line is dropped and reported: 4 MiB holds the largest plan (10,000 client targets of about 120 B) three times over. */
export const maximumLineBytes = 4 * 1024 * 1024;

/** One JSON value as one line of NDJSON. */
export function encodeLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** The JSON value of a line; undefined when it is none. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

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
    private readonly maximumBytes: number = maximumLineBytes,
  ) {}

  push(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(10, start);
      if (end === -1) break;
      this.take(chunk.subarray(start, end));
      this.flush();
      start = end + 1;
    }
    this.take(chunk.subarray(start));
  }

  /** Passes on what is left without a line feed, such as the torn last line of a file. */
  end(): void {
    if (this.pendingBytes > 0) this.flush();
  }

  private take(part: Buffer): void {
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

  private flush(): void {
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
