import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { canAct, identityOf, isAlive, runMarkVariable, type ProcessIdentity } from '../../linux/process.js';
import type { RunEventBody } from '../../protocol/events.js';
import { encodeLine } from '../../protocol/lines.js';
import { beatIntervalMs, type GuardianMessage } from './guardian.js';
import type { RunDirectory } from '../stateDirectory.js';

/** A guardian that is found stopped (SIGSTOP) this many beats in a row guards nothing: another takes its place. */
const stoppedBeats = 2;
/** A guardian that dies again and again (out of memory, say) is not started without end. */
const maximumRestarts = 20;
/** In the order of `agent.cjs guard`: stdin, stdout, stderr, the host's lock. */
export const guardianLockFd = 3;

/** The supervisor's side of the guardian: starts it, beats, and starts another when it died. */
export class GuardianLink {
  private child: ChildProcess | undefined;
  private beat: NodeJS.Timeout | undefined;
  private workers: ProcessIdentity[] = [];
  private identity: ProcessIdentity | undefined;
  private beatsStopped = 0;
  private restarts = 0;
  private isDone = false;

  constructor(
    private readonly options: {
      agentPath: string;
      run: RunDirectory;
      stateDirectory: string;
      isolated: boolean;
      leaseSeconds: number;
      lockFd: number;
      /** Of the run's programs (`RunTraces`). */
      mark: string;
      emit(event: RunEventBody): void;
      onChange(guardian: ProcessIdentity | null): void;
    },
  ) {}

  start(): void {
    const { agentPath, run, stateDirectory, isolated, leaseSeconds, lockFd, mark } = this.options;
    const log = openSync(run.logPath, 'a', 0o600);
    // `detached`: a session and process group of its own, so that a signal to the supervisor's group does not reach it.
    const { pid, startTime } = identityOf(process.pid)!;
    const words = [stateDirectory, run.runId, isolated ? 'isolated' : 'shared', String(leaseSeconds), String(pid), String(startTime)];
    const child = spawn(process.execPath, [agentPath, 'guard', ...words], {
      detached: true,
      cwd: '/',
      stdio: ['pipe', log, log, lockFd],
      // We may die before it is recorded, and whoever closes the run must find it all the same.
      env: { ...process.env, [runMarkVariable]: mark },
    });
    closeSync(log);
    this.child = child;
    // A write after its death is reported by `exit`.
    child.stdin?.on('error', () => undefined);
    child.on('error', () => undefined);
    child.on('exit', (exitCode, signal) => this.onExit(child, exitCode, signal));
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    this.identity = identity;
    this.beatsStopped = 0;
    this.options.emit({ type: 'worker', id: 'guardian', role: 'guardian', state: 'started', ...(identity === undefined ? {} : { pid: identity.pid }) });
    this.options.onChange(identity ?? null);
    this.send({ type: 'processes', workers: this.workers });
    this.beat ??= setInterval(() => this.beatOnce(), beatIntervalMs);
  }

  setProcesses(workers: ProcessIdentity[]): void {
    this.workers = workers;
    this.send({ type: 'processes', workers });
  }

  /** The run ended in order. Resolves when the guardian is gone. */
  async release(): Promise<void> {
    this.isDone = true;
    clearInterval(this.beat);
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.send({ type: 'done' });
    child.stdin?.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), 1_000);
    await gone;
    clearTimeout(timer);
  }

  private beatOnce(): void {
    this.send({ type: 'beat' });
    const isStopped = this.identity !== undefined && isAlive(this.identity) && !canAct(this.identity);
    this.beatsStopped = isStopped ? this.beatsStopped + 1 : 0;
    if (this.beatsStopped >= stoppedBeats) this.child?.kill('SIGKILL');
  }

  private send(message: GuardianMessage): void {
    this.child?.stdin?.write(encodeLine(message));
  }

  private onExit(child: ChildProcess, exitCode: number | null, signal: string | null): void {
    if (child !== this.child || this.isDone) return;
    this.options.emit({
      type: 'worker',
      id: 'guardian',
      role: 'guardian',
      state: 'exited',
      exitCode,
      signal,
      ...(child.pid === undefined ? {} : { pid: child.pid }),
    });
    if (this.restarts++ < maximumRestarts) this.start();
    else this.options.emit({ type: 'log', level: 'error', text: 'The guardian died too often; the run goes on without one.' });
  }
}
