import * as v from 'valibot';
import { identityOf, isAlive, signalProcess, waitForEnd, type ProcessIdentity } from '../../linux/process.js';
import { LineSplitter } from '../../files/lines.js';
import { parseLine } from '../../protocol/lines.js';
import { closeRun } from './cleanup.js';
import { identitySchema } from '../startLock.js';
import type { RunDirectory } from '../stateDirectory.js';
import type { SysctlFiles } from '../../linux/sysctlFiles.js';

/** What the supervisor reports to its guardian over the pipe. */
export const guardianMessageSchema = v.variant('type', [
  v.object({ type: v.literal('beat') }),
  v.object({ type: v.literal('processes'), workers: v.array(identitySchema) }),
  /** The run ended in order: there is nothing to guard. */
  v.object({ type: v.literal('done') }),
]);
export type GuardianMessage = v.InferOutput<typeof guardianMessageSchema>;

export const beatIntervalMs = 1_000;
const checkIntervalMs = 500;
/** A supervisor that is silent for this long hangs. Never longer than the lease. */
const longestSilenceMs = 30_000;
/** If our own timer came this late, the whole machine stood still (a suspended VM), not the supervisor. */
const standstillMs = 5_000;
const deathTimeoutMs = 2_000;

/**
 * The guardian of a run: outlives the supervisor, in a session of its own, and does its last duties when it dies or hangs. It
 * notices the death by the end of the pipe, however it came.
 */
export class Guardian {
  private workers: ProcessIdentity[] = [];
  private lastBeat = performance.now();
  private lastCheck = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private isActing = false;

  constructor(
    private readonly run: RunDirectory,
    private readonly supervisor: ProcessIdentity,
    private readonly sysctls: SysctlFiles,
    private readonly isolated: boolean,
    private readonly leaseSeconds: number,
  ) {}

  /** Resolves when the guardian is needed no more. */
  watch(input: NodeJS.ReadableStream): Promise<void> {
    return new Promise((resolve, reject) => {
      const act = (reason: string) => {
        if (this.isActing) return;
        this.isActing = true;
        clearInterval(this.timer);
        this.takeOver(reason).then(resolve, reject);
      };
      const splitter = new LineSplitter((line) => {
        if (this.receive(line)) {
          this.isActing = true;
          clearInterval(this.timer);
          resolve();
        }
      });
      input.on('data', (chunk: Buffer) => splitter.write(chunk));
      input.on('end', () => act('The supervisor on the host was killed.'));
      input.on('error', () => act('The supervisor on the host was killed.'));
      this.timer = setInterval(() => {
        if (this.hangs()) act('The supervisor on the host did not answer any more.');
      }, checkIntervalMs);
    });
  }

  /** True when the run ended in order. */
  private receive(line: string): boolean {
    const parsed = v.safeParse(guardianMessageSchema, parseLine(line));
    if (!parsed.success) return false;
    this.lastBeat = performance.now();
    if (parsed.output.type === 'processes') this.workers = parsed.output.workers;
    return parsed.output.type === 'done';
  }

  private hangs(): boolean {
    const now = performance.now();
    const stoodStill = now - this.lastCheck > standstillMs;
    this.lastCheck = now;
    if (stoodStill) this.lastBeat = now;
    return now - this.lastBeat > Math.min(longestSilenceMs, this.leaseSeconds * 800);
  }

  private async takeOver(reason: string): Promise<void> {
    const left = await waitForEnd([this.supervisor], identityOf(this.supervisor.pid) === undefined ? 0 : 200);
    if (left.length > 0 && isAlive(this.supervisor)) {
      signalProcess(this.supervisor, 'SIGKILL');
      await waitForEnd([this.supervisor], deathTimeoutMs);
    }
    this.record();
    await closeRun(this.run, reason, this.sysctls, { workers: this.workers, isInside: this.isolated });
  }

  /**
   * A supervisor may die before it has recorded its new guardian, and the mark is looked for only while the run has not ended. Stopped
   * between that end and its own, an unrecorded guardian would hold the host's lock as a process that belongs to no run.
   */
  private record(): void {
    const state = this.run.readState();
    const guardian = identityOf(process.pid);
    if (state === undefined || guardian === undefined || state.guardian?.pid === guardian.pid) return;
    try {
      this.run.writeState({ ...state, guardian });
    } catch {
      // A full disk: the mark has to do.
    }
  }
}
