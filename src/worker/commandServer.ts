import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HumanError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import { sleep } from '../files/sleep.js';
import { ownHome } from '../files/ownHome.js';
import { isLoopback } from '../linux/sockets.js';
import { setNofile } from '../linux/limits.js';
import { maximumProcesses, openFilesOf, ownersOfSockets, processName, processTree, treeCpuMicroseconds } from '../linux/processTree.js';
import { readProcessMemory } from '../linux/procfs.js';
import { endpointText, listeners, type Listener } from '../linux/socketDiagnosis.js';
import type { ListeningServer } from '../protocol/facts.js';
import type { ServerWorkerPlan } from '../protocol/plan.js';
import { defaultStartTimeoutSeconds } from '../protocol/specValues.js';
import type { CommandReader, WorkerChannel } from './channel.js';
import { AcceptedConnections, type Accepted } from './command/acceptedConnections.js';
import { commandEnvironment, fillNames, writeConfiguration, type CommandNames } from './command/commandText.js';
import { AttachedProcesses, ownGroupOf } from './command/attachedProcesses.js';
import { OwnedProcesses } from './command/ownedProcesses.js';
import type { ServerProcesses } from './command/serverProcesses.js';
import { listenersText, waitUntilListening } from './command/readiness.js';
import { OutputFile } from './outputFile.js';
import { KeyFiles } from './tls/keyFiles.js';
import type { ServerConfiguration, WorkerRun } from './serverWorker.js';
import { Stats, type Counters } from './stats.js';

const tickMs = 250;
/** Within the time that a stop may take. */
const settleMs = 900;
/** Looking at the tree costs a read of /proc for each process: never more than this share of the time. */
const treeDutyShare = 0.02;

/**
 * The engine `command`: the user's own server, started and owned by this worker. Its connections are counted by the kernel, since it does not report
 * them itself.
 */
export function runCommandServer(configuration: ServerConfiguration, channel: WorkerChannel, reader: CommandReader): WorkerRun {
  const nofile = setNofile(configuration.plan.nofile);
  const server = new CommandServer(configuration, channel, nofile);
  process.stdin.on('data', (bytes: Buffer) => reader.writeBytes(bytes));
  const endAndExit = () => void server.end().then(() => process.exit(0));
  process.stdin.on('end', endAndExit);
  process.on('SIGTERM', endAndExit);
  // A stop must be heard while the server starts: its processes are ours to end.
  server.start().catch((error: unknown) => server.fail(error));
  return {
    onCommand(command) {
      if (command.type === 'report') server.report({ asked: true, exactly: command.exactly === true });
      if (command.type !== 'stop') return;
      server.report();
      void server.settle().then(endAndExit);
    },
  };
}

class CommandServer {
  private readonly plan: ServerWorkerPlan;
  private readonly processes: ServerProcesses;
  private readonly output: { stdout: OutputFile; stderr: OutputFile };
  private readonly stats: Stats;
  private readonly before: Listener[] = listeners();
  /** Roots of processes that serve the ports but were not started by the command: measured, never ended. */
  private foreign: number[] = [];
  private pids: number[] = [];
  private connections: AcceptedConnections | undefined;
  private acceptedBefore: Accepted['byPort'] | undefined;
  private hasFailedToCount = false;
  private readonly keyFiles: KeyFiles | undefined;
  private isEnding = false;
  private cpuMicroseconds = 0;
  private filesBefore = 0;
  private treeSeenAt = Number.NEGATIVE_INFINITY;
  private treeCostMs = 0;
  private hasWarned = false;
  /** The name of the process that listens. */
  private program: string | undefined;

  constructor(
    private readonly configuration: ServerConfiguration,
    private readonly channel: WorkerChannel,
    private readonly nofile: number,
  ) {
    const { plan, outputDirectory } = configuration;
    this.plan = plan;
    this.stats = new Stats({ tcp: plan.protocol !== 'websocket', websocket: plan.protocol !== 'tcp' });
    const fileOf = (stream: string) => new OutputFile(outputDirectory === undefined ? undefined : join(outputDirectory, `${plan.id}.${stream}.log`));
    this.output = { stdout: fileOf('stdout'), stderr: fileOf('stderr') };
    this.keyFiles =
      configuration.tls === undefined || outputDirectory === undefined || configuration.attached !== undefined
        ? undefined
        : new KeyFiles(outputDirectory, configuration.tls);
    this.processes =
      configuration.attached === undefined
        ? new OwnedProcesses({
            ...startOf(configuration, this.keyFiles),
            onOutput: (stream, bytes) => this.output[stream].writeBytes(bytes),
            onEnd: (how) => this.fail(new HumanError(`The command ${how}.${this.words()}`)),
          })
        : this.attach(configuration.attached);
  }

  private attach({ pid, pids, name }: ListeningServer): AttachedProcesses {
    this.foreign = [...pids];
    return new AttachedProcesses(pids, ownGroupOf(pid), () =>
      this.fail(new HumanError(`The server ${name} (pid ${pid}) that the run was attached to has ended.`)),
    );
  }

