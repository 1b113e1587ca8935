import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { HumanError, toPlainError } from '../core/errors.js';
import { controllerCommandSchema, type HostRun, type ReceivedCommand } from '../protocol/commands.js';
import { LineSplitter } from '../files/lines.js';
import { sleep } from '../files/sleep.js';
import { encodeLine, parseLine } from '../protocol/lines.js';
import { unshareCommand } from '../linux/netns.js';
import { isAlive } from '../linux/process.js';
import { Follower } from './follower.js';
import { describeHolder, HostLock, lockPath } from './hostLock.js';
import { collectOuterFacts } from './outerFacts.js';
import { probeHost } from './probe.js';
import { closeAbandoned, restoreHost } from './restoration/restore.js';
import { isComplete } from './spool.js';
import { conditionOfRun, type RunDirectory, type StateDirectory } from './stateDirectory.js';
import { SysctlFiles } from './restoration/sysctlFiles.js';

type StartCommand = Extract<ReceivedCommand, { type: 'start' }>;
type OrderCommand = Extract<ReceivedCommand, { type: 'set' | 'burst' | 'removeAll' | 'prove' | 'stop' }>;

/** In the order of `agent.cjs supervise`: stdin, stdout, stderr, the host's lock. */
export const supervisorLockFd = 3;
const startTimeoutMs = 15_000;
const startPollMs = 20;
const endTimeoutMs = 10_000;

/** Speaks with one controller over stdin and stdout. Ends with stdin; runs live on. */
export class Relay {
  private follower: Follower | undefined;
  private starting: Promise<unknown> = Promise.resolve();
  private stopping: Promise<void> = Promise.resolve();

  constructor(
    private readonly state: StateDirectory,
    private readonly agentPath: string,
    private readonly output: NodeJS.WritableStream,
  ) {}

  /** Resolves at the end of the input, once a stop that was asked for has reached the run. */
  serve(input: NodeJS.ReadableStream): Promise<void> {
    const splitter = new LineSplitter(
      (line) => void this.receive(line),
      (beginning) => process.stderr.write(`a command was too long and was dropped: ${beginning}\n`),
    );
    return new Promise((resolve) => {
      input.on('data', (chunk: Buffer) => splitter.write(chunk));
      const end = () => void this.stopping.then(resolve);
      input.on('end', end);
      input.on('error', end);
      // The controller went away.
      this.output.on('error', end);
    });
  }

  private async receive(line: string): Promise<void> {
    if (line.trim() === '') return;
    const parsed = v.safeParse(controllerCommandSchema, parseLine(line));
    if (!parsed.success) {
      process.stderr.write(`a command was not understood: ${line.slice(0, 200)} (${parsed.issues[0].message})\n`);
      return;
    }
    const command = parsed.output;
    try {
      const value = await this.obey(command);
      if (value !== undefined && 'id' in command && command.id !== undefined) this.write({ type: 'reply', id: command.id, ok: true, value });
    } catch (error) {
      if (!(error instanceof HumanError)) process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      if ('id' in command && command.id !== undefined) this.write({ type: 'reply', id: command.id, ok: false, error: toPlainError(error) });
    }
  }

  /** Undefined: the supervisor answers itself. */
  private async obey(command: ReceivedCommand): Promise<unknown> {
    switch (command.type) {
      case 'probe':
        return probeHost(this.agentPath, command.isolation);
      case 'start': {
        const starting = this.start(command);
        this.starting = starting.catch(() => undefined);
        return starting;
      }
      case 'attach':
        return this.attach(command.runId, command.fromSeq);
      case 'forget':
        return this.forget(command.runId);
      case 'list':
        return this.list();
      case 'restore':
        return restoreHost(this.state, command.dryRun);
      case 'heartbeat':
        this.follower?.send({ type: 'heartbeat' });
        return null;
      case 'stop':
        return this.passOnStop(command);
      default:
        this.passOn(command);
        return undefined;
    }
  }

  private async start(command: StartCommand): Promise<{ runId: string }> {
    this.state.prune();
    const outer = collectOuterFacts();
    const run = this.state.createRun(command.runId);
    let lock: HostLock | undefined;
    try {
      lock = this.lock(command.spec.waitForHost);
      lock?.describe(command.runId, command.owner, process.pid);
      const { runId, owner, spec, plan, role } = command;
      run.writeOrder({ runId, owner, spec, role, ...(plan === undefined ? {} : { plan }), startedAt: new Date().toISOString(), outer });
      // The plan says where it must live.
      const isolation = plan?.isolation ?? spec.isolation;
      const kind = isolation === 'host' || outer.namespace.kind === 'none' ? undefined : outer.namespace.kind;
      await this.spawnSupervisor(run, kind, lock);
    } catch (error) {
      // A lost start leaves nothing behind.
      if (conditionOfRun(run) !== 'running') run.remove();
      lock?.release();
      this.state.removeIfEmpty();
      throw error;
    }
    lock?.hand();
    await this.follow(run, 1);
    return { runId: command.runId };
  }

