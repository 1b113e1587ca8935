import { sleep } from '../../files/sleep.js';
import { spawn, type ChildProcess } from 'node:child_process';
import { identityOf, type ProcessIdentity } from '../../linux/process.js';
import { descendantsOf, endDescendants, processTree } from '../../linux/processTree.js';
import type { ServerProcesses } from './serverProcesses.js';
import { becomeSubreaper, reapChild, setParentDeathSignal } from '../../linux/limits.js';

/** Between SIGTERM and SIGKILL: stop is obeyed within two seconds. */
const graceMs = 1_000;
const pollMs = 20;
/** The kernel frees a socket in about 5 µs when its process is killed: a million take seconds. */
const killTimeoutMs = 60_000;
/** Its last words may still be in the pipe when it has ended; whoever else holds the pipe is not waited for. */
const lastWordsMs = 200;

export interface StartOptions {
  shellText: string;
  directory: string;
  environment: NodeJS.ProcessEnv;
  onOutput(stream: 'stdout' | 'stderr', bytes: Buffer): void;
  /** All that the command started has ended, while it was wanted. */
  onEnd(how: string): void;
}

/**
 * The command of the user and everything it starts. This worker is the subreaper of all of them, so that none can leave it: neither by fork and the
 * end of its parent, nor as a daemon, in another session, process group or network namespace, or under another title.
 */
export class OwnedProcesses implements ServerProcesses {
  private readonly child: ChildProcess;
  private readonly self: ProcessIdentity;
  /** What this worker had started before, none of it the command's. */
  private readonly except: number[];
  private isEnding = false;
  private leaderEnded: string | undefined;
  /** It ended by itself without an error: what it left behind is the server. */
  private isDaemon = false;

  constructor(private readonly options: StartOptions) {
    becomeSubreaper();
    // Our own end must not come before that of the command: standard input ends with the supervisor, and that ends the command first.
    setParentDeathSignal(0);
    this.self = identityOf(process.pid) ?? { pid: process.pid, startTime: 0 };
    this.except = descendantsOf({ roots: [this.self] }).map(({ pid }) => pid);
    const { shellText, directory, environment } = options;
    // A process group of its own, so that a signal reaches the shell's children at once.
    this.child = spawn('/bin/sh', ['-c', shellText], { detached: true, cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], env: environment });
    this.child.stdout?.on('data', (bytes: Buffer) => options.onOutput('stdout', bytes));
    this.child.stderr?.on('data', (bytes: Buffer) => options.onOutput('stderr', bytes));
    this.child.on('error', (error) => this.onLeaderEnd(`could not be started: ${error.message}`, false));
    this.child.on('exit', (code, signal) => {
      const how = signal === null ? `ended with exit code ${code ?? 'unknown'}` : `was ended by ${signal}`;
      const finish = () => this.onLeaderEnd(how, code === 0);
      const timer = setTimeout(finish, lastWordsMs);
      this.child.once('close', () => {
        clearTimeout(timer);
        finish();
      });
    });
  }

  /** The processes that live now, without this worker. */
  pids(): number[] {
    const found = processTree(process.pid)
      .slice(1)
      .filter((pid) => !this.except.includes(pid));
    this.reap(found);
    if (found.length === 0 && this.leaderEnded !== undefined && this.isDaemon) this.onAllEnded(this.leaderEnded);
    return found;
  }

  /** SIGTERM to all, then SIGKILL, until nothing is left. */
  async end(): Promise<void> {
    this.isEnding = true;
    this.signalGroup('SIGTERM');
    for (const { pid } of this.living()) signal(pid, 'SIGTERM');
    const deadline = performance.now() + graceMs;
    while (this.living().length > 0 && performance.now() < deadline) await sleep(pollMs);
    await this.kill();
  }

  /** SIGKILL to all, until nothing is left. */
  async kill(): Promise<void> {
    this.isEnding = true;
    this.signalGroup('SIGKILL');
    await endDescendants({ roots: [this.self], except: this.except }, killTimeoutMs);
  }

  private living(): ProcessIdentity[] {
    return descendantsOf({ roots: [this.self], except: this.except });
  }

  private onLeaderEnd(how: string, isOrderly: boolean): void {
    if (this.leaderEnded !== undefined) return;
    this.leaderEnded = how;
    if (isOrderly && this.living().length > 0) this.isDaemon = true;
    else this.onAllEnded(how);
  }

  private onAllEnded(how: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    void this.kill().then(() => this.options.onEnd(this.isDaemon ? 'has ended: the processes that it left running are gone' : how));
  }

  /** Children that others left to us would stay as zombies; Node waits for its own child by itself. */
  private reap(pids: readonly number[]): void {
    for (const pid of pids) if (pid !== this.child.pid && identityOf(pid) === undefined) reapChild(pid);
  }

  private signalGroup(name: NodeJS.Signals): void {
    // The number of a group stays taken while one of it lives; after the last it may be another's.
    if (this.child.pid !== undefined && this.leaderEnded === undefined) signal(-this.child.pid, name);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
