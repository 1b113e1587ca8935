import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LineSplitter } from '../../src/files/lines.js';
import { makeRunCertificate } from '../../src/agent/runCertificate.js';
import { layStatelessClients, statelessServerAddress } from '../../src/core/plan/layout.js';
import { encodeLine } from '../../src/protocol/lines.js';
import type { ClientWorkerPlan } from '../../src/protocol/plan.js';
import type { ClientTls, ServerTls } from '../../src/protocol/tls.js';
import type { WorkerCommand } from '../../src/protocol/worker.js';

/** Longest wait for one step of a run: 190,000 connections of the slowest pair take 40 s. */
const patienceMs = 300_000;

/** Something that opens connections between servers and clients, held until `end`. */
export interface Program {
  server: number[];
  client: number[];
  /** Opens all and resolves with the seconds until the servers had accepted all. */
  connect(): Promise<number>;
  end(): Promise<void>;
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

function start(command: string, args: readonly string[], onLine: (line: string) => void): { child: Child; ended: Promise<void> } {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = new LineSplitter(onLine);
  child.stdout.on('data', (chunk: Buffer) => lines.write(chunk));
  child.stdin.on('error', () => undefined);
  return { child, ended: new Promise((resolve) => child.on('close', () => resolve())) };
}

async function until(condition: () => boolean, what: string, isBroken: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!condition()) {
    if (isBroken()) throw new Error(`a program ended before ${what}`);
    if (performance.now() > deadline) throw new Error(`no ${what} after ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

interface FloorStep {
  step: 'ready' | 'held';
  server?: number[];
  client?: number[];
  acceptedSeconds?: number;
}

/** The C floor with one server and one client process per pair. */
export async function startFloor(binary: string, pairs: number, connections: number, firstPort: number): Promise<Program> {
  const steps: FloorStep[] = [];
  const { child, ended } = start(binary, [String(pairs), String(connections), String(firstPort)], (line) => steps.push(JSON.parse(line) as FloorStep));
  const isBroken = () => child.exitCode !== null;
  await until(() => steps.length >= 1, 'the floor was ready', isBroken);
  return {
    server: steps[0]?.server ?? [],
    client: steps[0]?.client ?? [],
    async connect() {
      child.stdin.write('g');
      await until(() => steps.length >= 2, 'the floor held all connections', isBroken);
      return steps[1]?.acceptedSeconds ?? Number.NaN;
    },
    async end() {
      child.stdin.end();
      await ended;
    },
  };
}

interface WorkerLine {
  type: string;
  tcp?: { open: number };
  websocket?: { open: number };
  text?: string;
}

/** One worker, ours or one that speaks as much of its protocol as the bench needs. */
class Worker {
  isReady = false;
  open = 0;
  private readonly program: { child: Child; ended: Promise<void> };

  constructor(
    args: readonly string[],
    configuration: WorkerCommand,
    private readonly onChange: () => void,
  ) {
    this.program = start(process.execPath, args, (line) => this.read(JSON.parse(line) as WorkerLine));
    this.send(configuration);
  }

  get pid(): number {
    return this.program.child.pid ?? 0;
  }
  get isBroken(): boolean {
    return this.program.child.exitCode !== null;
  }

  send(command: WorkerCommand): void {
    this.program.child.stdin.write(encodeLine(command));
  }

  async end(): Promise<void> {
    this.send({ type: 'stop' });
    await this.program.ended;
  }

  private read(line: WorkerLine): void {
    if (line.type === 'ready') this.isReady = true;
    else if (line.type === 'stats') this.open = (line.tcp?.open ?? 0) + (line.websocket?.open ?? 0);
    else console.error(line.text);
    this.onChange();
  }
}

export interface WorkersOptions {
  pairs: number;
  connections: number;
  firstPort: number;
  protocol: 'tcp' | 'websocket';
  engine: 'epoll' | 'node';
  workerPath: string;
  /** Program of the clients; absent: our own worker. */
  clientPath?: string;
  /** One client without sockets for all servers. */
  stateless?: boolean;
  /** As `--tls` of a run: TLS 1.3, ECDSA P-256, the certificate verified. */
  tls?: boolean;
}

function tlsOf(isWanted: boolean | undefined): { server: { tls?: ServerTls }; client: { tls?: ClientTls } } {
  if (isWanted !== true) return { server: {}, client: {} };
  const own = makeRunCertificate('ecdsa', ['localhost']);
  const versions = { minimumVersion: '1.2', maximumVersion: '1.3' } as const;
  const trust = { kind: 'certificate', pem: own.certificate, andSystem: false } as const;
  return {
    server: { tls: { ...versions, ...own, tickets: 0 } },
    client: { tls: { ...versions, serverName: 'localhost', alpn: [], trust, resume: false, park: false } },
  };
}

/** Server and client workers, one port each. */
export async function startWorkers(options: WorkersOptions): Promise<Program> {
  const { pairs, firstPort, protocol, workerPath } = options;
  const share = (index: number) => Math.floor(options.connections / pairs) + (index < options.connections % pairs ? 1 : 0);
  const websocketPath = '/ws';
  const nofile = 1_000_000;
  const tls = tlsOf(options.tls);
  let finishedAt: number | undefined;
  const onChange = () => {
    const held = (workers: readonly Worker[]) => workers.reduce((sum, worker) => sum + worker.open, 0);
    const isDone = held(servers) === options.connections && held(clients) === options.connections;
    if (isDone && servers.length === pairs) finishedAt ??= performance.now();
  };
  const address = options.stateless === true ? statelessServerAddress : '127.0.0.1';
  const servers: Worker[] = [];
  const clients: Worker[] = [];
  const indexes = Array.from({ length: pairs }, (_, index) => index);
  for (const index of indexes) {
    const connections = share(index);
    const ports = [{ port: firstPort + index, protocol, connections }];
    const plan = { id: `server-${index}`, protocol, address, ports, connections, nofile, backlog: 65_535, allowedSources: [] };
    servers.push(new Worker([workerPath], { type: 'configure', role: 'server', engine: options.engine, plan, websocketPath, ...tls.server }, onChange));
  }
  const addClient = (plan: ClientWorkerPlan) =>
    clients.push(new Worker([options.clientPath ?? workerPath], { type: 'configure', role: 'client', plan, websocketPath, ...tls.client }, onChange));
  const ports = indexes.map((index) => ({ port: firstPort + index, protocol, connections: share(index) }));
  // One for two cores.
  if (options.stateless === true) layStatelessClients(ports, 2).forEach(addClient);
  for (const index of options.stateless === true ? [] : indexes) {
    const connections = share(index);
    const targets = [{ source: null, address, port: firstPort + index, protocol, connections }];
    addClient({ id: `client-${index}`, protocol, targets, connections, nofile });
  }
  const all = [...servers, ...clients];
  const isBroken = () => all.some((worker) => worker.isBroken);
  await until(() => all.every((worker) => worker.isReady), 'all workers were ready', isBroken);
  return {
    server: servers.map(({ pid }) => pid),
    client: clients.map(({ pid }) => pid),
    async connect() {
      const begin = performance.now();
      clients.forEach((client, index) =>
        client.send({ type: 'target', connections: options.stateless === true ? options.connections : share(index), rate: 0 }),
      );
      await until(() => finishedAt !== undefined, 'all connections were held', isBroken);
      return ((finishedAt ?? Number.NaN) - begin) / 1000;
    },
    async end() {
      await Promise.all(servers.map((worker) => worker.end()));
      await Promise.all(clients.map((worker) => worker.end()));
    },
  };
}
