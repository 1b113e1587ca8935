import { epollIn, epollOut } from '../linux/epoll.js';
import { errnoName, errnos, explainErrno, isHardLimit } from '../linux/errno.js';
import { lastErrno } from '../linux/libc.js';
import { acceptConnection, acceptWithPeer, openListener, peerAddress } from '../linux/sockets.js';
import { closeDescriptor } from '../linux/syscalls.js';
import type { ServerWorkerPlan } from '../protocol/plan.js';
import { ConnectionTable } from './connectionTable.js';
import type { Loop } from './loop.js';
import { Output } from './output.js';
import type { Stats } from './stats.js';
import { WebSocketServer } from './websocket/server.js';
import type { Handshakes } from './tls/handshakes.js';
import type { Wire } from './wire.js';

/** Accepts in one turn of the loop: a flood of connections must not keep the open ones waiting for more than about 50 ms. */
const acceptsPerTurn = 4096;
/** One read; longer messages come in several. */
const readBytes = 64 * 1024;
/** After a hard limit was hit, accept is tried again this often: the limit may have been raised or connections closed. */
const acceptPauseMs = 1_000;

const states = { none: 0, tcpListener: 1, webSocketListener: 2, tcp: 3, webSocket: 4, tcpSecuring: 5, webSocketSecuring: 6 } as const;

/** The epoll echo server: TCP echoes bytes, WebSocket echoes messages. */
export class EpollServer {
  private readonly table: ConnectionTable;
  private readonly buffer = Buffer.alloc(readBytes);
  private readonly output: Output;
  private readonly webSockets: WebSocketServer;
  private readonly listeners: number[] = [];
  private readonly allowed: ReadonlySet<string> | undefined;
  private pausedUntil = 0;
  /** So many handshakes are under way that nobody is accepted. */
  private isFull = false;

  constructor(
    private readonly plan: ServerWorkerPlan,
    websocketPath: string,
    private readonly loop: Loop,
    private readonly stats: Stats,
    private readonly wire: Wire,
    /** With TLS: what a connection must do first. */
    private readonly handshakes?: Handshakes,
  ) {
    this.table = new ConnectionTable(plan.connections + plan.ports.length + 64);
    this.output = new Output(loop.epoll, wire);
    this.allowed = plan.allowedSources.length === 0 ? undefined : new Set(plan.allowedSources);
    this.webSockets = new WebSocketServer(websocketPath, this.output, stats, wire, (fd) => this.close(fd));
  }

  /** Listens on all ports of the plan. Throws a SystemError for the first that cannot be had. */
  listen(): void {
    for (const { port, protocol } of this.plan.ports) {
      const fd = openListener(this.plan.address, port, this.plan.backlog);
      this.table.set(fd, protocol === 'tcp' ? states.tcpListener : states.webSocketListener);
      this.loop.epoll.add(fd, epollIn);
      this.listeners.push(fd);
    }
  }

  onEvent(fd: number, flags: number): void {
    const state = this.table.get(fd);
    switch (state) {
      case states.tcp:
        this.onTcp(fd, flags);
        return;
      case states.webSocket:
        this.onWebSocket(fd, flags);
        return;
      case states.tcpListener:
      case states.webSocketListener:
        this.accept(fd, state === states.tcpListener);
        return;
      case states.tcpSecuring:
      case states.webSocketSecuring:
        this.secure(fd, state === states.tcpSecuring);
        return;
    }
  }

  /** Returns the milliseconds until it has something to do by itself. */
  onTurn(now: number): number {
    if (this.pausedUntil !== 0) {
      if (now < this.pausedUntil) return this.pausedUntil - now;
      this.pausedUntil = 0;
      this.listenAgain();
    }
    const dueIn = this.webSockets.onTurn(now);
    if (this.handshakes === undefined) return dueIn;
    if (this.isFull && this.handshakes.hasRoom) this.listenAgain();
    return Math.min(dueIn, this.handshakes.onTurn(now));
  }

