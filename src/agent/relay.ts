import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { HumanError, toPlainError } from '../core/errors.js';
import { controllerCommandSchema, type HostRun, type ReceivedCommand } from '../protocol/commands.js';
import { LineSplitter } from '../files/lines.js';
import { sleep } from '../files/sleep.js';
import { encodeLine, parseLine } from '../protocol/lines.js';
import { attachTarget, type AttachedServer } from '../core/plan/attachTarget.js';
import { findListeningServers } from '../linux/listeningServers.js';
import { enterCommand, unshareCommand } from '../linux/netns.js';
import { identityOf, isAlive, runMarkVariable } from '../linux/process.js';
import { readBootId } from '../linux/bootId.js';
import { Follower } from './follower.js';
import { describeHolder, findLockPath, holderOfRoot, HostLock, sharesHost } from './hostLock.js';
import { collectOuterFacts } from './outerFacts.js';
import { probeHost } from './probe.js';
import { closeAbandoned, restoreHost, tidyUp } from './restoration/restore.js';
import { conditionOfRun } from './restoration/runCondition.js';
import { isComplete } from './spool.js';
import type { StartLock } from './startLock.js';
import type { RunDirectory, StateDirectory } from './stateDirectory.js';
import { SysctlFiles } from '../linux/sysctlFiles.js';

type StartCommand = Extract<ReceivedCommand, { type: 'start' }>;
type OrderCommand = Extract<ReceivedCommand, { type: 'set' | 'burst' | 'removeAll' | 'prove' | 'stop' }>;

/** In the order of `agent.cjs supervise`: stdin, stdout, stderr, the host's lock, the start lock of the run. */
export const supervisorLockFd = 3;
export const supervisorStartFd = 4;
const startTimeoutMs = 15_000;
const startPollMs = 20;
const endTimeoutMs = 10_000;
/** Due timers come before what can be read: this is long enough for both. */
const loopTurnMs = 20;

/** Speaks with one controller over stdin and stdout. Ends with stdin; runs live on. */
export class Relay {
  private follower: Follower | undefined;
  private starting: Promise<unknown> = Promise.resolve();
  private stopping: Promise<void> = Promise.resolve();
  private opened: StateDirectory | undefined;
  private hasEnded = false;

  constructor(
    private readonly openState: () => StateDirectory,
    private readonly agentPath: string,
    private readonly output: NodeJS.WritableStream,
  ) {}

  private get state(): StateDirectory {
    this.opened ??= this.openState();
    return this.opened;
  }

