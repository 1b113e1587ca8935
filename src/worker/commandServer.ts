import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { ownHome } from '../files/ownHome.js';
import { join } from 'node:path';
import { HumanError } from '../core/errors.js';
import { sleep } from '../files/sleep.js';
import { acceptQueueOf } from '../linux/acceptQueues.js';
import { setNofile } from '../linux/limits.js';
import { readSockstat } from '../linux/procfs.js';
import type { ServerWorkerPlan } from '../protocol/plan.js';
import type { CommandReader, WorkerChannel } from './channel.js';
import { OutputFile } from './outputFile.js';
import { listeningPorts, openFilesOf, processTree, treeCpuMicroseconds } from '../linux/processTree.js';
import type { ServerConfiguration, WorkerRun } from './serverWorker.js';
import { Stats, type Counters } from './stats.js';

/** A server under PyPy needs seconds for its imports; one that is not there after a minute has a problem. */
const readyTimeoutMs = 60_000;
const readyPollMs = 50;
const tickMs = 250;
/** The tree of processes changes seldom, and looking costs a read of /proc for each. */
const treePeriodMs = 2_000;
/** Between SIGTERM and SIGKILL: stop is obeyed within two seconds. */
const graceMs = 1_000;

/**
 * The engine `command`: the user's own server as a process group of its own. Its connections are counted by the kernel
 * (sockstat of this network namespace), since it does not tell them itself.
 */
export async function runCommandServer(configuration: ServerConfiguration, channel: WorkerChannel, reader: CommandReader): Promise<WorkerRun> {
  const { plan } = configuration;
  const nofile = setNofile(plan.nofile);
  const server = new CommandServer(configuration, channel);
  const onStdin = (bytes: Buffer) => reader.push(bytes);
  process.stdin.on('data', onStdin);
  process.stdin.on('end', () => void server.end().then(() => process.exit(0)));
  process.on('SIGTERM', () => void server.end().then(() => process.exit(0)));
  await server.ready();
  // Its counts before the first connection, for whoever begins with `ready`.
  server.report();
  channel.send({ type: 'ready', pids: server.pids, nofile });
  return {
    onCommand(command) {
      if (command.type === 'report') server.report(true);
      if (command.type !== 'stop') return;
      server.report();
      void server.end().then(() => process.exit(0));
    },
  };
}

class CommandServer {
  pids: number[] = [];
  private readonly plan: ServerWorkerPlan;
  private readonly child: ChildProcess;
  private readonly stdout: OutputFile;
  private readonly stderr: OutputFile;
  private readonly stats: Stats;
  private readonly ended: Promise<void>;
  private isEnding = false;
  private hasEnded = false;
  private readonly ports: ReadonlySet<number>;
  private inUseBefore = 0;
  private cpuMicroseconds = 0;

  constructor(
    configuration: ServerConfiguration,
    private readonly channel: WorkerChannel,
  ) {
    this.plan = configuration.plan;
    this.ports = new Set(this.plan.ports.map(({ port }) => port));
    this.stats = new Stats({ tcp: this.plan.protocol !== 'websocket', websocket: this.plan.protocol !== 'tcp' });
    const directory = configuration.outputDirectory;
    this.stdout = new OutputFile(directory === undefined ? undefined : join(directory, `${this.plan.id}.stdout.log`));
    this.stderr = new OutputFile(directory === undefined ? undefined : join(directory, `${this.plan.id}.stderr.log`));
    this.child = start(configuration);
    this.child.stdout?.on('data', (bytes: Buffer) => this.stdout.push(bytes));
    this.child.stderr?.on('data', (bytes: Buffer) => this.stderr.push(bytes));
    this.child.on('error', (error) => this.onEnd(`could not be started: ${error.message}`));
    this.ended = new Promise((resolve) =>
      this.child.on('close', (code, signal) => {
        this.hasEnded = true;
        resolve();
        this.onEnd(signal === null ? `ended with exit code ${code ?? 'unknown'}` : `was ended by ${signal}`);
      }),
    );
  }

  /** Resolves when all ports listen. Asks the kernel instead of connecting, so that no connection is counted that is not the run's. */
  async ready(): Promise<void> {
    const deadline = performance.now() + readyTimeoutMs;
    let missing: number[] = [];
    while (performance.now() < deadline) {
      const listening = listeningPorts();
      missing = this.plan.ports.map(({ port }) => port).filter((port) => !listening.has(port));
      if (missing.length === 0) {
        this.inUseBefore = readSockstat().inUse;
        this.watch();
        return;
      }
      await sleep(readyPollMs);
    }
    await this.end();
    throw new HumanError(
      `The command did not listen on port ${missing[0] ?? 0} (${missing.length} of ${this.plan.ports.length} ports) within 60 s.${this.words()}`,
      {
        remedy: 'It must listen on all ports of C10M_PORTS at C10M_ADDRESS.',
      },
    );
  }