  private accept(listener: number, isTcp: boolean): void {
    const { stats, table, loop, allowed, handshakes } = this;
    for (let turn = 0; turn < acceptsPerTurn; turn++) {
      if (handshakes?.hasRoom === false) {
        this.isFull = true;
        for (const each of this.listeners) loop.epoll.modify(each, 0);
        return;
      }
      const fd = allowed === undefined ? acceptConnection(listener) : acceptWithPeer(listener);
      if (fd < 0) {
        const errno = lastErrno();
        if (errno === errnos.EAGAIN) {
          // Whoever waited has been accepted: what stopped that has passed.
          stats.blocked = undefined;
          return;
        }
        if (errno === errnos.EINTR || errno === errnos.ECONNABORTED) continue;
        stats.fail(errnoName(errno));
        if (isHardLimit(errno)) this.block('accept4', errno);
        return;
      }
      if (allowed !== undefined && !allowed.has(peerAddress())) {
        closeDescriptor(fd);
        stats.fail('notAllowed');
        continue;
      }
      // The request of a WebSocket client mostly is there already: reading it before the socket is watched spares an event.
      const count = isTcp || handshakes !== undefined ? 0 : this.wire.receive(fd, this.buffer);
      if (!loop.epoll.add(fd, epollIn)) {
        const errno = lastErrno();
        closeDescriptor(fd);
        stats.fail(errnoName(errno));
        this.block('epoll_ctl', errno);
        return;
      }
      if (handshakes !== undefined) {
        table.set(fd, isTcp ? states.tcpSecuring : states.webSocketSecuring);
        stats.connecting++;
        handshakes.expect(fd);
      } else {
        this.usable(fd, isTcp);
        // The end of the stream and errors are reported by the next event.
        if (count > 0) this.webSockets.received(fd, this.buffer, count);
      }
    }
  }

  /** The connection can carry bytes: TCP is served, WebSocket expects a request. */
  private usable(fd: number, isTcp: boolean): void {
    const { stats, table } = this;
    table.set(fd, isTcp ? states.tcp : states.webSocket);
    if (isTcp) stats.opened(stats.tcp);
    else this.webSockets.accepted(fd);
  }

  private secure(fd: number, isTcp: boolean): void {
    if (this.handshakes?.advance(fd) !== 'done') return;
    this.stats.connecting--;
    this.usable(fd, isTcp);
  }

  /** A handshake failed or took too long. */
  refuse(fd: number, failure: string): void {
    this.stats.connecting--;
    this.stats.fail(failure);
    this.close(fd);
  }

  private listenAgain(): void {
    this.isFull = false;
    for (const listener of this.listeners) this.loop.epoll.modify(listener, epollIn);
  }

  /** Stops accepting for a while: a listener that cannot be served would otherwise report itself without end. */
  private block(call: string, errno: number): void {
    this.stats.blocked ??= { errno: errnoName(errno), call, text: explainErrno(errno) };
    this.pausedUntil = performance.now() + acceptPauseMs;
    for (const listener of this.listeners) this.loop.epoll.modify(listener, 0);
  }

  private onTcp(fd: number, flags: number): void {
    const { stats } = this;
    if ((flags & epollOut) !== 0 && this.output.flush(fd) !== 'gone') return;
    const count = this.wire.receive(fd, this.buffer);
    if (count > 0) {
      stats.tcpBytes += count;
      // On TCP a message is what one read brings: there are no borders in the stream.
      stats.tcpMessages++;
      if (this.output.send(fd, this.buffer, count) !== 'gone') return;
    } else if (count < 0 && this.wire.errno() === errnos.EAGAIN) {
      return;
    }
    stats.closed(stats.tcp);
    this.close(fd);
  }

  private onWebSocket(fd: number, flags: number): void {
    if ((flags & epollOut) !== 0 && this.webSockets.flush(fd)) return;
    const count = this.wire.receive(fd, this.buffer);
    if (count > 0) this.webSockets.received(fd, this.buffer, count);
    else if (count === 0 || this.wire.errno() !== errnos.EAGAIN) this.webSockets.ended(fd);
  }

  private close(fd: number): void {
    this.table.set(fd, states.none);
    this.output.forget(fd);
    this.wire.close(fd);
  }
}
