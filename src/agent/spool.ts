import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { AppendLog } from '../files/appendLog.js';
import { type Write, writeReally } from '../files/durableFile.js';
import { readLines } from '../files/lines.js';
import { runEventSchema, type RunEvent, type RunEventBody } from '../protocol/events.js';
import { encodeLine, parseLine } from '../protocol/lines.js';

/** What a full disk may cost: the newest events are kept in memory until the disk takes them. About 10 minutes of samples at 3 kB. */
const ringMaximumBytes = 2 * 1024 * 1024;

/** Above these sizes of the file samples come less often, so that a run of a week stays under 128 MiB. */
const thinning: readonly { aboveBytes: number; sampleSeconds: number }[] = [
  { aboveBytes: 96 * 1024 * 1024, sampleSeconds: 60 },
  { aboveBytes: 48 * 1024 * 1024, sampleSeconds: 10 },
];

/**
 * The event log of a run on its host: numbers each event, appends it to a file and only then lets it be sent. When the disk is
 * full the run goes on: events wait in a bounded ring and reach the file, in order, as soon as it can be written again.
 */
export class Spool {
  private readonly log: AppendLog;
  private nextSeq: number;

  constructor(
    private readonly path: string,
    private readonly elapsedMs: () => number,
    private readonly onDegraded: (reason: string) => void = () => undefined,
    write: Write = writeReally,
  ) {
    this.log = new AppendLog(path, { maximumWaitingBytes: ringMaximumBytes, whenFull: 'dropOldest', write });
    this.nextSeq = (readEvents(path).at(-1)?.seq ?? 0) + 1;
  }

  get lastSeq(): number {
    return this.nextSeq - 1;
  }

  /** Seconds between samples that keep the file bounded. */
  get sampleSeconds(): number {
    return thinning.find((step) => this.log.bytes > step.aboveBytes)?.sampleSeconds ?? 1;
  }

  append(body: RunEventBody): RunEvent {
    const event = { seq: this.nextSeq++, t: Math.max(0, Math.round(this.elapsedMs())), ...body } as RunEvent;
    const wasDegraded = this.log.problem !== undefined;
    this.log.append(encodeLine(event));
    if (this.log.problem !== undefined && !wasDegraded) this.onDegraded(this.log.problem);
    return event;
  }

  /** Events from `fromSeq` on, as lines. Those that a full disk made us drop are missing. */
  linesFrom(fromSeq: number): string[] {
    const lines = [...readEvents(this.path), ...this.log.waitingLines.flatMap(spooledEvent)];
    return lines.filter((event) => event.seq >= fromSeq).map((event) => event.line);
  }

  /** True when the file holds every event; tries again where the disk was full. */
  get isFlushed(): boolean {
    this.log.flush();
    return this.log.isFlushed;
  }

  close(): void {
    this.log.close();
  }

  /** Events that were dropped because the disk stayed full for longer than the ring holds. */
  get lost(): number {
    return this.log.dropped;
  }
}

/** One event of a spool file, with its line as written. */
export interface SpooledEvent {
  seq: number;
  line: string;
}

/** A line of a spool with the number of its event; none where it is no event. */
function spooledEvent(line: string): SpooledEvent[] {
  const seq = Number(/^\{"seq":(\d+)/.exec(line)?.[1] ?? Number.NaN);
  return Number.isInteger(seq) ? [{ seq, line }] : [];
}

/** The events in a spool file. A torn last line is left out; without a file there are none. */
export function readEvents(path: string): SpooledEvent[] {
  const events: SpooledEvent[] = [];
  try {
    readLines(path, (line) => events.push(...spooledEvent(line)));
  } catch {
    // No run was here, or its file cannot be read: nothing to replay.
  }
  return events;
}

/** The events of a spool, validated; lines that are none are left out. */
export function readRunEvents(path: string): RunEvent[] {
  return readEvents(path).flatMap(({ line }) => {
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
