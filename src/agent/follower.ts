import { connect, type Socket } from 'node:net';
import { LineSplitter } from '../files/lines.js';
import { sleep } from '../files/sleep.js';
import { encodeLine } from '../protocol/lines.js';
import { closeAbandoned } from './restoration/restore.js';
import { readEvents } from './spool.js';
import { conditionOfRun } from './restoration/runCondition.js';
import type { RunDirectory } from './stateDirectory.js';
import { SysctlFiles } from '../linux/sysctlFiles.js';

/** A supervisor that was just started, or a guardian that is just closing the run. */
const retryMs = 50;
/** A supervisor that is stopped keeps its socket open and says nothing. Its guardian ends it; where that is stopped too, we do. */
const watchMs = 1_000;

/**
 * Passes a run's events on to the controller without a gap: live from the supervisor while it lives, from the spool when it does
 * not, and up to the summary that the guardian (or, if that died too, this relay) appends.
 */
export class Follower {
  private socket: Socket | undefined;
  private nextSeq: number;
  private isClosed = false;
  private isOver = false;
  private watch: NodeJS.Timeout | undefined;

  constructor(
    private readonly run: RunDirectory,
    fromSeq: number,
    private readonly output: NodeJS.WritableStream,
    private readonly lockPath: string,
  ) {
    this.nextSeq = fromSeq;
  }

  get runId(): string {
    return this.run.runId;
  }

  /** Resolves when orders can be passed on, or when everything there will ever be was passed on. */
  async begin(): Promise<void> {
    while (!this.isClosed && !this.isOver) {
      // A supervisor that is stopped would accept, too: the kernel does that for it.
      if (conditionOfRun(this.run) !== 'abandoned' && (await this.connect())) return;
      await this.readOn();
    }
  }

  /** False when no supervisor is there to obey. */
  send(command: unknown): boolean {
    if (this.socket === undefined || this.socket.destroyed) return false;
    this.socket.write(encodeLine(command));
    return true;
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.watch);
    this.socket?.destroy();
  }

  private connect(): Promise<boolean> {
    return new Promise((resolve) => {
      let socket: Socket;
      try {
        // A socket's path may have 107 bytes only; connect(2) is called before this returns.
        process.chdir(this.run.path);
        socket = connect(this.run.socketName);
        process.chdir('/');
      } catch {
        resolve(false);
        return;
      }
      const splitter = new LineSplitter((line) => this.pass(line));
      socket.on('data', (chunk: Buffer) => {
        splitter.write(chunk);
        // A slow link: the supervisor must feel it, not our memory.
        const output = this.output as NodeJS.WritableStream & { writableNeedDrain?: boolean };
        if (output.writableNeedDrain === true) {
          socket.pause();
          output.once('drain', () => socket.resume());
        }
      });
      socket.on('connect', () => {
        this.socket = socket;
        this.watch = setInterval(() => {
          if (conditionOfRun(this.run) === 'abandoned') socket.destroy();
        }, watchMs);
        socket.write(encodeLine({ type: 'follow', fromSeq: this.nextSeq }));
        resolve(true);
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        const wasConnected = this.socket === socket;
        if (wasConnected) {
          this.socket = undefined;
          clearInterval(this.watch);
        }
        resolve(false);
        if (wasConnected && !this.isClosed && !this.isOver) void this.begin();
      });
    });
  }

  /** No supervisor answers: reads what the spool has, and closes the run when nobody else is left to do it. */
  private async readOn(): Promise<void> {
    for (const { seq, line } of readEvents(this.run.spoolPath)) if (seq >= this.nextSeq) this.pass(line);
    if (this.isOver) return;
    const condition = conditionOfRun(this.run);
    if (condition === 'running') {
      await sleep(retryMs);
      return;
    }
    // It goes on after all.
    if (condition === 'abandoned' && (await closeAbandoned(this.run, new SysctlFiles(), this.lockPath)) === undefined) return;
    for (const { seq, line } of readEvents(this.run.spoolPath)) if (seq >= this.nextSeq) this.pass(line);
    this.isOver = true;
  }

  private pass(line: string): void {
    const seq = Number(/^\{"seq":(\d+)/.exec(line)?.[1] ?? Number.NaN);
    if (Number.isInteger(seq)) {
      if (seq < this.nextSeq) return;
      this.nextSeq = seq + 1;
      if (/"type":"summary"/.test(line.slice(0, 100))) this.isOver = true;
    }
    if (!this.isClosed) this.output.write(`${line}\n`);
  }
}
