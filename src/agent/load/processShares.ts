import { readProcessTables, readProportionalSetSize } from '../../linux/procfs.js';
import type { Worker } from './workerProcess.js';

/** The proportional share of each process is read once in this many samples: it costs a walk of its page tables. */
const processSharePeriod = 5;
/** A descriptor table above this many bytes is not in the slabs but in pages of its own. */
const largestSlabBytes = 8_192;
/** A pointer and two bits. */
const descriptorSlotBytes = 8.25;

/** What one process holds now; 0 where it is gone. */
export interface ProcessReading {
  /** Proportional set size. */
  shareBytes: number;
  /** Slots of its descriptor table. */
  descriptorSlots: number;
  pageTableBytes: number;
}

type MeasuredWorker = Pick<Worker, 'pids'>;

/** What each process of a run holds, as read last: few of them in each sample, each of them in a round of samples. */
export class ProcessShares {
  private readonly readings = new Map<number, ProcessReading>();
  private turn = 0;

  /** `ownPid` is that of the supervisor; `read` reads one process from `/proc`. */
  constructor(
    private readonly ownPid = process.pid,
    private readonly read: (pid: number) => ProcessReading = readProcess,
  ) {}

  /** The part of one sample: every fifth worker, and those that were never read. */
  readSome(workers: readonly MeasuredWorker[]): void {
    workers.forEach((worker, index) => {
      if (index % processSharePeriod === this.turn % processSharePeriod || !this.readings.has(worker.pids[0] ?? 0)) this.readWorker(worker);
    });
    if (this.turn % processSharePeriod === 0) this.readOwn();
    this.turn++;
  }

  /** Every process at once, for a figure that must be exact; the round begins anew. */
  readAll(workers: readonly MeasuredWorker[]): void {
    this.turn = 0;
    for (const worker of workers) this.readWorker(worker);
    // Without it the baseline would take the supervisor for a process that others started later.
    this.readOwn();
  }

  get ownShareBytes(): number {
    return this.shareBytes([this.ownPid]);
  }

  /** Proportional shares (PSS) of these processes together. */
  shareBytes(pids: readonly number[]): number {
    return this.sum(pids, (reading) => reading.shareBytes);
  }

  pageTableBytes(pids: readonly number[]): number {
    return this.sum(pids, (reading) => reading.pageTableBytes);
  }

  /** Descriptor tables of these processes that are in no slab. */
  descriptorTableBytes(pids: readonly number[]): number {
    return this.sum(pids, ({ descriptorSlots }) => {
      const bytes = descriptorSlots * descriptorSlotBytes;
      return bytes > largestSlabBytes ? bytes : 0;
    });
  }

  private sum(pids: readonly number[], bytesOf: (reading: ProcessReading) => number): number {
    return pids.reduce((total, pid) => {
      const reading = this.readings.get(pid);
      return reading === undefined ? total : total + bytesOf(reading);
    }, 0);
  }

  private readWorker({ pids }: MeasuredWorker): void {
    for (const pid of pids) this.readings.set(pid, this.read(pid));
  }

  private readOwn(): void {
    this.readings.set(this.ownPid, this.read(this.ownPid));
  }
}

function readProcess(pid: number): ProcessReading {
  return { shareBytes: readProportionalSetSize(pid) ?? 0, ...readProcessTables(pid) };
}
