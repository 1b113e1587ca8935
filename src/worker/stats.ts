import { hostClockMs } from '../linux/clock.js';
import type { Answer, WorkerStats } from '../protocol/worker.js';
import type { TlsStats } from '../protocol/tls.js';

/** While counts move, and otherwise. */
const movingPeriodMs = 250;
const idlePeriodMs = 1_000;

/** Counts of a ramp are noted this often, and reported with the next stats: some periods of them, two numbers each. */
const markPeriodMs = 50;
const maximumMarks = 2 * 64;

export interface Counters {
  opened: number;
  closed: number;
  open: number;
}

/** Cumulative counters of a worker, and when they are due to be reported. */
export class Stats {
  readonly tcp: Counters = { opened: 0, closed: 0, open: 0 };
  readonly websocket: Counters = { opened: 0, closed: 0, open: 0 };
  readonly failed: Record<string, number> = {};
  connecting = 0;
  lost = 0;
  /** Client: messages of bursts and of the steady traffic that were planned, and those whose connection died. */
  readonly tcpPlan = { planned: 0, lost: 0 };
  readonly websocketPlan = { planned: 0, lost: 0 };
  /** Server of the user: established connections that it has not accepted. */
  waiting: number | undefined;
  isEstimate: true | undefined;
  frozen: true | undefined;
  /** The next stats are the answer to `report`. */
  asked = false;
  tcpMessages = 0;
  tcpBytes = 0;
  websocketMessages = 0;
  websocketBytes = 0;
  blocked: WorkerStats['blocked'];
  files: WorkerStats['files'];
  /** See `WorkerStats`. */
  upstream: number | undefined;
  /** Client: what the server said to those it refused, and how old were those it ended. */
  answers: readonly Answer[] = [];
  lifetimes: Readonly<Record<string, number>> = {};
  keepAlive: WorkerStats['keepAlive'];
  notEchoed = 0;
  /** With TLS: its own counters. */
  tls: { message(): TlsStats } | undefined;
  private lastSentAt = Number.NEGATIVE_INFINITY;
  private lastSum = -1;
  private readonly marks: number[] = [];
  private nextMarkAt = 0;
  private markedOpened = 0;
  private stillAt = 0;

  constructor(private readonly has: { tcp: boolean; websocket: boolean }) {}

  opened(counters: Counters): void {
    counters.opened++;
    counters.open++;
  }

  closed(counters: Counters): void {
    counters.closed++;
    counters.open--;
  }

  fail(name: string): void {
    this.failed[name] = (this.failed[name] ?? 0) + 1;
  }

  /** Makes the next stats due at once: something was reached that others wait for. */
  hurry(): void {
    this.lastSentAt = Number.NEGATIVE_INFINITY;
  }

  /** Milliseconds until the next stats are due; 0 or less: now. */
  dueIn(now: number): number {
    return this.lastSentAt + (this.sum() === this.lastSum ? idlePeriodMs : movingPeriodMs) - now;
  }

  /** Client: notes what is open while a ramp is on, so that its rate is known each tenth of a second. */
  mark(now: number): void {
    if (now < this.nextMarkAt) return;
    const opened = this.tcp.opened + this.websocket.opened;
    this.nextMarkAt = now + markPeriodMs;
    const at = hostClockMs();
    if (opened !== this.markedOpened && this.marks.length < maximumMarks) {
      // It stood still until the look before: a straight line from the last mark would say otherwise.
      if (this.stillAt !== 0) this.marks.push(this.stillAt, this.markedOpened);
      this.marks.push(at, opened);
      this.stillAt = 0;
    } else if (opened === this.markedOpened) this.stillAt = at;
    this.markedOpened = opened;
  }

  /** `messages`: what became of the planned ones, where that was asked for. */
  message(now: number, cpuMicroseconds: number, messages?: WorkerStats['messages']): WorkerStats {
    this.lastSentAt = now;
    this.lastSum = this.sum();
    return {
      type: 'stats',
      atMs: hostClockMs(),
      ...(this.has.tcp ? { tcp: { ...this.tcp } } : {}),
      ...(this.has.websocket ? { websocket: { ...this.websocket } } : {}),
      connecting: this.connecting,
      failed: { ...this.failed },
      lost: this.lost,
      tcpMessages: this.tcpMessages,
      tcpBytes: this.tcpBytes,
      websocketMessages: this.websocketMessages,
      websocketBytes: this.websocketBytes,
      cpuMicroseconds,
      ...(messages === undefined ? {} : { messages }),
      ...(this.marks.length === 0 ? {} : { marks: this.marks.splice(0) }),
      ...(this.takeAsked() ? { asked: true } : {}),
      ...(this.frozen === undefined ? {} : { frozen: true }),
      ...(this.waiting === undefined ? {} : { waiting: this.waiting }),
      ...(this.isEstimate === undefined ? {} : { isEstimate: true }),
      ...(this.blocked === undefined ? {} : { blocked: this.blocked }),
      ...(this.files === undefined ? {} : { files: this.files }),
      ...(this.upstream === undefined ? {} : { upstream: this.upstream }),
      ...(this.answers.length === 0 ? {} : { answers: this.answers.map((answer) => ({ ...answer })) }),
      ...(Object.keys(this.lifetimes).length === 0 ? {} : { lifetimes: { ...this.lifetimes } }),
      ...(this.keepAlive === undefined ? {} : { keepAlive: { ...this.keepAlive } }),
      ...(this.notEchoed === 0 ? {} : { notEchoed: this.notEchoed }),
      ...(this.tls === undefined ? {} : { tls: this.tls.message() }),
    };
  }

  private takeAsked(): boolean {
    const { asked } = this;
    this.asked = false;
    return asked;
  }

  /** Changes whenever a counter moves: all of them only grow, and `connecting` moves with them. */
  private sum(): number {
    const { tcp, websocket } = this;
    return tcp.opened + tcp.closed + websocket.opened + websocket.closed + this.lost + this.tcpBytes + this.websocketBytes + this.connecting;
  }
}

/** User and system time of this process in microseconds. */
export function ownCpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
