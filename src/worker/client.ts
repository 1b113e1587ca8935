import { epollIn, epollOut } from '../linux/epoll.js';
import { errnoName, errnos, explainErrno, isHardLimit } from '../linux/errno.js';
import { lastErrno } from '../linux/libc.js';
import { bindSource, connectSocket, openSocket, resetOnClose, setSendTimeout, socketError, timeValue } from '../linux/sockets.js';
import { closeDescriptor, setNonBlocking } from '../linux/syscalls.js';
import type { ClientWorkerPlan } from '../protocol/plan.js';
import { looksLikeTls } from '../core/walls/tlsFailures.js';
import { halfOpenFailure } from '../protocol/worker.js';
import type { ClientParts } from './clientParts.js';
import { ConnectionBook } from './connectionBook.js';
import { ConnectionTable, DescriptorList } from './connectionTable.js';
import { Deadlines, patienceMs } from './deadlines.js';
import { Destinations, type Destination } from './destinations.js';
import { Incoming } from './incoming.js';
import { EchoJudge } from './echoJudge.js';
import { Answers } from './opening/answers.js';
import type { OpeningDesk, OpeningHost } from './opening/openingDesk.js';
import type { ConnectionNames } from './opening/template.js';
import { Proof } from './proof.js';
import { Backoff, TokenBucket } from './ramp.js';
import { blockIfRefused, Refusals, rowPauseMs } from './refusals.js';
import type { HandshakeStep } from './tls/tlsWire.js';
import { hostHeader } from './websocket/clientHandshake.js';

/** Connects between two looks at the events: about 2 ms at 30 µs each. */
const connectsPerTurn = 64;
/** Closes between two looks at the events. */
const closesPerTurn = 512;
/** Handshakes under way at once, of TCP to other hosts and of WebSocket: enough to hide a round trip, few enough to be bounded. */
const windowSize = 256;
/** A blocking connect() to a full accept queue would wait a second for its SYN to be repeated; the loop must hear a stop before. */
const connectTimeoutMs = 250;
const readBytes = 64 * 1024;

const states = { none: 0, connecting: 1, handshake: 2, tcp: 3, webSocket: 4, closing: 5, securing: 6, opening: 7, openingWebSocket: 8 } as const;

/** The epoll client: holds as many connections as ordered, and opens and closes them at the rate ordered. */
export class EpollClient implements OpeningHost {
  readonly open: DescriptorList;
  readonly proof: Proof;
  private readonly table: ConnectionTable;
  private readonly destinations: Destinations;
  private readonly buffer = Buffer.alloc(readBytes);
  private readonly timeout = timeValue(connectTimeoutMs);
  private readonly bucket = new TokenBucket(0, performance.now());
  private readonly backoff = new Backoff();
  /** Connections that are not established yet, or that are closing, and until when they may be so. */
  private readonly deadlines = new Deadlines();
  private target = 0;
  /** As ordered, in connections per second; 0: as fast as possible. */
  private rate = 0;
  private isReached = true;
  /** No connection is opened or closed until the next order. */
  private isFrozen = false;
  private readonly book: ConnectionBook;
  private readonly answers = new Answers();
  private readonly refusals: Refusals;
  private readonly desk: OpeningDesk | undefined;
  readonly incoming: Incoming;

  constructor(
    plan: ClientWorkerPlan,
    private readonly parts: ClientParts,
  ) {
    this.table = new ConnectionTable(plan.connections + 64);
    this.open = new DescriptorList(plan.connections);
    this.proof = new Proof(this.open);
    this.destinations = new Destinations(plan.targets, parts.requests, plan.connections + 64);
    this.book = new ConnectionBook(parts.firstConnection, this.destinations.capacity);
    this.refusals = new Refusals(parts.reconnect);
    parts.stats.answers = this.answers.all;
    parts.stats.lifetimes = this.refusals.lifetimes;
    this.desk = parts.makeOpening(this);
    parts.stats.keepAlive = this.desk?.keepAliveCounts;
    this.incoming = new Incoming(parts.exchange, new EchoJudge(parts.exchange, parts.stats, this.answers), this.book, this.desk);
  }

