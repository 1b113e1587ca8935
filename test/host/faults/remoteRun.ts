import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { relayMessageSchema, type ControllerCommand, type HostRun, type Reply } from '../../../src/protocol/commands.js';
import type { RunEvent, Summary } from '../../../src/protocol/events.js';
import { LineSplitter } from '../../../src/files/lines.js';
import { encodeLine } from '../../../src/protocol/lines.js';
import { runSpecSchema, type RunSpec, type RunSpecInput } from '../../../src/protocol/spec.js';
import type { TestHost } from '../support/host.js';

/** Where the runs of a test host lie: on a file system of the host's own, so that it can be filled. */
export const stateDirectory = '/run/c10m-state';
const heartbeatMs = 1_000;

export function specFor(input: Partial<RunSpecInput>): RunSpec {
  return v.parse(runSpecSchema, { version: 1, host: 'test', connections: 300, protocol: 'tcp', engine: 'epoll', holdSeconds: 3, leaseSeconds: 10, ...input });
}

/** How a controller comes to a relay: over a real SSH session of its own, as root or as another user. */
export interface Link {
  host: TestHost;
  agentPath: string;
  user?: string;
  /** Shell text before `node`, such as `exec setpriv …`; `exec` when absent. */
  prefix?: string;
  /** Without SSH, by `nsenter`: for many runs in a short time. */
  isDirect?: boolean;
}

/** A controller of the tests: one relay over `ssh`, all events in order, and the order in which to fail. */
export class RemoteRun {
  readonly events: RunEvent[] = [];
  /** Numbers that were not the successor of the one before. */
  readonly gaps: string[] = [];
  closed = false;
  private child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly replies = new Map<number, (reply: Reply) => void>();
  private nextId = 1;
  private heartbeat: NodeJS.Timeout | undefined;
  stderr = '';

  constructor(
    private readonly link: Link,
    readonly runId: string,
  ) {
    this.child = this.open();
  }

  /** The local `ssh`: to kill it is to kill the controller. */
  get sshPid(): number {
    return this.child.pid ?? 0;
  }

  async start(spec: RunSpec): Promise<void> {
    await this.request((id) => ({ type: 'start', id, runId: this.runId, spec, owner: 'tester@laptop' }));
    this.beat();
  }

  beat(): void {
    clearInterval(this.heartbeat);
    this.heartbeat = setInterval(() => this.send({ type: 'heartbeat' }), heartbeatMs);
  }

  /** As a controller does after a lost link: a new session, and on from the last event it has. */
  async reattach(): Promise<void> {
    this.child.kill('SIGKILL');
    this.child = this.open();
    await this.request((id) => ({ type: 'attach', id, runId: this.runId, fromSeq: (this.events.at(-1)?.seq ?? 0) + 1 }));
    this.beat();
  }

  send(command: ControllerCommand): void {
    this.child.stdin.write(encodeLine(command));
  }

  request(build: (id: number) => ControllerCommand, timeoutMs = 60_000): Promise<unknown> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no reply to ${JSON.stringify(build(id)).slice(0, 80)}; ${this.stderr}`)), timeoutMs);
      this.replies.set(id, (reply) => {
        clearTimeout(timer);
        if (reply.ok) resolve(reply.value);
        else reject(new Error(`${reply.error.code}: ${reply.error.message}`));
      });
      this.send(build(id));
    });
  }

  async waitFor(what: string, found: (event: RunEvent) => boolean, timeoutMs = 60_000): Promise<RunEvent> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const event = this.events.find(found);
      if (event !== undefined) return event;
      if (Date.now() > deadline) {
        const tail = this.events
          .slice(-5)
          .map((each) => JSON.stringify(each).slice(0, 200))
          .join('\n');
        throw new Error(`${what} did not come in ${timeoutMs} ms. The last events:\n${tail}\n${this.stderr}`);
      }
      await delay(20);
    }
  }

  waitForPhase(phase: string, timeoutMs?: number): Promise<RunEvent> {
    return this.waitFor(`the phase ${phase}`, (event) => event.type === 'phase' && event.phase === phase, timeoutMs);
  }

  async summary(timeoutMs?: number): Promise<Summary> {
    const event = await this.waitFor('the summary', (each) => each.type === 'summary', timeoutMs);
    return (event as Extract<RunEvent, { type: 'summary' }>).summary;
  }

  /** The pid (inside the host) of `supervisor`, `guardian` or a worker by its role. The newest one, since guardians are replaced. */
  pidOf(who: 'supervisor' | 'guardian' | 'server' | 'client'): number {
    if (who === 'supervisor') return this.events.flatMap((event) => (event.type === 'hello' ? [event.supervisorPid] : [])).at(-1)!;
    return this.events.flatMap((event) => (event.type === 'worker' && event.state === 'started' && event.role === who ? [event.pid ?? 0] : [])).at(-1)!;
  }

  async kill(who: Parameters<RemoteRun['pidOf']>[0], signal = 'KILL'): Promise<void> {
    await this.link.host.exec(`kill -${signal} ${this.pidOf(who)}`);
  }

  async list(): Promise<HostRun[]> {
    return (await this.request((id) => ({ type: 'list', id }))) as HostRun[];
  }

  /** The summary has come. */
  get isSummarised(): boolean {
    return this.events.at(-1)?.type === 'summary';
  }

  async forget(timeoutMs?: number): Promise<void> {
    await this.request((id) => ({ type: 'forget', id, runId: this.runId }), timeoutMs);
  }

  close(): void {
    clearInterval(this.heartbeat);
    this.child.kill('SIGKILL');
  }

  private open(): ChildProcessByStdio<Writable, Readable, Readable> {
    const { host, agentPath, user, prefix, isDirect } = this.link;
    const remote = `export C10M_STATE_DIRECTORY=${stateDirectory}-${user ?? 'root'}; ${prefix ?? 'exec'} ${process.execPath} ${agentPath} relay`;
    const options = ['-F', 'none', '-i', host.keyFile, '-o', `UserKnownHostsFile=${host.knownHostsFile}`, '-o', 'BatchMode=yes', '-p', String(host.port)];
    const [program, ...words] = isDirect === true ? host.enter(remote) : ['ssh', ...options, `${user ?? 'root'}@${host.address}`, remote];
    const child = spawn(program!, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.closed = false;
    const splitter = new LineSplitter((line) => this.receive(line));
    child.stdout.on('data', (chunk: Buffer) => {
      if (child === this.child) splitter.write(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => (this.stderr = (this.stderr + chunk.toString()).slice(-2_000)));
    child.stdin.on('error', () => undefined);
    child.on('exit', () => {
      if (child === this.child) this.closed = true;
    });
    return child;
  }

  private receive(line: string): void {
    const message = v.parse(relayMessageSchema, JSON.parse(line));
    if (message.type === 'reply') {
      this.replies.get(message.id)?.(message);
      this.replies.delete(message.id);
      return;
    }
    const last = this.events.at(-1)?.seq ?? 0;
    if (message.seq !== last + 1) this.gaps.push(`${last} → ${message.seq}`);
    this.events.push(message);
  }
}
