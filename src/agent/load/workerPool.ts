import { availableParallelism } from 'node:os';
import { HumanError } from '../../core/errors.js';
import { sleep } from '../../files/sleep.js';
import { readOutOfMemoryKills } from '../../linux/procfs.js';
import { findMemoryDaemons, killerText } from '../../linux/tasks.js';
import { identityOf, type ProcessIdentity } from '../../linux/process.js';
import type { RunEventBody } from '../../protocol/events.js';
import type { Plan } from '../../protocol/plan.js';
import { isForeign, type RunSpec } from '../../protocol/spec.js';
import { defaultStartTimeoutSeconds } from '../../protocol/specValues.js';
import type { WorkerMessage } from '../../protocol/worker.js';
import { openingOf } from '../../core/opening/openings.js';
import type { AttachedServer } from '../../core/plan/attachTarget.js';
import { divideTarget } from '../../core/plan/division.js';
import { capacityOf } from './room.js';
import { tlsConfiguration } from './tlsConfiguration.js';
import { Worker } from './workerProcess.js';

/** Starting Node takes 40 ms of CPU, so a hundred workers on two cores take seconds. */
const readyTimeoutMs = 30_000;
/** The worker of a command reports by itself, and in better words, that its server does not listen. */
const commandSpareMs = 10_000;
const readyTimeoutPerWorkerMs = 500;
/** Workers that start at the same time, for each core: hundreds at once would leave no time to the supervisor, and its guardian would end the run. */
const startingPerCore = 4;

/** The kernel frees a socket in about 5 µs; a worker that lives longer than this after SIGKILL is stuck in the kernel, and is reported as left behind. */
const killTimeoutMs = 60_000;

/** A worker goes back to its commands each 20 ms; one that takes longer is counted as it reported last. */
const answerMs = 200;
/** Counting a million sockets takes half a second. */
const countMs = 5_000;
const lookMs = 2;

export interface WorkerPoolOptions {
  /** Of everything that the run starts (`RunTraces`). */
  mark: string;
  workerPath: string;
  /** The run's directory: working directory of the workers, and where a command's output goes. */
  directory: string;
  spec: RunSpec;
  /** Values of `{env:NAME}` in what clients say. */
  secrets: Readonly<Record<string, string>>;
  /** The server that runs already. */
  attached?: AttachedServer;
  emit(event: RunEventBody): void;
  /** A worker ended that was wanted. */
  onLost(reason: string): void;
  /** A worker has reported its counts. */
  onStats?(worker: Worker): void;
  /** The processes of the run changed. */
  onProcesses(identities: ProcessIdentity[]): void;
}

export interface Burst {
  messages: number;
  bytes: number;
  lost: number;
  elapsedMs: number;
}

/**
 * glibc gives each thread an arena of its own; Node's helper threads then hold 1.6 MB that nobody uses again (measured: 13.9 against 12.3 MB of anonymous
 * pages a worker, at the same rate). A server of the user gets its own environment unchanged.
 */
const allocatorVariables = { MALLOC_ARENA_MAX: '1' };

