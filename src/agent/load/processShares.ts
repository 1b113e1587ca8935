import { type ProcessMemory, readProcessMemory } from '../../linux/procfs.js';
import type { Worker } from './workerProcess.js';

/** The memory of each process is read once in this many samples: it costs a walk of its page tables. */
const processSharePeriod = 5;
/** A descriptor table above this many bytes is not in the slabs but in pages of its own. */
const largestSlabBytes = 8_192;
/** A pointer and two bits. */
const descriptorSlotBytes = 8.25;

type MeasuredWorker = Pick<Worker, 'pids'>;

/** What each process of a run holds, as read last: few of them in each sample, each of them in a round of samples. */
export class ProcessShares {
  private readonly readings = new Map<number, ProcessMemory>();
  private turn = 0;

  /** `ownPid` is that of the supervisor; `read` reads one process from `/proc`. */
  constructor(
    private readonly ownPid = process.pid,
    private readonly read: (pid: number) => ProcessMemory | undefined = readProcessMemory,
  ) {}

  /** The part of one sample: every fifth worker, those that were never read, and those whose figure would be older than what it is divided by. */
  readSome(workers: readonly MeasuredWorker[], isMoving: (worker: MeasuredWorker) => boolean = () => false): void {
    workers.forEach((worker, index) => {
      if (isMoving(worker) || index % processSharePeriod === this.turn % processSharePeriod || !this.readings.has(worker.pids[0] ?? 0)) this.readWorker(worker);
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

  get ownPrivateBytes(): number | null {
    return this.privateBytes([this.ownPid]);
  }

  /** Memory of these processes together that nobody else has a share in; null where one of them cannot be read. */
  privateBytes(pids: readonly number[]): number | null {
    return this.sum(pids, (reading) => reading.privateBytes);
  }

  /** Files and shared memory that these processes have mapped, once for each program: the most that one of its processes has. */
  programBytes(pids: readonly number[]): number | null {
    const byProgram = new Map<string, number>();
    for (const pid of pids) {
      const reading = this.readings.get(pid);
      if (reading === undefined) continue;
      if (reading.mappedFileBytes === null) return null;
      byProgram.set(reading.program, Math.max(byProgram.get(reading.program) ?? 0, reading.mappedFileBytes));
    }
    return [...byProgram.values()].reduce((total, bytes) => total + bytes, 0);
  }

  pageTableBytes(pids: readonly number[]): number | null {
    return this.sum(pids, (reading) => reading.pageTableBytes);
  }

  threads(pids: readonly number[]): number | null {
    return this.sum(pids, (reading) => reading.threads);
  }

  /** Descriptor tables of these processes that are in no slab. */
  descriptorTableBytes(pids: readonly number[]): number | null {
    return this.sum(pids, ({ descriptorSlots }) => {
      if (descriptorSlots === null) return null;
      const bytes = descriptorSlots * descriptorSlotBytes;
      return bytes > largestSlabBytes ? bytes : 0;
    });
  }

  /** One value that is not known makes the sum unknown. */
  private sum(pids: readonly number[], valueOf: (reading: ProcessMemory) => number | null): number | null {
    let total = 0;
    for (const pid of pids) {
      const reading = this.readings.get(pid);
      const value = reading === undefined ? 0 : valueOf(reading);
      if (value === null) return null;
      total += value;
    }
    return total;
  }

  private readWorker({ pids }: MeasuredWorker): void {
    for (const pid of pids) this.readOne(pid);
  }

  private readOwn(): void {
    this.readOne(this.ownPid);
  }

  /** A process that is gone holds nothing. */
  private readOne(pid: number): void {
    const reading = this.read(pid);
    if (reading === undefined) this.readings.delete(pid);
    else this.readings.set(pid, reading);
  }
}
