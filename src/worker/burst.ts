import type { DescriptorList } from './connectionTable.js';
import { purposes, type ConnectionObserver, type EchoUser, type Exchange } from './exchange.js';
import type { Stats } from './stats.js';
import { maximumMessageBytes } from './websocket/messages.js';
import type { WorkerMessage } from '../protocol/worker.js';

/** Connections with messages under way at once: 32 MiB of the kernel's buffers at most. */
const connectionsUnderWay = 1024;
/** A burst that gets no echo at all for so long is over; what is missing is lost. */
const silenceMs = 10_000;
const sweepPeriodMs = 250;
/** Orders that wait for the one before. */
const waitingOrders = 16;

export interface BurstOrder {
  order: number;
  messages: number;
  bytes: number;
}

interface CurrentBurst extends BurstOrder {
  /** The connections that were open when it began; those from `next` on have not been begun. */
  connections: Int32Array;
  next: number;
  /** Connections that have not had all their echoes, and the messages that are still to be sent on each. */
  active: Map<number, number>;
  echoed: number;
  lost: number;
  startedAt: number;
  lastEchoAt: number;
}

/** Sends M messages of S bytes over each open connection and tells when all came back. */
export class Bursts implements EchoUser, ConnectionObserver {
  private readonly orders: BurstOrder[] = [];
  private current: CurrentBurst | undefined;

  constructor(
    private readonly exchange: Exchange,
    private readonly open: Pick<DescriptorList, 'length' | 'has' | 'snapshot'>,
    private readonly stats: Stats,
    private readonly report: (message: WorkerMessage) => void,
  ) {}

  order(order: BurstOrder): void {
    if (order.bytes < 1 || order.bytes > maximumMessageBytes || this.orders.length >= waitingOrders) {
      this.report({
        type: 'log',
        level: 'warn',
        text: `a burst was refused: ${waitingOrders} wait already, or its messages have not 1 to ${maximumMessageBytes} bytes`,
      });
      this.report({ type: 'burstDone', order: order.order, messages: 0, bytes: 0, lost: order.messages * this.open.length, elapsedMs: 0 });
      return;
    }
    this.orders.push(order);
    if (this.current === undefined) this.begin();
  }

  /** Returns the milliseconds until it wants to be called again. */
  onTurn(now: number): number {
    const { current } = this;
    if (current === undefined) return Number.POSITIVE_INFINITY;
    this.feed(current);
    if (now - current.lastEchoAt > silenceMs) this.giveUp(current);
    return sweepPeriodMs;
  }

  echoed(fd: number, now: number): void {
    const { current } = this;
    const left = current?.active.get(fd);
    if (current === undefined || left === undefined) return;
    current.lastEchoAt = now;
    if (left > 0) {
      this.send(current, fd, left);
      return;
    }
    current.active.delete(fd);
    current.echoed += current.messages;
    this.feed(current);
    this.endIfDone(current);
  }

  opened(): void {
    // A connection that was opened after the burst began has no part in it.
  }

  closed(fd: number): void {
    const { current } = this;
    const left = current?.active.get(fd);
    if (current === undefined || left === undefined) return;
    this.count(current, fd, left);
    current.active.delete(fd);
    this.endIfDone(current);
  }

  private begin(): void {
    const order = this.orders.shift();
    if (order === undefined) return;
    const startedAt = performance.now();
    this.exchange.enter(purposes.burst, this, order.bytes);
    this.current = { ...order, connections: this.open.snapshot(), next: 0, active: new Map(), echoed: 0, lost: 0, startedAt, lastEchoAt: startedAt };
    this.feed(this.current);
    this.endIfDone(this.current);
  }

  /** Begins with as many connections as may be under way. */
  private feed(current: CurrentBurst): void {
    while (current.next < current.connections.length && current.active.size < connectionsUnderWay) {
      const fd = current.connections[current.next]!;
      if (!this.isStillOpen(fd)) {
        current.next++;
        current.lost += current.messages;
        continue;
      }
      // Steady traffic has its message under way: its echo makes room.
      if (this.exchange.isBusy(fd)) {
        if (!this.postpone(current)) return;
        continue;
      }
      current.next++;
      this.send(current, fd, current.messages);
    }
  }

  /** Puts the next connection last. False: it is the only one that is left. */
  private postpone(current: CurrentBurst): boolean {
    const { connections, next } = current;
    const last = connections.length - 1;
    if (next === last) return false;
    const other = Math.min(last, next + 1 + Math.floor(Math.random() * (last - next)));
    const fd = connections[next]!;
    connections[next] = connections[other]!;
    connections[other] = fd;
    return !this.exchange.isBusy(connections[next]);
  }

  private send(current: CurrentBurst, fd: number, messages: number): void {
    current.active.set(fd, messages);
    current.active.set(fd, messages - this.exchange.send(fd, purposes.burst, messages));
  }

  private isStillOpen(fd: number): boolean {
    return this.open.has(fd);
  }

  private count(current: CurrentBurst, fd: number, left: number): void {
    const missing = left + this.exchange.missing(fd, purposes.burst);
    current.lost += missing;
    current.echoed += current.messages - missing;
  }

  private giveUp(current: CurrentBurst): void {
    for (const [fd, left] of current.active) {
      this.count(current, fd, left);
      this.exchange.abandon(fd);
    }
    current.lost += (current.connections.length - current.next) * current.messages;
    current.next = current.connections.length;
    current.active.clear();
    this.endIfDone(current);
  }

  private endIfDone(current: CurrentBurst): void {
    if (this.current !== current || current.active.size > 0 || current.next < current.connections.length) return;
    this.current = undefined;
    this.exchange.leave(purposes.burst);
    const { order, echoed, lost, bytes } = current;
    this.stats.messagesLost += lost;
    const elapsedMs = performance.now() - current.startedAt;
    this.report({ type: 'burstDone', order, messages: echoed, bytes: echoed * bytes, lost, elapsedMs });
    this.begin();
  }
}
