import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import * as v from 'valibot';
import { setOomScoreAdjust } from '../../linux/limits.js';
import { identityOf, runMarkVariable, signalProcess, type ProcessIdentity } from '../../linux/process.js';
import { LineSplitter } from '../../files/lines.js';
import { encodeLine, parseLine } from '../../protocol/lines.js';
import { workerMessageSchema, type ClientMessages, type WorkerCommand, type WorkerMessage, type WorkerStats } from '../../protocol/worker.js';

/** Weight 110 of 1024 in the scheduler: a hundred busy workers on two cores still leave sshd a sixth of a core at once. */
const workerNice = 10;
/** If anything must die of memory pressure, it is a worker. */
const highestOomScore = 1_000;
/** Lines of a worker's stderr that are kept for the event of its end. */
const keptLines = 20;
/** One worker process, as the supervisor sees it. Owns the process until it ended. */
export class Worker {
  readonly ended: Promise<void>;
  identity: ProcessIdentity | undefined;
  /** Processes whose memory counts for it. */
  pids: number[] = [];
  /** Those of them that the run did not start: never ended. */
  notOurs: ReadonlySet<number> = new Set();
  /** The name of the user's server. */
  program: string | undefined;
  nofile = 0;
  isReady = false;
  hasEnded = false;
  isEnding = false;
  /** It ended although it was wanted. */
  hasDied = false;
  stats: WorkerStats | undefined;
  /** What became of its messages, as last reported. */
  messages: ClientMessages | undefined;
  /** Connections this worker was last ordered to hold (client). */
  target = 0;
  readonly lastLines: string[] = [];
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;

  constructor(
    readonly id: string,
    readonly role: 'server' | 'client',
    readonly planned: number,
    /** Connections it can hold at most. */
    readonly capacity: number,
    options: { workerPath: string; directory: string; mark: string; environment: Readonly<Record<string, string>> },
    onMessage: (worker: Worker, message: WorkerMessage) => void,
    onEnd: (worker: Worker, exitCode: number | null, signal: string | null) => void,
  ) {
    this.child = spawn(process.execPath, [options.workerPath], {
      cwd: options.directory,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment, [runMarkVariable]: options.mark },
    });
    const { pid } = this.child;
    if (pid !== undefined) {
      this.identity = identityOf(pid);
      this.pids = [pid];
      yieldToOthers(pid);
    }
    const output = new LineSplitter((line) => this.receive(line, onMessage));
    const errors = new LineSplitter((line) => this.keepLine(line), undefined, 64 * 1024);
    this.child.stdout.on('data', (chunk: Buffer) => output.write(chunk));
    this.child.stderr.on('data', (chunk: Buffer) => errors.write(chunk));
    // A write after its end is reported by the end itself.
    this.child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const end = (exitCode: number | null, signal: string | null) => {
        if (this.hasEnded) return;
        this.hasEnded = true;
        this.hasDied = !this.isEnding;
        onEnd(this, exitCode, signal);
        resolve();
      };
      this.child.on('error', (error) => {
        this.keepLine(error.message);
        if (pid === undefined) end(null, null);
      });
      this.child.on('close', (exitCode, signal) => end(exitCode, signal));
    });
  }

  send(command: WorkerCommand): void {
    if (!this.hasEnded) this.child.stdin.write(encodeLine(command));
  }

  stop(): void {
    this.isEnding = true;
    this.send({ type: 'stop' });
  }

  kill(): void {
    this.isEnding = true;
    if (this.identity !== undefined) signalProcess(this.identity, 'SIGKILL');
    else this.child.kill('SIGKILL');
  }

  /** Stores what it reports of itself. */
  acceptStats(stats: WorkerStats): void {
    this.stats = stats;
    this.messages = stats.messages ?? this.messages;
  }

  /** It holds what it was ordered to hold, or can open no more. */
  get isDone(): boolean {
    if (this.stats?.frozen === true) return this.stats.connecting === 0;
    return this.open === this.target || this.stats?.blocked !== undefined;
  }

  /** Connections open on this worker. */
  get open(): number {
    return (this.stats?.tcp?.open ?? 0) + (this.stats?.websocket?.open ?? 0);
  }

  keepLine(line: string): void {
    this.lastLines.push(line.slice(0, 500));
    if (this.lastLines.length > keptLines) this.lastLines.shift();
  }

  private receive(line: string, onMessage: (worker: Worker, message: WorkerMessage) => void): void {
    const parsed = v.safeParse(workerMessageSchema, parseLine(line));
    if (parsed.success) onMessage(this, parsed.output);
    else this.keepLine(line);
  }
}

function yieldToOthers(pid: number): void {
  try {
    setPriority(pid, workerNice);
    setOomScoreAdjust(highestOomScore, pid);
  } catch {
    // It is gone already; its end is an event of its own.
  }
}