/** All workers of a run. */
export class WorkerPool {
  private workers: Worker[] = [];
  /** The clients have freed their TLS sessions: nothing can be sent. */
  isParked = false;
  private nextOrder = 1;
  private readonly outOfMemoryKills = readOutOfMemoryKills();
  /** Workers that have not answered yet. */
  private readonly asked = new Set<Worker>();
  private readonly bursts = new Map<number, { left: Set<Worker>; messages: number; total: Burst; settle: (total: Burst) => void }>();

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
    const tls = spec.tls && tlsConfiguration(spec.tls, plan);
    this.isParked = tls?.client.park === true;
    const waiting: (() => void)[] = [];
    const { opening } = spec;
    let firstConnection = 0;
    for (const server of plan.serverWorkers)
      waiting.push(() =>
        this.spawn(server.id, 'server', server.connections, server.connections).send({
          type: 'configure',
          role: 'server',
          engine: plan.engine,
          plan: server,
          websocketPath: spec.websocketPath,
          ...(spec.command === undefined ? {} : { command: spec.command }),
          ...(spec.workingDirectory === undefined ? {} : { workingDirectory: spec.workingDirectory }),
          ...(this.options.attached === undefined ? {} : { attached: this.options.attached.server }),
          ...(spec.configTemplate === undefined ? {} : { configTemplate: spec.configTemplate }),
          ...(spec.startTimeoutSeconds === undefined ? {} : { startTimeoutSeconds: spec.startTimeoutSeconds }),
          outputDirectory: directory,
          ...(tls === undefined ? {} : { tls: tls.server }),
        }),
      );
    for (const client of plan.clientWorkers) {
      const first = firstConnection;
      firstConnection += capacityOf(client);
      waiting.push(() =>
        this.spawn(client.id, 'client', client.connections, capacityOf(client)).send({
          type: 'configure',
          role: 'client',
          ...(opening === undefined ? {} : { opening: openingOf(opening) }),
          secrets: this.options.secrets,
          firstConnection: first,
          reconnect: spec.reconnect,
          ...(spec.websocket === undefined ? {} : { websocket: spec.websocket }),
          plan: client,
          websocketPath: spec.websocketPath,
          ...(spec.traffic === undefined ? {} : { traffic: spec.traffic }),
          ...(tls === undefined ? {} : { tls: tls.client }),
        }),
      );
    }
    const count = waiting.length;
    const atOnce = startingPerCore * availableParallelism();
    const commandMs =
      plan.engine === 'command' && plan.serverWorkers.length > 0 ? (spec.startTimeoutSeconds ?? defaultStartTimeoutSeconds) * 1_000 + commandSpareMs : 0;
    const deadline = performance.now() + Math.max(readyTimeoutMs, commandMs) + readyTimeoutPerWorkerMs * count;
    for (;;) {
      signal.throwIfAborted();
      const unready = this.workers.filter((worker) => !worker.isReady);
      const late = unready.length;
      if (late === 0 && waiting.length === 0) return;
      if (performance.now() > deadline) throw new HumanError(lateText(late + waiting.length, count, unready, plan.engine));
      const started = waiting.splice(0, atOnce - late);
      for (const begin of started) begin();
      if (started.length > 0) this.reportProcesses();
      await sleep(10, signal);
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

  /** Stops the ramp where it is: nothing more is opened, and nothing is closed. */
  freeze(): void {
    for (const worker of this.clients) worker.send({ type: 'freeze' });
  }

  /** What the clients hold is what they are to hold; returns how many that are. */
  keepOpen(): number {
    for (const worker of this.clients) worker.target = worker.open;
    return this.clients.reduce((sum, worker) => sum + worker.target, 0);
  }

  /**
   * Has all workers report their counts now, so that they are of the same moment. Resolves when they have, or when one is late. `exactly`: a server of
   * the user counts what it holds instead of estimating it.
   */
  async refresh(exactly = false): Promise<void> {
    const living = this.workers.filter((worker) => !worker.hasEnded);
    for (const worker of living) {
      this.asked.add(worker);
      worker.send({ type: 'report', ...(exactly && worker.role === 'server' ? { exactly } : {}) });
    }
    const late = () => living.filter((worker) => this.asked.has(worker) && !worker.hasEnded);
    await this.until(() => late().length === 0, answerMs);
    if (exactly && isForeign(this.options.spec.engine)) await this.until(() => !late().some(({ role }) => role === 'server'), countMs);
  }

  /** Has the clients plan no more messages and wait so long for those under way. Resolves when they have reported what became of all. */
  async concludeMessages(graceMs: number): Promise<void> {
    const clients = this.clients.filter((worker) => !worker.hasEnded);
    for (const worker of clients) worker.send({ type: 'conclude', graceMs });
    await this.until(() => clients.every((worker) => worker.hasEnded || worker.messages?.concluded === true), graceMs + answerMs);
  }

  private async until(isSo: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!isSo() && performance.now() < deadline) await sleep(lookMs);
  }