  /** The host's lock, or undefined when the supervisor shall wait for it. */
  private lock(waits: boolean): HostLock | undefined {
    if (waits) return undefined;
    const result = HostLock.tryAcquire(lockPath(process.env));
    if (result instanceof HostLock) return result;
    throw new HumanError(`This host is busy with ${describeHolder(result.holder)}; nothing was changed.`, {
      code: 'busy',
      remedy: 'Wait for it to end, stop it, or let this run wait for it (--wait, in a profile waitForHost).',
    });
  }

  private async spawnSupervisor(run: RunDirectory, kind: 'netns' | 'userns' | undefined, lock: HostLock | undefined): Promise<void> {
    const log = openSync(run.logPath, 'a', 0o600);
    const node = [process.execPath, this.agentPath, 'supervise', this.state.path, run.runId, kind === undefined ? 'shared' : 'isolated'];
    const unshare = kind === undefined ? undefined : unshareCommand(kind);
    const [program, ...args] = unshare === undefined ? node : [unshare.command, ...unshare.args, ...node];
    const child = spawn(program!, args, { detached: true, cwd: '/', stdio: ['ignore', log, log, lock === undefined ? 'ignore' : lock.fd] });
    closeSync(log);
    let failure: string | undefined;
    child.on('error', (error) => (failure = error.message));
    child.on('exit', (code, signal) => (failure ??= `it ended with ${signal ?? `code ${code ?? 'unknown'}`}`));
    const deadline = performance.now() + startTimeoutMs;
    while (run.readState() === undefined) {
      if (failure !== undefined || performance.now() > deadline) {
        child.kill('SIGKILL');
        throw new HumanError(`The supervisor could not be started: ${failure ?? 'it took too long'}. ${readTail(run.logPath)}`.trim());
      }
      await sleep(startPollMs);
    }
    child.unref();
  }

  private async attach(runId: string, fromSeq: number): Promise<{ runId: string }> {
    const run = this.state.run(runId);
    if (run.readOrder() === undefined) {
      throw new HumanError(`This host knows no run ${runId}.`, { code: 'usage', remedy: 'It was fetched and forgotten, or ran as another user.' });
    }
    await this.follow(run, fromSeq);
    return { runId };
  }

  private async follow(run: RunDirectory, fromSeq: number): Promise<void> {
    this.follower?.close();
    this.follower = new Follower(run, fromSeq, this.output);
    await this.follower.begin();
  }

  private async forget(runId: string): Promise<null> {
    const run = this.state.run(runId);
    if (run.readOrder() === undefined) return null;
    // The supervisor has said its last word, but may still be closing its files.
    for (const deadline = performance.now() + endTimeoutMs; conditionOfRun(run) === 'running' && isComplete(run.spoolPath) && performance.now() < deadline;) {
      await sleep(startPollMs);
    }
    const condition = conditionOfRun(run);
    if (condition === 'running') throw new HumanError(`The run ${runId} has not ended.`, { code: 'usage', remedy: 'Stop it first.' });
    if (condition === 'abandoned' && !(await closeAbandoned(run, new SysctlFiles())).complete) {
      throw new HumanError(`The run ${runId} left something behind on this host.`, { code: 'notRestored', remedy: 'Restore the host first.' });
    }
    if (this.follower?.runId === runId) this.follower.close();
    run.remove();
    this.state.removeIfEmpty();
    return null;
  }

  private list(): HostRun[] {
    return this.state.runs().flatMap((run) => {
      const order = run.readOrder();
      if (order === undefined) return [];
      const state = run.readState();
      const supervisorPid = state?.supervisor != null && isAlive(state.supervisor) ? state.supervisor.pid : null;
      return [{ runId: run.runId, owner: order.owner, startedAt: order.startedAt, state: conditionOfRun(run), supervisorPid }];
    });
  }

  /** A run that is being started is stopped as soon as it can be: nobody may be left to ask for it again. */
  private async passOnStop(command: OrderCommand): Promise<void> {
    const passing = this.starting.then(() => this.passOn(command));
    this.stopping = passing.catch(() => undefined);
    await passing;
  }

  private passOn(command: OrderCommand): void {
    if (this.follower?.send(command) === true) return;
    throw new HumanError('No run is attached that takes orders.', { code: 'usage' });
  }

  private write(message: unknown): void {
    this.output.write(encodeLine(message));
  }
}

function readTail(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').slice(-3).join(' | ').slice(-500);
  } catch {
    return '';
  }
}