  /** Resolves when all ports listen and the server is watched. */
  async start(): Promise<void> {
    const isAttached = this.configuration.attached !== undefined;
    const seconds = isAttached ? 1 : (this.configuration.startTimeoutSeconds ?? defaultStartTimeoutSeconds);
    const { listening, missing, all } = await waitUntilListening(this.plan, seconds * 1_000, () => this.isEnding);
    if (this.isEnding) return;
    if (missing.length > 0) {
      const { ports, address } = this.plan;
      const which = missing.length === 1 ? '' : `, nor on ${missing.length - 1} more of ${ports.length} ports`;
      throw new HumanError(
        `The command did not listen on ${endpointText(address, missing[0]!)}${which} within ${seconds} s. ${listenersText(all, this.before)}${this.words()}`,
        { remedy: 'It must listen on all ports of C10M_PORTS at C10M_ADDRESS ({ports} and {address} in the command); give it more time with --start-timeout.' },
      );
    }
    this.program = this.programOf(listening);
    if (isAttached) this.proveOwner(listening);
    else this.findForeign(listening);
    this.connections = new AcceptedConnections(
      this.plan.ports.map(({ port }) => port),
      isLoopback(this.plan.address) ? 2 : 1,
    );
    this.acceptedBefore = this.connections.read(true).byPort;
    this.pids = this.livingPids();
    this.filesBefore = openFilesOf(this.pids)?.open ?? 0;
    // Its counts before the first connection, for whoever begins with `ready`.
    this.report();
    if (isAttached) this.reportState('before');
    this.sendReady();
    setInterval(() => this.tick(), tickMs);
  }

  /** `asked`: it answers an order; `exactly`: with counts of now, whatever they cost. */
  report({ asked = false, exactly = false } = {}): void {
    const { stats } = this;
    stats.asked = asked;
    this.followProcesses(exactly);
    const accepted = this.readConnections(exactly);
    if (accepted !== undefined) this.countConnections(accepted);
    if (this.pids.length > 0) this.cpuMicroseconds = Math.max(this.cpuMicroseconds, treeCpuMicroseconds(this.pids));
    this.channel.send(stats.message(performance.now(), this.cpuMicroseconds));
  }

  /** Only a process that the run named, and that listens there now, may be loaded. */
  private proveOwner(listening: readonly Listener[]): void {
    const inodes = new Set(listening.map(({ inode }) => inode));
    if (ownersOfSockets(inodes, this.livingPids()).length > 0) return;
    const { address, ports } = this.plan;
    throw new HumanError(
      `${endpointText(address, ports[0]!.port)} does not belong to ${this.configuration.attached?.name ?? 'the server'} any more; nothing was loaded.`,
      {
        code: 'usage',
      },
    );
  }

  /** What an attached server holds before and after the run, for whoever reads its log. */
  private reportState(when: 'before' | 'after'): void {
    const { attached } = this.configuration;
    if (attached === undefined) return;
    const bytes = this.pids.reduce((sum, pid) => sum + (readProcessMemory(pid)?.privateBytes ?? 0), 0);
    const files = openFilesOf(this.pids);
    const text = `${attached.name} (pid ${attached.pid}) ${when} the run: ${formatBytes(bytes)} of memory in ${this.pids.length} processes${files === undefined ? '' : `, ${files.open} open files`}, limit of open files ${attached.nofile}`;
    this.channel.send({ type: 'log', level: 'info', text });
  }

  /** The clients are going: their ends at the server go within a moment. */
  async settle(): Promise<void> {
    if (this.configuration.attached === undefined || this.connections === undefined) return;
    for (const deadline = performance.now() + settleMs; performance.now() < deadline && this.connections.read().open > 0;) await sleep(50);
    this.reportState('after');
  }

  /** Ends the command and all that it started. */
  async end(): Promise<void> {
    this.isEnding = true;
    await this.processes.end();
    this.closeOutput();
  }

  /** Says why it cannot go on, ends the command and all that it started, and exits. */
  fail(error: unknown): void {
    if (this.isEnding) return;
    this.isEnding = true;
    const text = error instanceof HumanError ? error.text : error instanceof Error ? (error.stack ?? error.message) : String(error);
    void this.processes.kill().then(() => {
      this.closeOutput();
      this.channel.send({ type: 'fatal', text });
      process.exit(1);
    });
  }

  private tick(): void {
    if (!this.isEnding && this.stats.dueIn(performance.now()) <= 0) this.report();
  }

  private livingPids(): number[] {
    return [...new Set([...this.processes.pids(), ...this.foreign.flatMap((pid) => processTree(pid))])];
  }

  /** As often as its cost allows: a server that forks for each connection has other processes a second later. */
  private followProcesses(now = false): void {
    const begin = performance.now();
    if (this.connections === undefined || (!now && begin - this.treeSeenAt < this.treeCostMs / treeDutyShare)) return;
    const pids = this.livingPids();
    this.treeSeenAt = performance.now();
    this.treeCostMs = this.treeSeenAt - begin;
    if (pids.join() === this.pids.join() || pids.length === 0) return;
    this.pids = pids;
    if (pids.length >= maximumProcesses && !this.hasWarned) {
      this.hasWarned = true;
      this.channel.send({ type: 'log', level: 'warn', text: `only ${maximumProcesses} processes of the server are measured; it has more` });
    }
    // Sent again: these are the processes whose memory counts from now on.
    this.sendReady();
  }