  /** Go to this many connections at this rate per second, 0: as fast as possible. A new order tries again what was blocked. */
  setTarget(connections: number, rate: number): void {
    this.target = Math.min(connections, this.destinations.capacity);
    this.isReached = false;
    this.isFrozen = false;
    this.rate = rate;
    this.bucket.setRate(rate, performance.now());
    this.parts.stats.blocked = undefined;
    this.destinations.forgetExhaustion();
    this.backoff.forget();
    this.refusals.setTarget(this.target);
  }

  /** Opens no more and closes none. What is connecting already may still be established. */
  freeze(): void {
    this.isFrozen = true;
  }

  /** True once after the target was reached. */
  takeTargetReached(): boolean {
    if (this.isReached || this.open.length !== this.target) return false;
    this.isReached = true;
    return true;
  }

  isWebSocket(fd: number): boolean {
    return this.table.get(fd) === states.webSocket;
  }

  onEvent(fd: number, flags: number): void {
    switch (this.table.get(fd)) {
      case states.tcp:
      case states.opening:
        this.onTcp(fd, flags);
        return;
      case states.webSocket:
      case states.handshake:
      case states.openingWebSocket:
      case states.closing:
        this.onWebSocket(fd, flags);
        return;
      case states.connecting:
        this.onConnected(fd);
        return;
      case states.securing:
        this.secured(fd, this.parts.tls!.wire.handshake(fd));
        return;
    }
  }

  /** The number of the destination of a connection. */
  destinationOf(fd: number): number {
    return this.destinations.of(fd).index;
  }

  /** Opens or closes some. Returns the milliseconds until it has something to do without an event. */
  onTurn(now: number): number {
    const { stats } = this.parts;
    const dueIn = Math.min(this.proof.onTurn(now), this.desk?.onTurn(now) ?? Number.POSITIVE_INFINITY, this.deadlines.sweep(now, this.onLate));
    if (this.isFrozen) return dueIn;
    const missing = this.target - this.refusals.givenUp - this.open.length - stats.connecting;
    if (missing < 0 && this.open.length > 0) {
      this.closeSome(-missing, now);
      return 0;
    }
    const room = windowSize - stats.connecting;
    if (missing <= 0 || room <= 0 || this.isBlocked()) return dueIn;
    const pause = this.backoff.dueIn(now);
    if (pause > 0) return Math.min(dueIn, pause);
    const some = Math.min(missing, room, connectsPerTurn);
    const wanted = this.refusals.allowance(some);
    const allowed = this.bucket.takeTokens(wanted, now);
    for (let count = 0; count < allowed; count++) if (!this.openOne(now)) break;
    if (this.isBlocked() || (allowed === missing && this.open.length + stats.connecting >= this.target - this.refusals.givenUp)) return dueIn;
    if (wanted < some && this.backoff.dueIn(now) === 0) return Math.min(dueIn, rowPauseMs);
    return Math.min(dueIn, Math.max(this.bucket.dueIn(now), this.backoff.dueIn(now)));
  }

  /** Makes the end of this process reset all connections, so that no TIME_WAIT is left. */
  prepareExit(): void {
    for (let index = 0; index < this.open.length; index++) resetOnClose(this.open.at(index));
  }

  /** The answer to a WebSocket handshake was right. */
  upgraded(fd: number): void {
    if (this.desk === undefined) {
      this.opened(fd);
      return;
    }
    this.table.set(fd, states.openingWebSocket);
    this.desk.opener.begin(fd, performance.now());
  }

  /** All that must be said first has been said and answered: the connection is established. */
  opened(fd: number): void {
    const { stats } = this.parts;
    const isWebSocket = this.destinations.of(fd).isWebSocket;
    this.deadlines.delete(fd);
    stats.connecting--;
    this.establish(fd, isWebSocket ? states.webSocket : states.tcp);
    stats.opened(isWebSocket ? stats.websocket : stats.tcp);
  }

