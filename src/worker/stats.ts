import type { WorkerStats } from '../protocol/worker.js';

/** While counts move, and otherwise. */
const movingPeriodMs = 250;
const idlePeriodMs = 1_000;

export interface Counters {
  opened: number;
  closed: number;
  open: number;
}

/** Cumulative counters of a worker, and when they are due to be told. */
export class Stats {
  readonly tcp: Counters = { opened: 0, closed: 0, open: 0 };
  readonly websocket: Counters = { opened: 0, closed: 0, open: 0 };
  readonly failed: Record<string, number> = {};
  connecting = 0;
  lost = 0;
  /** Messages of bursts and of the steady traffic that never came back. */
  messagesLost = 0;
  tcpMessages = 0;
  tcpBytes = 0;
  websocketMessages = 0;
  websocketBytes = 0;
  blocked: WorkerStats['blocked'];
  files: WorkerStats['files'];
  private lastSentAt = Number.NEGATIVE_INFINITY;
  private lastSum = -1;

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

  message(now: number, cpuMicroseconds: number, histogram?: string): WorkerStats {
    this.lastSentAt = now;
    this.lastSum = this.sum();
    return {
      type: 'stats',
      ...(this.has.tcp ? { tcp: { ...this.tcp } } : {}),
      ...(this.has.websocket ? { websocket: { ...this.websocket } } : {}),
      connecting: this.connecting,
      failed: { ...this.failed },
      lost: this.lost,
      messagesLost: this.messagesLost,
      tcpMessages: this.tcpMessages,
      tcpBytes: this.tcpBytes,
      websocketMessages: this.websocketMessages,
      websocketBytes: this.websocketBytes,
      cpuMicroseconds,
      ...(histogram === undefined ? {} : { histogram }),
      ...(this.blocked === undefined ? {} : { blocked: this.blocked }),
      ...(this.files === undefined ? {} : { files: this.files }),
    };
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
