import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { setPriority } from 'node:os';
import { writeFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import * as v from 'valibot';
import { HumanError } from '../core/errors.js';
import { readOutOfMemoryKills } from '../linux/procfs.js';
import { identityOf, runMarkerVariable, signalProcess, type ProcessIdentity } from '../linux/process.js';
import { capacityOf } from './room.js';
import type { RunEventBody } from '../protocol/events.js';
import { encodeLine, LineSplitter } from '../protocol/lines.js';
import type { Plan } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';
import { workerMessageSchema, type WorkerCommand, type WorkerMessage, type WorkerStats } from '../protocol/worker.js';

/** Weight 110 of 1024 in the scheduler: a hundred busy workers on two cores still leave sshd a sixth of a core at once. */
const workerNice = 10;
/** If anything must die of memory pressure, it is a worker. */
const highestOomScore = '1000';
/** Lines of a worker's stderr that are kept for the event of its end. */
const keptLines = 20;
/** Starting Node takes 40 ms of CPU, so a hundred workers on two cores take seconds. */
const readyTimeoutMs = 30_000;
const readyTimeoutPerWorkerMs = 500;

export interface WorkerPoolOptions {
  runId: string;
  workerPath: string;
  /** The run's directory: working directory of the workers, and where a command's output goes. */
  directory: string;
  spec: RunSpec;
  emit(event: RunEventBody): void;
  /** A worker ended that was wanted. */
  onLost(reason: string): void;
  /** The processes of the run changed. */
  onProcesses(identities: ProcessIdentity[]): void;
}

export interface Burst {
  messages: number;
  bytes: number;
  lost: number;
  elapsedMs: number;
}

/** One worker process, as the supervisor sees it. Owns the process until it ended. */
export class Worker {
  readonly ended: Promise<void>;
  identity: ProcessIdentity | undefined;
  pids: number[] = [];
  nofile = 0;
  isReady = false;
  hasEnded = false;
  isEnding = false;
  stats: WorkerStats | undefined;
  /** Connections this worker was last told to hold (client). */
  target = 0;
  readonly lastLines: string[] = [];
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;

  constructor(
    readonly id: string,
    readonly role: 'server' | 'client',
    readonly planned: number,
    /** Connections it can hold at most. */
    readonly capacity: number,
    options: { workerPath: string; directory: string; runId: string },
    onMessage: (worker: Worker, message: WorkerMessage) => void,
    onEnd: (worker: Worker, exitCode: number | null, signal: string | null) => void,
  ) {
    this.child = spawn(process.execPath, [options.workerPath], {
      cwd: options.directory,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, [runMarkerVariable]: options.runId },
    });
    const { pid } = this.child;
    if (pid !== undefined) {
      this.identity = identityOf(pid);
      this.pids = [pid];
      yieldToOthers(pid);
    }
    const output = new LineSplitter((line) => this.receive(line, onMessage));
    const errors = new LineSplitter((line) => this.keepLine(line), undefined, 64 * 1024);
    this.child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    this.child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    // A write after its end is reported by the end itself.
    this.child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const end = (exitCode: number | null, signal: string | null) => {
        if (this.hasEnded) return;
        this.hasEnded = true;
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

  /** Connections open on this worker. */
  get open(): number {
    return (this.stats?.tcp?.open ?? 0) + (this.stats?.websocket?.open ?? 0);
  }

  keepLine(line: string): void {
    this.lastLines.push(line.slice(0, 500));
    if (this.lastLines.length > keptLines) this.lastLines.shift();
  }

  private receive(line: string, onMessage: (worker: Worker, message: WorkerMessage) => void): void {
    const parsed = v.safeParse(workerMessageSchema, parseJson(line));
    if (parsed.success) onMessage(this, parsed.output);
    else this.keepLine(line);
  }
}

function yieldToOthers(pid: number): void {
  try {
    setPriority(pid, workerNice);
    writeFileSync(`/proc/${pid}/oom_score_adj`, highestOomScore);
  } catch {
    // It is gone already; its end is an event of its own.
  }
}

/** All workers of a run. */
export class WorkerPool {
  private workers: Worker[] = [];
  private nextOrder = 1;
  private readonly outOfMemoryKills = readOutOfMemoryKills();
  private readonly bursts = new Map<number, { left: number; total: Burst; settle: (total: Burst) => void }>();

  constructor(private readonly options: WorkerPoolOptions) {}

  get servers(): Worker[] {
    return this.workers.filter((worker) => worker.role === 'server');
  }
  get clients(): Worker[] {
    return this.workers.filter((worker) => worker.role === 'client');
  }
  /** Connections that the clients can hold at most. */
  get capacity(): number {
    return this.clients.reduce((sum, worker) => sum + worker.capacity, 0);
  }
  get all(): readonly Worker[] {
    return this.workers;
  }

  /** Starts the workers of the plan and resolves when all are ready. Rejects when one ends, by the timeout or by the signal. */
  async start(plan: Plan, signal: AbortSignal): Promise<void> {
    const { spec, directory } = this.options;
    for (const server of plan.serverWorkers) {
      this.spawn(server.id, 'server', server.connections, server.connections).send({
        type: 'configure',
        role: 'server',
        engine: plan.engine,
        plan: server,
        websocketPath: spec.websocketPath,
        ...(spec.command === undefined ? {} : { command: spec.command }),
        outputDirectory: directory,
      });
    }
    for (const client of plan.clientWorkers) {
      this.spawn(client.id, 'client', client.connections, capacityOf(client)).send({
        type: 'configure',
        role: 'client',
        plan: client,
        websocketPath: spec.websocketPath,
        ...(spec.traffic === undefined ? {} : { traffic: spec.traffic }),
      });
    }
    this.reportProcesses();
    const deadline = performance.now() + readyTimeoutMs + readyTimeoutPerWorkerMs * this.workers.length;
    while (!this.workers.every((worker) => worker.isReady)) {
      signal.throwIfAborted();
      const late = this.workers.filter((worker) => !worker.isReady);
      if (performance.now() > deadline) throw new HumanError(`${late.length} of ${this.workers.length} workers were not ready in time.`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Divides the target over the client workers by what each can hold. */
  setTarget(total: number, ratePerSecond: number): void {
    const clients = this.clients.filter((worker) => !worker.hasEnded);
    const shares = divideTarget(total, clients);
    clients.forEach((worker, index) => {
      worker.target = shares[index]!;
      // Proportional to what it still has to do; never 0, which would mean as fast as possible.
      const rate = ratePerSecond === 0 ? 0 : (ratePerSecond * shares[index]!) / Math.max(1, total);
      worker.send({ type: 'target', connections: worker.target, rate: ratePerSecond === 0 ? 0 : Math.max(0.01, rate) });
    });
  }

  /** Stops the ramp where it is. */
  freeze(): void {
    for (const worker of this.clients) {
      worker.target = Math.min(worker.target, worker.open);
      worker.send({ type: 'target', connections: worker.target, rate: 0 });
    }
  }

  burst(messages: number, bytes: number): Promise<Burst> {
    const clients = this.clients.filter((worker) => !worker.hasEnded);
    const order = this.nextOrder++;
    const begin = performance.now();
    return new Promise((resolve) => {
      const settle = (total: Burst) => {
        this.bursts.delete(order);
        resolve({ ...total, elapsedMs: performance.now() - begin });
      };
      this.bursts.set(order, { left: clients.length, total: { messages: 0, bytes: 0, lost: 0, elapsedMs: 0 }, settle });
      for (const worker of clients) worker.send({ type: 'burst', order, messages, bytes });
      if (clients.length === 0) settle({ messages: 0, bytes: 0, lost: 0, elapsedMs: 0 });
    });
  }

  /** Ends all workers. Whoever does not follow within the grace is killed. */
  async end(graceMs: number): Promise<void> {
    // Both sides at once: each resets its sockets, so no TIME_WAIT is left, and no client connects anew to a server that is going.
    await this.endGroup(this.workers, graceMs);
    this.workers = this.workers.filter((worker) => !worker.hasEnded);
    this.reportProcesses();
  }

  private async endGroup(workers: Worker[], graceMs: number): Promise<void> {
    for (const worker of workers) worker.stop();
    const ended = Promise.all(workers.map((worker) => worker.ended));
    const timer = setTimeout(() => {
      for (const worker of workers) if (!worker.hasEnded) worker.kill();
    }, graceMs);
    await ended;
    clearTimeout(timer);
  }

  private spawn(id: string, role: 'server' | 'client', planned: number, capacity: number): Worker {
    const worker = new Worker(
      id,
      role,
      planned,
      capacity,
      this.options,
      (from, message) => this.receive(from, message),
      (from, exitCode, signal) => this.onEnd(from, exitCode, signal),
    );
    this.workers.push(worker);
    this.options.emit({ type: 'worker', id, role, state: 'started', ...(worker.identity === undefined ? {} : { pid: worker.identity.pid }) });
    return worker;
  }

  private receive(worker: Worker, message: WorkerMessage): void {
    switch (message.type) {
      case 'ready':
        worker.isReady = true;
        worker.pids = message.pids;
        worker.nofile = message.nofile;
        this.options.emit({ type: 'worker', id: worker.id, role: worker.role, state: 'ready' });
        this.reportProcesses();
        return;
      case 'stats':
        worker.stats = message;
        return;
      case 'burstDone':
        this.countBurst(message);
        return;
      case 'log':
        this.options.emit({ type: 'log', level: message.level, text: `${worker.id}: ${message.text}` });
        return;
      case 'fatal':
        worker.keepLine(message.text);
        this.options.emit({ type: 'log', level: 'error', text: `${worker.id}: ${message.text}` });
        return;
    }
  }

  private countBurst(message: Extract<WorkerMessage, { type: 'burstDone' }>): void {
    const burst = this.bursts.get(message.order);
    if (burst === undefined) return;
    burst.total.messages += message.messages;
    burst.total.bytes += message.bytes;
    burst.total.lost += message.lost;
    if (--burst.left === 0) burst.settle(burst.total);
  }

  private onEnd(worker: Worker, exitCode: number | null, signal: string | null): void {
    this.options.emit({
      type: 'worker',
      id: worker.id,
      role: worker.role,
      state: 'exited',
      ...(worker.identity === undefined ? {} : { pid: worker.identity.pid }),
      exitCode,
      signal,
      ...(worker.lastLines.length === 0 ? {} : { lastLines: [...worker.lastLines] }),
    });
    for (const burst of this.bursts.values()) if (worker.role === 'client' && --burst.left === 0) burst.settle(burst.total);
    if (worker.isEnding) return;
    const starved = signal === 'SIGKILL' && readOutOfMemoryKills() > this.outOfMemoryKills;
    const how = signal === null ? `with code ${exitCode ?? 'unknown'}` : `by ${signal}${starved ? ', killed by the kernel for want of memory' : ''}`;
    const words = worker.lastLines.at(-1);
    this.options.onLost(`The ${worker.role} worker ${worker.id} ended ${how}${words === undefined ? '' : `: ${words}`}.`);
  }

  private reportProcesses(): void {
    const pids = this.workers.filter((worker) => !worker.hasEnded).flatMap((worker) => worker.pids);
    this.options.onProcesses(pids.map(identityOf).filter((identity) => identity !== undefined));
  }
}

/** Divides a target: up to the planned sum in the planned proportion, and what is above it over the room that is left. */
export function divideTarget(total: number, workers: readonly { planned: number; capacity: number }[]): number[] {
  const planned = workers.map((worker) => worker.planned);
  const sum = planned.reduce((a, b) => a + b, 0);
  const base = divide(Math.min(total, sum), planned);
  const extra = divide(
    Math.max(0, total - sum),
    workers.map((worker) => Math.max(0, worker.capacity - worker.planned)),
  );
  return base.map((share, index) => share + extra[index]!);
}

/** Divides a whole number in proportion to the capacities, without a rest and without passing a capacity while others have room. */
export function divide(total: number, capacities: readonly number[]): number[] {
  const sum = capacities.reduce((a, b) => a + b, 0);
  if (sum === 0) return capacities.map(() => 0);
  const shares = capacities.map((capacity) => Math.floor((total * capacity) / sum));
  let rest = total - shares.reduce((a, b) => a + b, 0);
  for (let index = 0; rest > 0; index = (index + 1) % shares.length) {
    if (shares[index]! < capacities[index]! || total >= sum) {
      shares[index]!++;
      rest--;
    }
  }
  return shares;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
