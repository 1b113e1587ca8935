import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import * as v from 'valibot';
import { runEventSchema, type RunEvent, type RunEventBody } from '../protocol/events.js';
import { encodeLine, LineSplitter, parseLine } from '../protocol/lines.js';

/** What a full disk may cost: the newest events are kept in memory until the disk takes them. About 10 minutes of samples at 3 kB. */
const ringMaximumBytes = 2 * 1024 * 1024;

/** Above these sizes of the file samples come less often, so that a run of a week stays under 128 MiB. */
const thinning: readonly { aboveBytes: number; sampleSeconds: number }[] = [
  { aboveBytes: 96 * 1024 * 1024, sampleSeconds: 60 },
  { aboveBytes: 48 * 1024 * 1024, sampleSeconds: 10 },
];

/** The write(2) that a test may fail. Returns the number of bytes written. */
export type WriteAt = (fd: number, bytes: Buffer, position: number) => number;
const writeReally: WriteAt = (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position);

/**
 * The event log of a run on its host: numbers each event, appends it to a file and only then lets it be sent. When the disk is
 * full the run goes on: events wait in a bounded ring and reach the file, in order, as soon as it can be written again.
 */
export class Spool {
  private readonly fd: number;
  private fileBytes: number;
  private nextSeq: number;
  /** Events that the file does not hold (yet), oldest first. */
  private readonly waiting: { seq: number; line: Buffer }[] = [];
  private waitingBytes = 0;
  private lostEvents = 0;
  private degraded = false;

  constructor(
    private readonly path: string,
    private readonly elapsedMs: () => number,
    private readonly onDegraded: (reason: string) => void = () => undefined,
    private readonly writeAt: WriteAt = writeReally,
  ) {
    this.fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const kept = readEvents(path);
    this.fileBytes = kept.completeBytes;
    this.nextSeq = (kept.events.at(-1)?.seq ?? 0) + 1;
    // A torn last line of a predecessor would swallow our first event.
    if (fstatSync(this.fd).size > this.fileBytes) ftruncateSync(this.fd, this.fileBytes);
  }

  get lastSeq(): number {
    return this.nextSeq - 1;
  }

  /** Seconds between samples that keep the file bounded. */
  get sampleSeconds(): number {
    return thinning.find((step) => this.fileBytes > step.aboveBytes)?.sampleSeconds ?? 1;
  }

  append(body: RunEventBody): RunEvent {
    const event = { seq: this.nextSeq++, t: Math.max(0, Math.round(this.elapsedMs())), ...body } as RunEvent;
    this.enqueue(event);
    const wasDegraded = this.degraded;
    this.flush();
    if (this.degraded && !wasDegraded) this.onDegraded(this.failure);
    return event;
  }

  /** Events from `fromSeq` on, as lines. Those that a full disk made us drop are missing. */
  linesFrom(fromSeq: number): string[] {
    const lines = readEvents(this.path)
      .events.filter((event) => event.seq >= fromSeq)
      .map((event) => event.line);
    for (const entry of this.waiting) if (entry.seq >= fromSeq) lines.push(entry.line.toString('utf8').trimEnd());
    return lines;
  }

  /** True when the file holds every event; tries again where the disk was full. */
  get isFlushed(): boolean {
    this.flush();
    return this.waiting.length === 0;
  }

  close(): void {
    this.flush();
    closeSync(this.fd);
  }

  private failure = '';

  private enqueue(event: RunEvent): void {
    const line = Buffer.from(encodeLine(event));
    this.waiting.push({ seq: event.seq, line });
    this.waitingBytes += line.length;
    while (this.waitingBytes > ringMaximumBytes && this.waiting.length > 1) {
      this.waitingBytes -= this.waiting.shift()!.line.length;
      this.lostEvents++;
    }
  }

  /** Writes what waits. A short or failed write leaves no torn line behind. */
  private flush(): void {
    while (this.waiting.length > 0) {
      const { line } = this.waiting[0]!;
      try {
        let written = 0;
        while (written < line.length) {
          const count = this.writeAt(this.fd, line.subarray(written), this.fileBytes + written);
          if (count === 0) throw new Error('no byte was written');
          written += count;
        }
      } catch (error) {
        this.degraded = true;
        this.failure = (error as Error).message;
        try {
          ftruncateSync(this.fd, this.fileBytes);
        } catch {
          // The line is overwritten by the next attempt, and a torn last line is tolerated by every reader.
        }
        return;
      }
      this.fileBytes += line.length;
      this.waitingBytes -= line.length;
      this.waiting.shift();
    }
    this.degraded = false;
  }

  /** Events that were dropped because the disk stayed full for longer than the ring holds. */
  get lost(): number {
    return this.lostEvents;
  }
}

/** One event of a spool file, with its line as written. */
export interface SpooledEvent {
  seq: number;
  line: string;
}

/** The complete lines of a spool file, and where they end. A torn last line is left out. */
export function readEvents(path: string): { events: SpooledEvent[]; completeBytes: number } {
  const events: SpooledEvent[] = [];
  let completeBytes = 0;
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY);
  } catch {
    return { events, completeBytes };
  }
  const splitter = new LineSplitter((line) => {
    const seq = Number(/^\{"seq":(\d+)/.exec(line)?.[1] ?? Number.NaN);
    if (Number.isInteger(seq)) events.push({ seq, line });
  });
  try {
    const chunk = Buffer.alloc(256 * 1024);
    for (let offset = 0; ;) {
      const count = readSync(fd, chunk, 0, chunk.length, offset);
      if (count === 0) break;
      const part = Buffer.from(chunk.subarray(0, count));
      const lastEnd = part.lastIndexOf(10);
      if (lastEnd !== -1) completeBytes = offset + lastEnd + 1;
      splitter.push(part);
      offset += count;
    }
  } finally {
    closeSync(fd);
  }
  return { events, completeBytes };
}

/** The events of a spool, validated; lines that are none are left out. */
export function readRunEvents(path: string): RunEvent[] {
  return readEvents(path).events.flatMap(({ line }) => {
    const parsed = v.safeParse(runEventSchema, parseLine(line));
    return parsed.success ? [parsed.output] : [];
  });
}

/** True when the run's summary is in the spool: nothing is missing. */
export function isComplete(path: string): boolean {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trimEnd();
  } catch {
    return false;
  }
  const last = parseLine(text.slice(text.lastIndexOf('\n') + 1));
  return typeof last === 'object' && last !== null && 'type' in last && last.type === 'summary';
}
