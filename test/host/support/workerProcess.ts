import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { LineSplitter } from '../../../src/files/lines.js';
import { encodeLine } from '../../../src/protocol/lines.js';
import { workerMessageSchema, type ClientMessages, type WorkerCommand, type WorkerMessage, type WorkerStats } from '../../../src/protocol/worker.js';

/** What is deployed is what is tested; it also begins a second sooner than the sources do. */
const entry = fileURLToPath(new URL('../../../dist/host/worker.cjs', import.meta.url));
const patienceMs = 20_000;

type Burst = Extract<WorkerMessage, { type: 'burstDone' }>;

/** A real worker process of the build. End it in a `finally`. */
export class WorkerProcess {
  readonly messages: WorkerMessage[] = [];
  stats: WorkerStats | undefined;
  exitCode: number | null | undefined;
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(configuration: Extract<WorkerCommand, { type: 'configure' }>, environment: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [entry], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...environment } });
    const lines = new LineSplitter((line) => {
      const message = v.parse(workerMessageSchema, JSON.parse(line));
      if (message.type === 'stats') this.stats = message;
      else this.messages.push(message);
    });
    this.child.stdout.on('data', (chunk: Buffer) => lines.write(chunk));
    this.child.stdin.on('error', () => undefined);
    this.child.on('exit', (code) => (this.exitCode = code));
    this.send(configuration);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  send(command: WorkerCommand): void {
    this.child.stdin.write(encodeLine(command));
  }

  sendText(text: string): void {
    this.child.stdin.write(text);
  }

  /** As if the supervisor were gone. */
  endInput(): void {
    this.child.stdin.end();
  }

  async ready(): Promise<this> {
    await this.until(() => this.has('ready') || this.exitCode !== undefined, 'ready');
    if (!this.has('ready')) throw new Error(`the worker ended: ${JSON.stringify(this.messages)}`);
    return this;
  }

  has(type: WorkerMessage['type']): boolean {
    return this.messages.some((message) => message.type === type);
  }

  get fatal(): string | undefined {
    return this.messages.find((message) => message.type === 'fatal')?.text;
  }

  /** Open connections of both protocols. */
  get open(): number {
    return (this.stats?.tcp?.open ?? 0) + (this.stats?.websocket?.open ?? 0);
  }

  get failures(): number {
    return Object.values(this.stats?.failed ?? {}).reduce((sum, count) => sum + count, 0);
  }

  async burst(order: number, messages: number, bytes: number): Promise<Burst> {
    this.send({ type: 'burst', order, messages, bytes });
    const find = () => this.messages.find((message): message is Burst => message.type === 'burstDone' && message.order === order);
    await this.until(() => find() !== undefined, 'burstDone');
    return find()!;
  }

  /** What became of the messages up to now. */
  async messagesNow(): Promise<ClientMessages> {
    this.stats = { ...this.stats!, asked: false };
    this.send({ type: 'report' });
    await this.until(() => this.stats?.asked === true, 'report');
    return this.stats.messages!;
  }

  /** What became of all messages: no more are planned. */
  async conclude(graceMs: number): Promise<ClientMessages> {
    this.send({ type: 'conclude', graceMs });
    await this.until(() => this.stats?.messages?.concluded === true, 'conclusion');
    return this.stats!.messages!;
  }

  async until(condition: () => boolean, what: string, timeoutMs: number = patienceMs): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`no ${what} after ${timeoutMs} ms; stats ${JSON.stringify(this.stats)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Tells it to stop and waits for its end; resolves with the exit code. */
  async stop(): Promise<number | null> {
    this.send({ type: 'stop' });
    await this.until(() => this.exitCode !== undefined, 'exit');
    return this.exitCode ?? null;
  }

  kill(): void {
    if (this.exitCode === undefined) this.child.kill('SIGKILL');
  }
}

type ServerPlan = Extract<WorkerCommand, { type: 'configure'; role: 'server' }>;
type ClientPlan = Extract<WorkerCommand, { type: 'configure'; role: 'client' }>;
interface Port {
  port: number;
  protocol: 'tcp' | 'websocket';
}

const protocolOf = (ports: readonly Port[]): 'tcp' | 'websocket' | 'both' => {
  const kinds = new Set(ports.map(({ protocol }) => protocol));
  return kinds.size === 2 ? 'both' : [...kinds][0]!;
};

export function serverPlan(ports: readonly Port[], more: Partial<ServerPlan> & { allowedSources?: string[]; nofile?: number } = {}): ServerPlan {
  const { allowedSources = [], nofile = 4_096, ...rest } = more;
  const plan = {
    id: 'server-1',
    protocol: protocolOf(ports),
    address: '127.0.0.1',
    ports: ports.map((port) => ({ ...port, connections: 1_000 })),
    connections: ports.length * 1_000,
    nofile,
    backlog: 1_024,
    allowedSources,
  };
  return { type: 'configure', role: 'server', engine: 'epoll', plan, websocketPath: '/ws', ...rest };
}

export function clientPlan(
  ports: readonly Port[],
  more: Partial<ClientPlan> & { source?: string | null; nofile?: number; connections?: number } = {},
): ClientPlan {
  const { source = null, nofile = 4_096, connections = 1_000, ...rest } = more;
  const targets = ports.map((port) => ({ ...port, source, address: '127.0.0.1', connections }));
  const plan = { id: 'client-1', protocol: protocolOf(ports), targets, connections: ports.length * connections, nofile };
  return { type: 'configure', role: 'client', plan, websocketPath: '/ws', ...rest };
}

let nextPort = 10_000 + (process.pid % 400) * 50;

/** Ports that no other test of this process uses; below the kernel's automatic range (from 32,768 on), where any client of the machine may sit. */
export function freePort(): number {
  return nextPort++;
}

/** Runs a server worker and a client worker and ends both, whatever happens. */
export async function withPair(
  server: WorkerProcess,
  makeClient: () => WorkerProcess,
  body: (server: WorkerProcess, client: WorkerProcess) => Promise<void>,
): Promise<void> {
  let client: WorkerProcess | undefined;
  try {
    await server.ready();
    client = await makeClient().ready();
    await body(server, client);
  } finally {
    server.kill();
    client?.kill();
  }
}

/** Resolves when both sides have so many open. */
export const both = (worker: WorkerProcess, other: WorkerProcess, count: number) =>
  worker.until(() => worker.open === count && other.open === count, `${count} open on both sides`);