  /** Resolves at the end of the input, once a stop that was asked for has reached the run. */
  serve(input: NodeJS.ReadableStream): Promise<void> {
    const splitter = new LineSplitter(
      (line) => void this.receive(line),
      (beginning) => process.stderr.write(`a command was too long and was dropped: ${beginning}\n`),
    );
    return new Promise((resolve) => {
      input.on('data', (chunk: Buffer) => splitter.write(chunk));
      const end = () => {
        this.hasEnded = true;
        // A start that is under way removes what it made, or has its run begin.
        void Promise.all([this.starting, this.stopping]).then(() => resolve());
      };
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
      const value = await this.answerCommand(command);
      if (value !== undefined && 'id' in command && command.id !== undefined) this.write({ type: 'reply', id: command.id, ok: true, value });
    } catch (error) {
      if (!(error instanceof HumanError)) process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      if ('id' in command && command.id !== undefined) this.write({ type: 'reply', id: command.id, ok: false, error: toPlainError(error) });
    }
  }

  /** Undefined: the supervisor answers itself. */
  private async answerCommand(command: ReceivedCommand): Promise<unknown> {
    switch (command.type) {
      case 'probe':
        return probeHost(this.agentPath, command.isolation, collectOuterFacts(this.agentPath, command.servers === true));
      case 'start': {
        const starting = this.start(command);
        this.starting = starting.catch(() => undefined);
        return starting;
      }
      case 'servers':
        return findListeningServers();
      case 'attach':
        return this.attach(command.runId, command.fromSeq);
      case 'forget':
        return this.forget(command.runId);
      case 'list':
        return this.list();
      case 'restore':
        return restoreHost(this.state, this.lockPath(), command.dryRun);
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
    const outer = collectOuterFacts(this.agentPath, command.spec.attach !== undefined);
    // Proven before anything begins: only what listens on this very host is loaded.
    const attached = command.spec.attach === undefined ? undefined : attachTarget(command.spec, { servers: outer.servers ?? [], addresses: [] });
    const lockPath = this.lockPath();
    for (const line of await tidyUp(this.state, lockPath)) process.stderr.write(`${line}\n`);
    const { run, start } = this.state.createRun(command.runId);
    let lock: HostLock | undefined;
    try {
      start.record({ bootId: readBootId(), relay: identityOf(process.pid) ?? null, supervisor: null });
      lock = this.lock(lockPath, command.spec.waitForHost, outer.user.id);
      lock?.describe(command.runId, command.owner, process.pid);
      const { runId, owner, spec, plan, role } = command;
      const mark = randomBytes(16).toString('hex');
      const startedAt = new Date().toISOString();
      run.writeOrder({ runId, owner, spec, role, ...(plan === undefined ? {} : { plan }), startedAt, outer, mark, lockPath });
      // The plan says where it must live.
      const isolation = plan?.isolation ?? spec.isolation;
      const kind = attached !== undefined || isolation === 'host' || outer.namespace.kind === 'none' ? undefined : outer.namespace.kind;
      // A relay that was stopped for a while may find that its controller went away meanwhile: a turn of the loop reads the end.
      await sleep(loopTurnMs);
      if (this.hasEnded) throw new HumanError('The controller went away before the run began; nothing was started.', { code: 'cancelled' });
      await this.spawnSupervisor(run, entryOf(kind, attached), { lock, start, mark, secrets: command.secrets ?? {} });
    } catch (error) {
      // A lost start leaves nothing behind.
      start.hand();
      if (conditionOfRun(run) !== 'running') run.remove();
      lock?.release();
      this.state.removeIfEmpty();
      throw error;
    }
    lock?.hand();
    start.hand();
    await this.follow(run, 1);
    return { runId: command.runId };
  }

  /** The host's lock, or undefined when the supervisor shall wait for it. */
  private lock(path: string, waits: boolean, userId: number): HostLock | undefined {
    if (waits) return undefined;
    const ofRoot = sharesHost(process.env) ? holderOfRoot(userId) : undefined;
    const result = ofRoot === undefined ? HostLock.tryAcquire(path) : { holder: ofRoot };
    const other = this.otherRun();
    if (result instanceof HostLock && other === undefined) return result;
    if (result instanceof HostLock) result.release();
    const holder = result instanceof HostLock ? other : (result.holder ?? other);
    throw new HumanError(`This host is busy with ${describeHolder(holder)}; nothing was changed.`, {
      code: 'busy',
      remedy: 'Wait for it to end, stop it, or let this run wait for it (--wait, in a profile waitForHost).',
    });
  }

  /** A runtime directory vanishes at the last logout, with the lock in it, and a run outlives that. Runs that wait have no guardian. */
  private otherRun(): { runId: string; owner: string } | undefined {
    return this.state
      .runs()
      .filter((run) => {
        const state = run.readState();
        // One that ended is just closing its files.
        return state?.guardian != null && !state.ended && conditionOfRun(run) === 'running';
      })
      .map((run) => run.readOrder())[0];
  }

  private lockPath(): string {
    return findLockPath(process.env, process.getuid?.() ?? 0, this.state.path);
  }

  private async spawnSupervisor(
    run: RunDirectory,
    entry: Entry,
    { lock, start, mark, secrets }: { lock: HostLock | undefined; start: StartLock; mark: string; secrets: Readonly<Record<string, string>> },
  ): Promise<void> {
    const log = openSync(run.logPath, 'a', 0o600);
    const node = [process.execPath, this.agentPath, 'supervise', this.state.path, run.runId, entry.isIsolated ? 'isolated' : 'shared'];
    const [program, ...args] = entry.by === undefined ? node : [entry.by.command, ...entry.by.args, ...node];
    const child = spawn(program!, args, {
      detached: true,
      cwd: '/',
      stdio: ['pipe', log, log, lock === undefined ? 'ignore' : lock.fd, start.fd],
      // We may die before it is recorded, and whoever closes the run must find it all the same.
      env: { ...process.env, [runMarkVariable]: mark },
    });
    // Over a pipe: neither a file nor the arguments nor the environment of a process may hold them.
    child.stdin?.on('error', () => undefined).end(JSON.stringify(secrets));
    closeSync(log);
    const supervisor = child.pid === undefined ? undefined : identityOf(child.pid);
    start.record({ bootId: readBootId(), relay: identityOf(process.pid) ?? null, supervisor: supervisor ?? null });
    let failure: string | undefined;
    child.on('error', (error) => (failure = error.message));
    child.on('exit', (code, signal) => (failure ??= `it ended with ${signal ?? `code ${code ?? 'unknown'}`}`));
    const deadline = performance.now() + startTimeoutMs;
    while (run.readState() === undefined) {
      if (failure !== undefined || performance.now() > deadline) {
        await endChild(child);
        throw new HumanError(`The supervisor could not be started: ${failure ?? 'it took too long'}. ${readTail(run.logPath)}`.trim());
      }
      await sleep(startPollMs);
    }
    child.unref();
  }

  private async attach(runId: string, fromSeq: number): Promise<{ runId: string }> {
    const run = this.state.run(runId);
    if (run.readOrder() === undefined) {
      throw new HumanError(`There is no run ${runId} on this host.`, { code: 'usage', remedy: 'It was fetched and forgotten, or ran as another user.' });
    }
    await this.follow(run, fromSeq);
    return { runId };
  }

  private async follow(run: RunDirectory, fromSeq: number): Promise<void> {
    this.follower?.close();
    this.follower = new Follower(run, fromSeq, this.output, this.lockPath());
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
    const closed = condition === 'abandoned' ? await closeAbandoned(run, new SysctlFiles(), this.lockPath()) : undefined;
    if (condition === 'abandoned' && closed?.complete !== true) {
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
      return [{ runId: run.runId, owner: order.owner, startedAt: order.startedAt, state: conditionOfRun(run), supervisorPid, spec: order.spec }];
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

/** Resolves when it is gone, so that nothing is held by it any more. */
async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** How the supervisor comes into the network namespace in which the run lives. */
interface Entry {
  isIsolated: boolean;
  by?: { command: string; args: string[] };
}

function entryOf(kind: 'netns' | 'userns' | undefined, attached: AttachedServer | undefined): Entry {
  if (attached !== undefined) return { isIsolated: false, ...(attached.server.otherNamespace ? { by: enterCommand(attached.server.pid) } : {}) };
  return kind === undefined ? { isIsolated: false } : { isIsolated: true, by: unshareCommand(kind) };
}

function readTail(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').slice(-3).join(' | ').slice(-500);
  } catch {
    return '';
  }
}