  /** `asked`: it answers an order. */
  report(asked = false): void {
    const { stats } = this;
    stats.asked = asked;
    this.countConnections();
    // Not older than the counts beside it: a ramp makes tens of thousands of connections in a second.
    stats.files = openFilesOf(this.pids);
    if (this.pids.length > 0) this.cpuMicroseconds = Math.max(this.cpuMicroseconds, treeCpuMicroseconds(this.pids));
    this.channel.send(stats.message(performance.now(), this.cpuMicroseconds));
  }

  /** Ends the whole process group: SIGTERM, then SIGKILL. */
  async end(): Promise<void> {
    this.isEnding = true;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    if (!this.hasEnded) await this.ended;
    clearTimeout(timer);
    // Whatever of its group outlived the leader.
    this.signal('SIGKILL');
    this.stdout.close();
    this.stderr.close();
  }

  private watch(): void {
    this.lookAtTree();
    setInterval(() => this.lookAtTree(), treePeriodMs);
    setInterval(() => {
      if (this.stats.dueIn(performance.now()) <= 0) this.report();
    }, tickMs);
  }

  private lookAtTree(): void {
    const { pid } = this.child;
    const pids = pid === undefined || this.hasEnded ? [] : processTree(pid);
    if (pids.join() === this.pids.join()) return;
    const isFirst = this.pids.length === 0;
    this.pids = pids;
    // Told again: these are the processes whose memory counts from now on.
    if (!isFirst && pids.length > 0) this.channel.send({ type: 'ready', pids, nofile: this.plan.nofile });
  }

  /**
   * All sockets of the namespace but those from before and those that wait to be accepted; on loopback both ends are in it. With two protocols,
   * shared out as planned.
   */
  private countConnections(): void {
    const ends = this.plan.address.startsWith('127.') ? 2 : 1;
    const waiting = acceptQueueOf(this.ports)?.waiting;
    this.stats.waiting = waiting;
    const open = Math.max(0, Math.floor((readSockstat().inUse - this.inUseBefore) / ends) - (waiting ?? 0));
    const webSockets = this.plan.ports.filter(({ protocol }) => protocol === 'websocket').reduce((sum, { connections }) => sum + connections, 0);
    const share = this.plan.connections === 0 ? 0 : Math.round((open * webSockets) / this.plan.connections);
    setOpen(this.stats.websocket, Math.min(open, share));
    setOpen(this.stats.tcp, open - Math.min(open, share));
  }

  private signal(signal: NodeJS.Signals): void {
    const { pid } = this.child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // No process of the group is left.
    }
  }

  private onEnd(how: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.signal('SIGKILL');
    this.stdout.close();
    this.stderr.close();
    this.channel.send({ type: 'fatal', text: `The command ${how}.${this.words()}` });
    process.exit(1);
  }

  /** Its last lines, for whoever has to find out why. */
  private words(): string {
    const lines = [...this.stderr.lastLines(), ...this.stdout.lastLines()].slice(0, 20);
    return lines.length === 0 ? ' It printed nothing.' : ` Its last lines:\n${lines.join('\n')}`;
  }
}

function start({ plan, command, workingDirectory, websocketPath }: ServerConfiguration): ChildProcess {
  if (command === undefined) throw new HumanError('The engine command needs a command.', { code: 'usage', remedy: 'Name your server with --command.' });
  if (workingDirectory !== undefined && !existsSync(workingDirectory))
    throw new HumanError(`The directory ${workingDirectory}, in which the command should start, does not exist on the host.`, {
      code: 'usage',
      remedy: 'Give another one with --directory or as "workingDirectory" in the profile.',
    });
  const portsOf = (wanted?: string) => plan.ports.filter(({ protocol }) => wanted === undefined || protocol === wanted).map(({ port }) => port);
  const ports = portsOf().join(',');
  return spawn('/bin/sh', ['-c', command.replaceAll('{ports}', ports)], {
    // A process group of its own, so that it can be ended with all its children.
    detached: true,
    cwd: workingDirectory ?? ownHome() ?? '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      C10M_PORTS: ports,
      C10M_ADDRESS: plan.address,
      C10M_PROTOCOL: plan.protocol,
      C10M_TCP_PORTS: portsOf('tcp').join(','),
      C10M_WEBSOCKET_PORTS: portsOf('websocket').join(','),
      C10M_WEBSOCKET_PATH: websocketPath,
    },
  });
}

function setOpen(counters: Counters, open: number): void {
  if (open > counters.open) counters.opened += open - counters.open;
  else counters.closed += counters.open - open;
  counters.open = open;
}