  opening(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.table.get(fd) === states.openingWebSocket) this.desk?.opener.received(fd, bytes, start, end, performance.now());
    return this.table.get(fd) !== states.none;
  }

  has(fd: number): boolean {
    return this.open.has(fd);
  }

  /** For openings and keep-alives: over WebSocket one message. */
  send(fd: number, bytes: Uint8Array): boolean {
    const { output, webSockets } = this.parts;
    if (this.destinations.of(fd).isWebSocket ? webSockets.send(fd, bytes) : output.send(fd, bytes, bytes.length) !== 'gone') return true;
    this.broken(fd);
    return false;
  }

  ping(fd: number): boolean {
    if (this.parts.webSockets.sendPing(fd)) return true;
    this.broken(fd);
    return false;
  }

  names(fd: number): ConnectionNames {
    const { plan } = this.destinations.of(fd);
    return { connection: this.book.numberOf(fd), host: hostHeader(plan.address, plan.port), port: plan.port };
  }

  setDeadline(fd: number, at: number): void {
    this.deadlines.set(fd, at);
  }

  /** The server answered a step of the opening otherwise than expected, or not at all. */
  failed(fd: number, step: number, answer: Uint8Array): void {
    this.fail(fd, `opening ${step}`, answer);
  }

  /** A connection failed before it was established. `name`: of the errno, or `handshake`. */
  fail(fd: number, name: string, answer: Uint8Array = new Uint8Array(0)): void {
    const { stats } = this.parts;
    stats.connecting--;
    stats.fail(name);
    if (answer.length > 0 || name.startsWith('opening')) this.answers.add(name, answer);
    this.backoff.fail(performance.now());
    this.refusals.failed(name, this.open.length);
    this.release(fd);
    this.stopIfRefused();
  }

  private stopIfRefused(): void {
    blockIfRefused(this.refusals, this.answers, this.parts.stats);
  }

  /** An established connection was ended by the other side, by a broken protocol or by an error. */
  lose(fd: number, isReset = false, failure?: string): void {
    const { stats } = this.parts;
    // A reset that answers a probe: the server never had this connection.
    if (isReset && this.proof.isUnderWay) {
      stats.fail(halfOpenFailure);
      this.bucket.setRate(this.proof.reopeningRate(this.rate), performance.now());
    } else if (failure !== undefined) {
      // The peer's refusal came after our half of the handshake was done, as it does in TLS 1.3.
      stats.fail(failure);
    } else {
      stats.lost++;
      const said = this.book.takeWords(fd);
      if (said !== undefined) this.answers.add('closed', said);
      this.refusals.lost(this.book.ageOf(fd, performance.now()), this.open.length);
    }
    this.backoff.fail(performance.now());
    this.leaveOpen(fd, true);
    // Whoever ends first keeps TIME_WAIT; a reset spares it on both sides.
    resetOnClose(fd);
    this.release(fd);
    this.stopIfRefused();
  }

  /** Closed on both sides. */
  closed(fd: number): void {
    resetOnClose(fd);
    this.release(fd);
  }

  private isBlocked(): boolean {
    return this.parts.stats.blocked !== undefined;
  }

  private openOne(now: number): boolean {
    const { stats } = this.parts;
    const destination = this.destinations.choose();
    if (destination === undefined) {
      stats.blocked = { errno: 'EADDRNOTAVAIL', call: 'connect', text: explainErrno(errnos.EADDRNOTAVAIL), ...this.destinations.ports };
      return false;
    }
    const fd = openSocket(destination.address, !destination.isLoopback);
    if (fd < 0) return this.refused('socket', lastErrno(), now);
    if (destination.source !== null && bindSource(fd, destination.source) < 0) return this.giveUp(fd, 'bind', destination, now);
    if (destination.isLoopback) setSendTimeout(fd, this.timeout);
    if (connectSocket(fd, destination.address) < 0) {
      const errno = lastErrno();
      // A signal does not end the attempt: it goes on as if the socket were non-blocking.
      if (errno !== errnos.EINPROGRESS && errno !== errnos.EINTR) return this.giveUp(fd, 'connect', destination, now);
      // On loopback the timeout means that the accept queue is full. Having waited, it looks at its events before it waits again.
      return this.watch(fd, epollOut, states.connecting, destination, now) && !destination.isLoopback;
    }
    this.backoff.succeed();
    if (this.parts.tls !== undefined) {
      if (this.watch(fd, epollIn, states.securing, destination, now)) this.secure(fd);
      return true;
    }
    if (!this.watch(fd, epollIn, destination.isWebSocket ? states.handshake : this.desk === undefined ? states.tcp : states.opening, destination, now))
      return false;
    this.begin(fd, destination);
    return true;
  }

  private watch(fd: number, flags: number, state: number, destination: Destination, now: number): boolean {
    const { loop, stats } = this.parts;
    if (!loop.epoll.add(fd, flags)) return this.giveUp(fd, 'epoll_ctl', destination, now);
    this.table.set(fd, state);
    this.destinations.assignDestination(fd, destination);
    this.book.opened(fd, now);
    if (state !== states.tcp) {
      stats.connecting++;
      this.deadlines.set(fd, now + patienceMs.established);
    }
    return true;
  }

  private giveUp(fd: number, call: string, destination: Destination, now: number): boolean {
    const errno = lastErrno();
    closeDescriptor(fd);
    if (errno === errnos.EADDRNOTAVAIL) {
      // Another destination may still have ports; when none has, choose() says so.
      destination.isExhausted = true;
      this.parts.stats.fail(errnoName(errno));
      return true;
    }
    return this.refused(call, errno, now);
  }

  private refused(call: string, errno: number, now: number): boolean {
    const { stats } = this.parts;
    stats.fail(errnoName(errno));
    // bind() of a source takes a port at once where IP_BIND_ADDRESS_NO_PORT is not heeded, and no other attempt finds one.
    if (isHardLimit(errno) || (call === 'bind' && errno === errnos.EADDRINUSE)) {
      stats.blocked = { errno: errnoName(errno), call, text: explainErrno(errno) };
    } else {
      this.backoff.fail(now);
      this.refusals.failed(errnoName(errno), this.open.length);
      this.stopIfRefused();
    }
    return false;
  }

  private onConnected(fd: number): void {
    const { loop } = this.parts;
    const errno = socketError(fd);
    if (errno !== 0) {
      this.fail(fd, errnoName(errno));
      return;
    }
    this.backoff.succeed();
    loop.epoll.modify(fd, epollIn);
    if (this.parts.tls === undefined) this.usable(fd);
    else this.secure(fd);
  }

  /** Begins the TLS handshake of a connection that was watched as connecting. */
  private secure(fd: number): void {
    this.table.set(fd, states.securing);
    this.deadlines.set(fd, performance.now() + patienceMs.tls);
    if (this.destinations.of(fd).isLoopback) setNonBlocking(fd);
    this.secured(fd, this.parts.tls!.sessions.begin(fd));
  }

  private secured(fd: number, step: HandshakeStep): void {
    if (step === 'done') this.usable(fd);
    else if (step === 'failed') this.fail(fd, this.parts.tls!.failureName());
  }

  /** A connection that was under way can carry bytes now. */
  private usable(fd: number): void {
    const destination = this.destinations.of(fd);
    if (destination.isWebSocket) {
      this.table.set(fd, states.handshake);
      this.deadlines.set(fd, performance.now() + patienceMs.established);
    } else if (this.desk !== undefined) {
      this.table.set(fd, states.opening);
    } else {
      this.deadlines.delete(fd);
      this.parts.stats.connecting--;
    }
    this.begin(fd, destination);
  }

  /** WebSocket asks for its upgrade; TCP is established. */
  private begin(fd: number, destination: Destination): void {
    const { stats, webSockets } = this.parts;
    if (destination.isWebSocket) {
      webSockets.begin(fd, destination.request ?? this.parts.requests.render(this.names(fd)));
      return;
    }
    if (this.desk !== undefined) {
      this.desk.opener.begin(fd, performance.now());
      return;
    }
    this.establish(fd, states.tcp);
    stats.opened(stats.tcp);
  }

  private onTcp(fd: number, flags: number): void {
    if ((flags & epollOut) !== 0 && this.parts.output.flush(fd) === 'gone') {
      this.broken(fd);
      return;
    }
    const { wire } = this.parts;
    const count = wire.receive(fd, this.buffer);
    if (count > 0) {
      if (this.parts.tls === undefined && looksLikeTls(this.buffer, count)) this.broken(fd, 'tls.needed');
      else this.receivedTcp(fd, count);
      return;
    }
    const errno = count === 0 ? 0 : wire.errno();
    const failure = count < 0 ? wire.failure() : undefined;
    if (errno === errnos.EAGAIN) this.parts.tls?.sessions.afterTickets(fd, this.table.get(fd) === states.tcp);
    else if (this.table.get(fd) === states.opening) this.broken(fd, failure);
    else this.lose(fd, errno === errnos.ECONNRESET, failure);
  }

  private receivedTcp(fd: number, count: number): void {
    let from = 0;
    if (this.table.get(fd) === states.opening) {
      from = this.desk!.opener.received(fd, this.buffer, 0, count, performance.now());
      if (from === count || this.table.get(fd) !== states.tcp) return;
    }
    this.incoming.bytes(fd, this.buffer, from, count);
  }

  private onWebSocket(fd: number, flags: number): void {
    const { output, webSockets, wire } = this.parts;
    if ((flags & epollOut) === 0 || output.flush(fd) !== 'gone') {
      const count = wire.receive(fd, this.buffer);
      if (count > 0) {
        webSockets.received(fd, this.buffer, count, this.table.get(fd) === states.handshake);
        return;
      }
      if (count < 0 && wire.errno() === errnos.EAGAIN) {
        this.parts.tls?.sessions.afterTickets(fd, this.isWebSocket(fd));
        return;
      }
      this.broken(fd, count < 0 ? wire.failure() : undefined);
      return;
    }
    this.broken(fd);
  }

  /** A WebSocket connection came to its end, in whatever state it was. */
  private broken(fd: number, failure?: string): void {
    const state = this.table.get(fd);
    if (state === states.handshake || state === states.connecting) this.fail(fd, failure ?? (state === states.connecting ? 'ETIMEDOUT' : 'handshake'));
    else if (state === states.opening || state === states.openingWebSocket) {
      if (failure !== undefined) this.fail(fd, failure);
      else this.failed(fd, this.desk!.opener.standing(fd).step, this.desk!.opener.standing(fd).answer);
    } else if (state === states.tcp || state === states.webSocket) this.lose(fd, false, failure);
    else this.closed(fd);
  }

  private establish(fd: number, state: number): void {
    this.table.set(fd, state);
    this.open.add(fd);
    this.parts.exchange.opened(fd);
    this.desk?.established(fd);
    this.parts.tls?.sessions.settle(fd);
  }

  private leaveOpen(fd: number, isLost: boolean): void {
    const { stats, exchange } = this.parts;
    exchange.closed(fd, isLost);
    this.open.remove(fd);
    stats.closed(this.isWebSocket(fd) ? stats.websocket : stats.tcp);
  }

  private closeSome(count: number, now: number): void {
    const { webSockets } = this.parts;
    for (let index = Math.min(count, this.open.length, closesPerTurn); index > 0; index--) {
      const fd = this.open.last();
      const isWebSocket = this.isWebSocket(fd);
      this.leaveOpen(fd, false);
      if (isWebSocket && webSockets.beginClosing(fd)) {
        this.table.set(fd, states.closing);
        this.deadlines.set(fd, now + patienceMs.closing);
      } else {
        this.release(fd);
      }
    }
    // Too many only because some are still connecting: they are closed when they are open.
  }

  private readonly onLate = (fd: number): void => {
    const state = this.table.get(fd);
    if (state === states.handshake || state === states.securing) this.fail(fd, state === states.handshake ? 'ETIMEDOUT' : 'tls.timeout');
    else this.broken(fd);
  };

  private release(fd: number): void {
    this.table.set(fd, states.none);
    this.deadlines.delete(fd);
    this.destinations.release(fd);
    this.book.closed(fd);
    this.desk?.forget(fd);
    this.parts.output.forget(fd);
    this.parts.webSockets.forget(fd);
    this.parts.wire.close(fd);
  }
}
