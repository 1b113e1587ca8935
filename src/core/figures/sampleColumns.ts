import type { Sample } from '../../protocol/events.js';
import type { SampleColumns } from '../../protocol/panel.js';
import { ledgerItems } from './ledger.js';
import { metrics } from './metrics.js';

/** Beyond this many rows (36 hours at 1 Hz) each four become two, so that a week's run stays below 40 MB. */
export const maximumRows = 131_072;

/** What the charts need beside the metrics. */
const furtherColumns = {
  /** Seconds since the run began. */
  seconds: (sample: Sample) => sample.t / 1000,
  target: (sample: Sample) => sample.target,
  cpuSupervisor: (sample: Sample) => sample.cpu.supervisor,
} satisfies Record<string, (sample: Sample) => number>;

const ledgerPrefix = 'ledger.';
const furtherEntries = Object.entries(furtherColumns);
/** Names of columns are made once: twelve hours have half a million entries of the ledger. */
const ledgerColumns: ReadonlyMap<string, string> = new Map(ledgerItems.map(({ id }) => [id, `${ledgerPrefix}${id}`]));

/** One sample as a row: a column for each metric by its id, and one for each entry of the ledger under `ledger.<id>`. */
export function rowOf(sample: Sample): Record<string, number> {
  const row: Record<string, number> = {};
  for (const [id, value] of furtherEntries) row[id] = value(sample);
  for (const metric of metrics) row[metric.id] = metric.value(sample) ?? Number.NaN;
  const { entries } = sample.ledger;
  for (const id in entries) row[ledgerColumns.get(id) ?? `${ledgerPrefix}${id}`] = entries[id]!;
  return row;
}

/** Grows by doubling; bounded by `maximumRows`. Rows are kept in order of time. */
export class SampleColumnStore {
  private columns = new Map<string, Float32Array>();
  private rows = 0;
  private capacity: number;
  /** Once the bound was reached, a row stands for so many samples … */
  private stride = 1;
  /** … and samples wait until there are enough for two rows. */
  private waiting: Readonly<Record<string, number>>[] = [];
  /** Changes when rows that were there before have moved. */
  generation = 0;

  constructor(
    initial?: SampleColumns,
    private readonly bound: number = maximumRows,
  ) {
    this.rows = initial?.length ?? 0;
    // Room for what follows is made here, not by the first row that arrives while somebody looks.
    this.capacity = Math.min(this.bound, Math.max(256, this.rows * 2));
    for (const [id, values] of Object.entries(initial?.columns ?? {})) {
      const column = new Float32Array(Math.max(this.capacity, this.rows)).fill(Number.NaN, this.rows);
      column.set(values.subarray(0, this.rows));
      this.columns.set(id, column);
    }
  }

  get length(): number {
    return this.rows;
  }

  get ids(): readonly string[] {
    return [...this.columns.keys()];
  }

  /** The values of a column; NaN where a row had none. A view that the next `append` may make stale. */
  column(id: string): Float32Array {
    return this.columns.get(id)?.subarray(0, this.rows) ?? new Float32Array(this.rows).fill(Number.NaN);
  }

  has(id: string): boolean {
    return this.columns.has(id);
  }

  append(row: Readonly<Record<string, number>>): void {
    if (this.rows === this.bound) this.halve();
    if (this.stride === 1) {
      this.write(row);
      return;
    }
    this.waiting.push(row);
    if (this.waiting.length < 2 * this.stride) return;
    for (const thinned of thinnedRows(this.waiting)) this.write(thinned);
    this.waiting = [];
  }

  /** All rows as they are now, which the next `append` may make stale. */
  view(): SampleColumns {
    return { length: this.rows, columns: Object.fromEntries([...this.columns].map(([id, values]) => [id, values.subarray(0, this.rows)])) };
  }

  /** A copy that fits exactly, for a message. */
  snapshot(): SampleColumns {
    return { length: this.rows, columns: Object.fromEntries([...this.columns].map(([id, values]) => [id, values.slice(0, this.rows)])) };
  }

  private write(row: Readonly<Record<string, number>>): void {
    for (const id in row) {
      if (!this.columns.has(id)) this.columns.set(id, new Float32Array(this.capacity).fill(Number.NaN));
    }
    if (this.rows >= this.capacity) this.capacity = Math.min(this.bound, this.capacity * 2);
    for (const [id, values] of this.columns) {
      let target = values;
      if (target.length <= this.rows) {
        target = new Float32Array(this.capacity).fill(Number.NaN);
        target.set(values);
        this.columns.set(id, target);
      }
      target[this.rows] = row[id] ?? Number.NaN;
    }
    this.rows++;
  }

  private halve(): void {
    const before = this.rows;
    const rowAt = (index: number) => Object.fromEntries([...this.columns].map(([id, values]) => [id, values[index]!]));
    this.stride *= 2;
    this.generation++;
    this.rows = 0;
    // In place: two rows are written behind each four that were read. An odd rest stays as it is.
    for (let index = 0; index < before; index += 4) {
      const rows = Array.from({ length: Math.min(4, before - index) }, (_value, offset) => rowAt(index + offset));
      for (const thinned of rows.length === 4 ? thinnedRows(rows) : rows) this.write(thinned);
    }
    for (const values of this.columns.values()) values.fill(Number.NaN, this.rows);
  }
}

/**
 * Two rows for several: of each column the smallest and the largest value, in the order in which they came, so that no spike is lost. Time is that
 * of the first and of the last row. The ledger is drawn as a stack: its parts stay together, those of the row with the largest total in each half.
 */
function thinnedRows(rows: readonly Readonly<Record<string, number>>[]): [Record<string, number>, Record<string, number>] {
  const first: Record<string, number> = {};
  const last: Record<string, number> = {};
  const half = rows.length / 2;
  const [before, after] = [rows.slice(0, half), rows.slice(half)].map(highestStack) as [Readonly<Record<string, number>>, Readonly<Record<string, number>>];
  for (const id of new Set(rows.flatMap((row) => Object.keys(row)))) {
    if (id === 'seconds') [first[id], last[id]] = [rows[0]![id]!, rows.at(-1)![id]!];
    else if (id.startsWith(ledgerPrefix)) [first[id], last[id]] = [before[id] ?? Number.NaN, after[id] ?? Number.NaN];
    else [first[id], last[id]] = extremes(rows.map((row) => row[id] ?? Number.NaN));
  }
  return [first, last];
}

/** The smallest and the largest value, in the order in which they came; NaN only where all are. */
function extremes(values: readonly number[]): [number, number] {
  let smallest = 0;
  let largest = 0;
  values.forEach((value, index) => {
    if (value < values[smallest]! || Number.isNaN(values[smallest]!)) smallest = index;
    if (value > values[largest]! || Number.isNaN(values[largest]!)) largest = index;
  });
  return [values[Math.min(smallest, largest)]!, values[Math.max(smallest, largest)]!];
}

function highestStack(rows: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const total = (row: Readonly<Record<string, number>>) =>
    Object.entries(row).reduce((sum, [id, value]) => (id.startsWith(ledgerPrefix) ? sum + (value || 0) : sum), 0);
  return rows.reduce((highest, row) => (total(row) > total(highest) ? row : highest));
}

/** The last row at which nearly all of the peak (99 %) was held: what a run that is over is read at, since it ends with nothing. */
export function lastHeldRow(established: Float32Array): number | undefined {
  const enough = established.reduce((peak, value) => Math.max(peak, value || 0), 0) * 0.99;
  const row = established.findLastIndex((value) => value > 0 && value >= enough);
  return row === -1 ? undefined : row;
}
