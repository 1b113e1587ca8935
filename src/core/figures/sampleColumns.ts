import type { Sample } from '../../protocol/events.js';
import type { SampleColumns } from '../../protocol/panel.js';
import { ledgerItems } from './ledger.js';
import { metrics } from './metrics.js';

/** Beyond this many rows (36 hours at 1 Hz) every second one is dropped, so that a week's run stays below 40 MB. */
export const maximumRows = 131_072;

/** What the charts need beside the metrics. */
const furtherColumns = {
  /** Seconds since the run began. */
  seconds: (sample: Sample) => sample.t / 1000,
  target: (sample: Sample) => sample.target,
  cpuSupervisor: (sample: Sample) => sample.cpu.supervisor,
} satisfies Record<string, (sample: Sample) => number>;

const furtherEntries = Object.entries(furtherColumns);
/** Names of columns are made once: twelve hours have half a million entries of the ledger. */
const ledgerColumns: ReadonlyMap<string, string> = new Map(ledgerItems.map(({ id }) => [id, `ledger.${id}`]));

/** One sample as a row: a column for each metric by its id, and one for each entry of the ledger under `ledger.<id>`. */
export function rowOf(sample: Sample): Record<string, number> {
  const row: Record<string, number> = {};
  for (const [id, value] of furtherEntries) row[id] = value(sample);
  for (const metric of metrics) row[metric.id] = metric.value(sample) ?? Number.NaN;
  const { entries } = sample.ledger;
  for (const id in entries) row[ledgerColumns.get(id) ?? `ledger.${id}`] = entries[id]!;
  return row;
}

/** Grows by doubling; bounded by `maximumRows`. Rows are kept in order of time. */
export class SampleColumnStore {
  private columns = new Map<string, Float32Array>();
  private rows = 0;
  private capacity: number;
  /** Only each `stride`-th row is kept once the bound was reached. */
  private stride = 1;
  private skipped = 0;
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
    if (this.skipped < this.stride - 1) {
      this.skipped++;
      return;
    }
    this.skipped = 0;
    if (this.rows === this.bound) this.halve();
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

  /** A copy that fits exactly, for a message. */
  snapshot(): SampleColumns {
    return { length: this.rows, columns: Object.fromEntries([...this.columns].map(([id, values]) => [id, values.slice(0, this.rows)])) };
  }

  private halve(): void {
    this.stride *= 2;
    this.generation++;
    const kept = Math.ceil(this.rows / 2);
    for (const values of this.columns.values()) {
      for (let row = 0; row < kept; row++) values[row] = values[row * 2]!;
      values.fill(Number.NaN, kept);
    }
    this.rows = kept;
  }
}

/** The last row at which nearly all of the peak (99 %) was held: what a run that is over is read at, since it ends with nothing. */
export function lastHeldRow(established: Float32Array): number | undefined {
  const enough = established.reduce((peak, value) => Math.max(peak, value || 0), 0) * 0.99;
  const row = established.findLastIndex((value) => value > 0 && value >= enough);
  return row === -1 ? undefined : row;
}
