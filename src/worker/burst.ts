import type { DescriptorList } from './connectionTable.js';
import { purposes, type ConnectionObserver, type EchoUser, type Exchange } from './exchange.js';
import type { Latencies, RecordAge } from './latencies.js';
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
  /** The connections that were open when it began, twice the descriptor and one for WebSocket; those from `next` on have not been begun. */
  connections: Int32Array;
  next: number;
  /** Connections that have not had all their echoes, and the messages that are still to be sent on each. */
  active: Map<number, number>;
  echoed: number;
  /** Messages that did not come back, for whatever reason. */
  missing: number;
  startedAt: number;
  lastEchoAt: number;
}

/**
 * Sends M messages of S bytes over each open connection and reports when all came back. All of them are planned for the moment in which the
 * burst begins: what waits behind others is counted with its wait.
 */
export class Bursts implements EchoUser, ConnectionObserver {
  private readonly orders: BurstOrder[] = [];
  private current: CurrentBurst | undefined;

  constructor(
    private readonly exchange: Exchange,
    private readonly open: Pick<DescriptorList, 'length' | 'has' | 'snapshot'>,
    private readonly latencies: Latencies,
    private readonly isWebSocket: (fd: number) => boolean,
    private readonly report: (message: WorkerMessage) => void,
  ) {}

  /** `isOver`: no more messages are planned. */
  order(order: BurstOrder, isOver = false): void {
    if (isOver) {
      this.report({ type: 'burstDone', order: order.order, messages: 0, bytes: 0, lost: 0, elapsedMs: 0 });
      return;
    }
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

  answered(_fd: number, messages: number, now: number): void {
    const { current } = this;
    if (current === undefined) return;
    current.lastEchoAt = now;
    current.echoed += messages;
    this.latencies.record(now - current.startedAt, messages);
  }

  echoed(fd: number): void {
    const { current } = this;
    const left = current?.active.get(fd);
    if (current === undefined || left === undefined) return;
    if (left > 0) {
      this.send(current, fd, left);
      return;
    }
    current.active.delete(fd);
    this.feed(current);
    this.endIfDone(current);
  }

  freed(): void {
    // A connection that the steady traffic has for itself is asked for again by `feed`.
  }

  opened(): void {
    // A connection that was opened after the burst began has no part in it.
  }

  closed(fd: number, isLost: boolean): void {
    const { current } = this;
    const left = current?.active.get(fd);
    if (current === undefined || left === undefined) return;
    const missing = left + this.exchange.missing(fd, purposes.burst);
    this.miss(current, missing);
    if (isLost) this.exchange.lose(fd, missing);
    current.active.delete(fd);
    this.endIfDone(current);
  }

  /** Every message that has not come back yet has the age of its burst. */
  addPending(now: number, record: RecordAge): void {
    const { current } = this;
    if (current === undefined) return;
    const pending = current.connections.length * current.messages - current.echoed - current.missing;
    if (pending > 0) record(now - current.startedAt, pending);
  }

  /** Ends the burst that is on, and forgets those that wait: their messages were never planned. */
  stop(): void {
    this.orders.length = 0;
    if (this.current !== undefined) this.giveUp(this.current);
  }

  private begin(): void {
    const order = this.orders.shift();
    if (order === undefined) return;
    const startedAt = performance.now();
    this.exchange.enter(purposes.burst, this, order.bytes);
    const connections = this.open.snapshot();
    for (let index = 0; index < connections.length; index++) {
      const fd = connections[index]!;
      this.exchange.plan(fd, order.messages);
      connections[index] = fd * 2 + (this.isWebSocket(fd) ? 1 : 0);
    }
    this.current = { ...order, connections, next: 0, active: new Map(), echoed: 0, missing: 0, startedAt, lastEchoAt: startedAt };
    this.feed(this.current);
    this.endIfDone(this.current);
  }

  /** Begins with as many connections as may be under way. */
  private feed(current: CurrentBurst): void {
    while (current.next < current.connections.length && current.active.size < connectionsUnderWay) {
      const entry = current.connections[current.next]!;
      const fd = entry >> 1;
      if (!this.isStillOpen(entry)) {
        current.next++;
        this.miss(current, current.messages);
        this.exchange.loseOf((entry & 1) === 1, current.messages);
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
    const entry = connections[next]!;
    connections[next] = connections[other]!;
    connections[other] = entry;
    return !this.exchange.isBusy(connections[next] >> 1);
  }

  private send(current: CurrentBurst, fd: number, messages: number): void {
    current.active.set(fd, messages);
    current.active.set(fd, messages - this.exchange.send(fd, purposes.burst, messages));
  }

  /** Another connection may have the descriptor by now: of the same protocol it is as good, of the other one it is not. */
  private isStillOpen(entry: number): boolean {
    return this.open.has(entry >> 1) && this.isWebSocket(entry >> 1) === ((entry & 1) === 1);
  }

  private miss(current: CurrentBurst, messages: number): void {
    current.missing += messages;
    if (messages > 0) this.latencies.record(performance.now() - current.startedAt, messages);
  }

  private giveUp(current: CurrentBurst): void {
    // Whoever waits for these connections is let in only after the count is closed.
    const given = [...current.active.keys()];
    this.miss(current, current.connections.length * current.messages - current.echoed - current.missing);
    current.next = current.connections.length;
    current.active.clear();
    for (const fd of given) this.exchange.giveUp(fd);
    this.endIfDone(current);
  }

  private endIfDone(current: CurrentBurst): void {
    if (this.current !== current || current.active.size > 0 || current.next < current.connections.length) return;
    this.current = undefined;
    this.exchange.leave(purposes.burst);
    const { order, echoed, missing, bytes } = current;
    const elapsedMs = performance.now() - current.startedAt;
    this.report({ type: 'burstDone', order, messages: echoed, bytes: echoed * bytes, lost: missing, elapsedMs });
    this.begin();
  }
}
