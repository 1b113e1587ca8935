import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { maximumRows } from '../core/figures/sampleColumns.js';
import { parseForeign } from '../core/foreignText.js';
import type { RunModel } from '../core/run/model.js';
import { textLanguage } from '../core/texts.js';
import { version } from '../core/version.js';
import { writeAll } from '../files/durableFile.js';
import { readRegular } from '../files/regularFile.js';
import { phaseSchema, sampleSchema, wallSchema } from '../protocol/events.js';
import { maximumPanelEntries, type SampleColumns } from '../protocol/panel.js';
import { eventsFileName } from './runFiles.js';

/**
 * Beside the events of a run that is over lies what they come to: twelve hours of events are 50 MB of JSON, their columns 7 MB of numbers. It is
 * derived: made anew where it is missing, or does not fit the events, or was made by another version. Neither exported nor imported.
 */
export const foldFileName = 'columns.bin';

/** A line of JSON, padded so that the numbers behind it are aligned; then each column as 32-bit floats. */
const alignment = 8;
/** 200 columns of the most rows that are kept; a usual run has 45. */
const maximumColumns = 200;
const maximumFileBytes = maximumRows * maximumColumns * Float32Array.BYTES_PER_ELEMENT;

/** What the file of events was when it was read. */
interface EventsStamp {
  bytes: number;
  mtimeMs: number;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const entrySchema = v.object({
  seq: count,
  t: v.number(),
  kind: v.picklist(['phase', 'log', 'worker', 'tuning', 'order', 'wall']),
  level: v.picklist(['debug', 'info', 'warn', 'error']),
  text: v.string(),
  remedy: v.exactOptional(v.string()),
});
const headerSchema = v.object({
  format: v.literal(1),
  madeBy: v.literal(version()),
  byteOrder: v.literal(endianness()),
  /** Of the texts in `lines`. */
  language: v.string(),
  events: v.object({ bytes: count, mtimeMs: v.number() }),
  rows: v.pipe(count, v.maxValue(maximumRows)),
  columns: v.pipe(v.array(v.string()), v.maxLength(maximumColumns)),
  model: v.object({
    startedAt: v.optional(v.string()),
    phases: v.array(v.object({ phase: phaseSchema, t: v.number() })),
    last: v.optional(sampleSchema),
    walls: v.array(wallSchema),
    lines: v.pipe(v.array(entrySchema), v.maxLength(maximumPanelEntries)),
    workersReady: count,
    lastSequence: count,
    elapsedMs: v.number(),
  }),
});

/** The part of a model that is in no other file of the run. */
type CachedModel = Pick<RunModel, 'startedAt' | 'phases' | 'last' | 'walls' | 'lines' | 'workersReady' | 'lastSequence' | 'elapsedMs'>;

export interface CachedFold {
  model: CachedModel;
  samples: SampleColumns;
}

export function eventsStamp(directory: string): EventsStamp | undefined {
  const stats = statSync(join(directory, eventsFileName), { throwIfNoEntry: false });
  return stats === undefined ? undefined : { bytes: stats.size, mtimeMs: stats.mtimeMs };
}

/** Writes what the events in `directory`, of this stamp, come to. Never throws: without it, they are read again. */
export function writeFold(directory: string, { model, samples }: CachedFold, events = eventsStamp(directory)): void {
  if (events === undefined) return;
  const path = join(directory, foldFileName);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const { startedAt, phases, last, walls, lines, workersReady, lastSequence, elapsedMs } = model;
    const columns = Object.entries(samples.columns);
    const header: v.InferInput<typeof headerSchema> = {
      format: 1,
      madeBy: version(),
      byteOrder: endianness(),
      language: textLanguage(),
      events,
      rows: samples.length,
      columns: columns.map(([id]) => id),
      model: { startedAt, phases: [...phases], last, walls: [...walls], lines: [...lines], workersReady, lastSequence, elapsedMs },
    };
    const line = Buffer.from(JSON.stringify(header));
    // A column at a time: together they would be in memory twice.
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeAll(fd, Buffer.concat([line, Buffer.from(`${' '.repeat(alignment - 1 - (line.length % alignment))}\n`)]));
      for (const [, values] of columns) writeAll(fd, Buffer.from(values.buffer, values.byteOffset, samples.length * Float32Array.BYTES_PER_ELEMENT));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch {
    rmSync(temporary, { force: true });
  }
}

/** What the events in `directory` come to, where it was kept and still fits them; undefined otherwise. */
export function readFold(directory: string): CachedFold | undefined {
  try {
    const bytes = readRegular(join(directory, foldFileName), maximumFileBytes);
    const lineEnd = bytes.indexOf(10);
    const header = v.parse(headerSchema, parseForeign(bytes.toString('utf8', 0, lineEnd)));
    const now = eventsStamp(directory);
    const columnBytes = header.rows * Float32Array.BYTES_PER_ELEMENT;
    const isWhole = bytes.length === lineEnd + 1 + header.columns.length * columnBytes;
    const isOfEvents = header.events.bytes === now?.bytes && header.events.mtimeMs === now.mtimeMs;
    if (!isWhole || !isOfEvents || header.language !== textLanguage()) return undefined;
    const begin = bytes.byteOffset + lineEnd + 1;
    const columns = header.columns.map((id, index) => [id, new Float32Array(bytes.buffer, begin + index * columnBytes, header.rows)] as const);
    const { startedAt, last, ...model } = header.model;
    return { model: { ...model, startedAt, last }, samples: { length: header.rows, columns: Object.fromEntries(columns) } };
  } catch {
    return undefined;
  }
}