  /** Has the clients prove their connections, see `worker/proof.ts`. */
  prove(): void {
    for (const worker of this.clients) if (!worker.hasEnded) worker.send({ type: 'prove' });
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
      this.bursts.set(order, { left: new Set(clients), messages, total: { messages: 0, bytes: 0, lost: 0, elapsedMs: 0 }, settle });
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
    let giveUp: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (giveUp = setTimeout(resolve, graceMs + killTimeoutMs)));
    await Promise.race([ended, limit]);
    clearTimeout(timer);
    clearTimeout(giveUp);
  }

  private spawn(id: string, role: 'server' | 'client', planned: number, capacity: number): Worker {
    const worker = new Worker(
      id,
      role,
      planned,
      capacity,
      { ...this.options, environment: role === 'server' && isForeign(this.options.spec.engine) ? {} : allocatorVariables },
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
        worker.notOurs = new Set(message.notOurs ?? []);
        worker.program = message.program ?? worker.program;
        worker.nofile = message.nofile;
        this.options.emit({ type: 'worker', id: worker.id, role: worker.role, state: 'ready' });
        // The user's own server has processes that were not known when it was started.
        if (message.pids.some((pid) => pid !== worker.identity?.pid)) this.reportProcesses();
        return;
      case 'stats':
        worker.acceptStats(message);
        if (message.asked === true) this.asked.delete(worker);
        this.options.onStats?.(worker);
        return;
      case 'burstDone':
        this.countBurst(worker, message);
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

  private countBurst(worker: Worker, message: Extract<WorkerMessage, { type: 'burstDone' }>): void {
    const burst = this.bursts.get(message.order);
    if (burst?.left.delete(worker) !== true) return;
    burst.total.messages += message.messages;
    burst.total.bytes += message.bytes;
    burst.total.lost += message.lost;
    if (burst.left.size === 0) burst.settle(burst.total);
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
    for (const burst of this.bursts.values()) {
      if (!burst.left.delete(worker)) continue;
      // How much of it had come back is not known.
      burst.total.lost += burst.messages * worker.open;
      if (burst.left.size === 0) burst.settle(burst.total);
    }
    if (worker.isEnding) return;
    const starved = signal === 'SIGKILL' && readOutOfMemoryKills() > this.outOfMemoryKills;
    const words = worker.lastLines.at(-1);
    // Its own code says less than its words, which may name another one: that of the user's server.
    const code = words === undefined ? ` with code ${exitCode ?? 'unknown'}` : '';
    const how = signal === null ? code : ` by ${signal}${signal === 'SIGKILL' ? killerText(starved, starved ? [] : findMemoryDaemons()) : ''}`;
    this.options.onLost(`The ${worker.role} worker ${worker.id} ended${how}${words === undefined ? '' : `: ${words.replace(/\.$/, '')}`}.`);
  }

  private reportProcesses(): void {
    const identities = this.workers
      .filter((worker) => !worker.hasEnded)
      // The worker of a command is not among the processes that are measured for it, but it is ours to end.
      .flatMap((worker) => [worker.identity, ...worker.pids.filter((pid) => pid !== worker.identity?.pid && !worker.notOurs.has(pid)).map(identityOf)]);
    this.options.onProcesses(identities.filter((identity) => identity !== undefined));
  }
}

/** So many late workers are named. */
const namedWorkers = 3;

function lateText(late: number, count: number, unready: readonly Worker[], engine: Plan['engine']): string {
  const names = unready.slice(0, namedWorkers).map((worker) => worker.id);
  const named = names.length === 0 ? '' : `: ${names.join(', ')}${late > names.length ? ', …' : ''}`;
  const isOwnServer = engine === 'command' && unready.some((worker) => worker.role === 'server');
  return `${late} of ${count} workers were not ready in time${named}.${isOwnServer ? ' Your command runs, but does not listen on all of C10M_PORTS at C10M_ADDRESS.' : ''}`;
}