  private sendReady(): void {
    const isAttached = this.configuration.attached !== undefined;
    const notOurs = isAttached ? this.pids : this.foreign.flatMap((pid) => processTree(pid));
    this.channel.send({ type: 'ready', pids: this.pids, notOurs, nofile: this.nofile, ...(this.program === undefined ? {} : { program: this.program }) });
  }

  /** A command that has a service manager or a container runtime start its server is no ancestor of it. */
  private findForeign(listening: readonly Listener[]): void {
    const inodes = new Set(listening.map(({ inode }) => inode));
    const own = this.processes.pids();
    if (ownersOfSockets(inodes, own).length > 0) return;
    this.foreign = ownersOfSockets(inodes);
    const names = this.foreign.map((pid) => `${processName(pid)} (pid ${pid})`).join(', ');
    const text =
      this.foreign.length === 0
        ? 'no process that may be looked into listens on the ports of the server: its memory is not measured'
        : `the ports are served by ${names}, which the command did not start itself: measured, but not ended with the run`;
    this.channel.send({ type: 'log', level: 'warn', text });
  }

  private programOf(listening: readonly Listener[]): string | undefined {
    const inodes = new Set(listening.map(({ inode }) => inode));
    const owner = ownersOfSockets(inodes, this.livingPids())[0];
    return owner === undefined ? undefined : processName(owner);
  }

  /** Undefined: they cannot be counted now, and the last count stands, as one that is old. */
  private readConnections(exactly: boolean): Accepted | undefined {
    try {
      return this.connections?.read(exactly);
    } catch (error) {
      this.stats.isEstimate = true;
      if (this.hasFailedToCount) return undefined;
      this.hasFailedToCount = true;
      const reason = error instanceof Error ? error.message : String(error);
      this.channel.send({ type: 'log', level: 'warn', text: `the connections of the server cannot be counted (${reason}): its last count stands` });
      return undefined;
    }
  }

  private countConnections(accepted: Accepted): void {
    let webSockets = 0;
    let tcp = 0;
    for (const { port, protocol } of this.plan.ports) {
      // Of a server that runs already, the connections that others have to it are not the run's.
      const count = Math.max(0, (accepted.byPort.get(port)?.accepted ?? 0) - (this.acceptedBefore?.get(port)?.accepted ?? 0));
      if (protocol === 'websocket') webSockets += count;
      else tcp += count;
    }
    setOpen(this.stats.websocket, webSockets);
    setOpen(this.stats.tcp, tcp);
    this.stats.waiting = accepted.waiting;
    this.stats.isEstimate = accepted.isEstimate ? true : undefined;
    // Not older than the counts beside it: a ramp makes tens of thousands of connections in a second.
    this.stats.files = openFilesOf(this.pids);
    // Only what its own processes hold beyond the clients' sockets can be upstream connections of a proxy.
    const files =
      this.stats.files === undefined
        ? Number.POSITIVE_INFINITY
        : Math.max(0, this.stats.files.open - this.filesBefore - this.stats.tcp.open - this.stats.websocket.open);
    this.stats.upstream = Math.min(accepted.others, files);
  }

  private closeOutput(): void {
    this.keyFiles?.remove();
    this.output.stdout.close();
    this.output.stderr.close();
  }

  /** Its last lines, for whoever has to find out why. */
  private words(): string {
    const lines = [...this.output.stderr.lastLines(), ...this.output.stdout.lastLines()].slice(0, 20);
    return lines.length === 0 ? ' It printed nothing.' : ` Its last lines:\n${lines.join('\n')}`;
  }
}

function startOf(configuration: ServerConfiguration, keyFiles: KeyFiles | undefined): { shellText: string; directory: string; environment: NodeJS.ProcessEnv } {
  const { plan, command, workingDirectory, websocketPath, configTemplate, outputDirectory } = configuration;
  if (command === undefined) throw new HumanError('The engine command needs a command.', { code: 'usage', remedy: 'Name your server with --command.' });
  if (workingDirectory !== undefined && !existsSync(workingDirectory))
    throw new HumanError(`The directory ${workingDirectory}, in which the command should start, does not exist on the host.`, {
      code: 'usage',
      remedy: 'Give another one with --directory or as "workingDirectory" in the profile.',
    });
  const plain: CommandNames = { address: plan.address, ports: plan.ports.map(({ port }) => port), directory: outputDirectory ?? tmpdir() };
  const names = configTemplate === undefined ? plain : writeConfiguration(configTemplate, plain);
  return {
    shellText: fillNames(command, names),
    directory: workingDirectory ?? ownHome() ?? '/',
    environment: { ...process.env, ...commandEnvironment(plan, websocketPath, names), ...keyFiles?.environment },
  };
}

function setOpen(counters: Counters, open: number): void {
  if (open > counters.open) counters.opened += open - counters.open;
  else counters.closed += counters.open - open;
  counters.open = open;
}
