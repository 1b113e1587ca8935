import type { TunDevice } from '../../linux/tun.js';
import { halfOpenFailure } from '../../protocol/worker.js';
import type { EchoJudge } from '../echoJudge.js';
import type { Exchange } from '../exchange.js';
import type { SendOutcome } from '../output.js';
import { Backoff, TokenBucket } from '../ramp.js';
import type { Stats } from '../stats.js';
import { requestOf, type HandshakeRequest } from '../websocket/clientHandshake.js';
import type { WebSocketClient } from '../websocket/client.js';
import { rowPauseMs } from '../refusals.js';
import { Attempts } from './attempts.js';
import type { Endings } from './endings.js';
import type { Numbering, NumberedTarget } from './numbering.js';
import { addressNumber, emptySegment, flagAck, flagFin, flagReset, flagSyn, maximumSegmentBytes, PacketBuilder, parseSegment } from './packet.js';
import { connectionStates as states, dataFlags, emptyReaction, initialSequence, outcomes, react } from './rules.js';

/** SYNs between two looks at the answers: about 2 ms at 10 µs each with the kernel's work. */
const opensPerTurn = 256;
const closesPerTurn = 512;
/** Packets read in one turn before the ramp has its turn again. */
const readsPerTurn = 1_024;
const probesPerTurn = 256;
/** A proof is over when no reset came for so long; the kernel answers a probe at once. */
const proofMs = 3_000;
/** After losses nothing is opened for so long: a server that ends takes a while for its sockets, and what it accepts meanwhile is lost too. */
const quietAfterLossMs = 300;
/** A number that is used again begins this far beyond its last sequence number, so that the server's TIME_WAIT takes its SYN (RFC 6191). */
const reuseStep = 1_000_003;

/** What the client needs from its other halves; made by `statelessWorker.ts`. */
export interface StatelessParts {
  device: Pick<TunDevice, 'read' | 'write' | 'queuePackets'>;
  numbering: Numbering;
  stats: Stats;
  webSockets: WebSocketClient;
  exchange: Exchange;
  judge: Pick<EchoJudge, 'isEcho'>;
  endings: Endings;
}

/**
 * Holds connections without sockets: each is a number, one byte of state, two sequence numbers and an age (11 bytes). It is told what to do like
 * `EpollClient`. What it is not: there is no congestion control and no retransmission of data; the server's kernel is the other end and real.
 */
export class StatelessClient {
  private readonly state: Uint8Array;
  /** Sequence number of the next byte that we send; 0: the number was never used. */
  private readonly nextSequence: Uint32Array;
  /** Sequence number of the next byte of the server. */
  private readonly expected: Uint32Array;
  private readonly packet = Buffer.alloc(65_536);
  private readonly payload = Buffer.alloc(65_536);
  private readonly segment = emptySegment();
  private readonly reaction = emptyReaction();
  private readonly builder: PacketBuilder;
  private readonly server: number;
  private readonly requests = new Map<NumberedTarget, HandshakeRequest>();
  private readonly attempts: Attempts;
  private readonly bucket = new TokenBucket(0, performance.now());
  private readonly backoff = new Backoff();
  private openCount = 0;
  private target = 0;
  private isReached = true;
  /** No connection is opened or closed until the next order. */
  private isFrozen = false;
  /** Where the search for connections to close goes on, downwards. */
  private closeCursor = 0;
  private quietUntil = 0;
  private probeCursor = -1;
  private provingUntil = 0;

  constructor(
    websocketPath: string,
    private readonly key: number,
    private readonly parts: StatelessParts,
  ) {
    const { numbering } = parts;
    const { capacity, targets } = numbering;
    this.state = new Uint8Array(capacity);
    this.nextSequence = new Uint32Array(capacity);
    this.expected = new Uint32Array(capacity);
    this.server = addressNumber(targets[0]?.plan.address ?? '0.0.0.0');
    this.builder = new PacketBuilder(this.server);
    for (const target of targets) this.requests.set(target, requestOf(target.plan.address, target.plan.port, websocketPath));
    this.attempts = new Attempts(
      parts.device.queuePackets / 2,
      (number) => this.sendSyn(number),
      (number) => this.giveUp(number),
    );
  }

  /** Established connections, as `DescriptorList` has them for those with sockets. */
  get length(): number {
    return this.openCount;
  }

  has(number: number): boolean {
    const state = this.state[number];
    return state === states.tcp || state === states.webSocket;
  }

  /** The numbers of all established connections, ascending. */
  snapshot(): Int32Array {
    const list = new Int32Array(this.openCount);
    let count = 0;
    for (let number = 0; number < this.state.length && count < list.length; number++) if (this.has(number)) list[count++] = number;
    return list;
  }

  /** As EpollClient.setTarget. */
  setTarget(connections: number, rate: number): void {
    const { stats, numbering } = this.parts;
    this.target = Math.min(connections, numbering.capacity);
    this.isReached = false;
    this.isFrozen = false;
    this.bucket.setRate(rate, performance.now());
    stats.blocked = undefined;
    this.backoff.forget();
    this.parts.endings.setTarget(this.target);
    this.closeCursor = this.state.length;
  }

  /** As EpollClient.freeze. */
  freeze(): void {
    this.isFrozen = true;
  }

  takeTargetReached(): boolean {
    if (this.isReached || this.openCount !== this.target) return false;
    this.isReached = true;
    return true;
  }

  isWebSocket(number: number): boolean {
    return this.state[number] === states.webSocket;
  }

  /** Has the server's kernel asked about each connection by a probe one byte before what it expects; a reset means that it knows none. */
  prove(): void {
    this.probeCursor = 0;
    this.provingUntil = performance.now() + proofMs;
  }

  /** Opens or closes some. Returns the milliseconds until it has something to do without a packet. */
  onTurn(now: number): number {
    const { stats } = this.parts;
    let dueIn = this.attempts.onTurn(now);
    if (this.probeCursor >= 0) dueIn = Math.min(dueIn, this.probeSome(now));
    if (this.isFrozen) return dueIn;
    const { endings } = this.parts;
    const missing = this.target - endings.givenUp - this.openCount - stats.connecting;
    if (missing < 0 && this.openCount > 0) {
      this.closeSome(-missing, now);
      return 0;
    }
    const room = this.attempts.room;
    if (missing <= 0 || room <= 0 || stats.blocked !== undefined) return dueIn;
    const pause = Math.max(this.backoff.dueIn(now), this.quietUntil - now);
    if (pause > 0) return Math.min(dueIn, pause);
    const wanted = endings.allowance(Math.min(missing, room, opensPerTurn));
    const allowed = this.bucket.takeTokens(wanted, now);
    for (let count = 0; count < allowed; count++) if (!this.openOne(now)) break;
    if (allowed === missing) return dueIn;
    if (wanted < Math.min(missing, room, opensPerTurn)) return Math.min(dueIn, rowPauseMs);
    return Math.min(dueIn, Math.max(this.bucket.dueIn(now), this.backoff.dueIn(now)));
  }

  /** Packets wait on the device. */
  onReadable(): void {
    const { device } = this.parts;
    for (let count = 0; count < readsPerTurn; count++) {
      const length = device.read(this.packet);
      if (length === 0) return;
      this.receive(length);
    }
  }

  /** Sends bytes[0, length) on an established connection, in segments. */
  send(number: number, bytes: Uint8Array, length: number): SendOutcome {
    if (this.state[number] === states.none) return 'gone';
    for (let from = 0; from < length; from += maximumSegmentBytes) {
      const to = Math.min(length, from + maximumSegmentBytes);
      this.transmit(number, this.nextSequence[number]!, this.expected[number]!, dataFlags, bytes, from, to);
      this.nextSequence[number]! += to - from;
    }
    return 'sent';
  }

  /** Openings need sockets: `core/specRules.ts`. */
  opening(): boolean {
    return true;
  }

  upgraded(number: number): void {
    this.attempts.succeed(number);
    this.parts.stats.connecting--;
    this.establish(number, states.webSocket);
  }

  fail(number: number, name: string, answer?: Uint8Array): void {
    this.reset(number);
    this.failQuietly(number, name, answer);
  }

  lose(number: number): void {
    this.loseBy(number, true);
  }

  closed(number: number): void {
    this.reset(number);
    this.release(number);
  }

  private giveUp(number: number): void {
    if (this.state[number] === states.closing) this.closed(number);
    else this.fail(number, 'ETIMEDOUT');
  }

  private openOne(now: number): boolean {
    const { numbering, stats } = this.parts;
    const number = numbering.choose();
    if (number < 0) return false;
    const last = this.nextSequence[number]!;
    this.nextSequence[number] = (last === 0 ? initialSequence(number, this.key) : last + reuseStep) + 1;
    this.state[number] = states.synSent;
    stats.connecting++;
    this.attempts.begin(number, now);
    this.sendSyn(number);
    return true;
  }

  /** The SYN is sent again while it is not answered; a handshake is the server's to answer. */
  private sendSyn(number: number): void {
    if (this.state[number] !== states.synSent) return;
    this.transmit(number, this.nextSequence[number]! - 1, 0, flagSyn);
  }

  private receive(length: number): void {
    const { segment, reaction, parts } = this;
    if (!parseSegment(this.packet, length, segment) || segment.source !== this.server) return;
    const number = parts.numbering.numberOf(segment.sourcePort, segment.destination, segment.destinationPort);
    if (number < 0) return;
    react(this.state[number]!, this.nextSequence[number]!, this.expected[number]!, segment, reaction);
    this.expected[number] = reaction.expected;
    switch (reaction.outcome) {
      case outcomes.connected:
        this.connected(number);
        return;
      case outcomes.connectedAgain:
        this.connectedAgain(number);
        return;
      case outcomes.data:
        this.answer(number);
        this.deliver(number);
        return;
      case outcomes.finished:
        this.answer(number);
        if (reaction.deliverBytes > 0) this.deliver(number);
        this.ended(number, false);
        return;
      case outcomes.reset:
        this.ended(number, true);
        return;
      default:
        this.answer(number);
    }
  }

  private answer(number: number): void {
    const { reply, replySequence, replyAcknowledgement } = this.reaction;
    if (reply !== 0) this.transmit(number, replySequence, replyAcknowledgement, reply);
  }

  private connected(number: number): void {
    const { numbering, stats, webSockets } = this.parts;
    this.backoff.succeed();
    const target = numbering.targetOf(number);
    if (target.plan.protocol === 'websocket') {
      // The request acknowledges the SYN-ACK.
      this.state[number] = states.handshake;
      webSockets.begin(number, this.requests.get(target)!);
      return;
    }
    this.answer(number);
    this.attempts.succeed(number);
    stats.connecting--;
    this.establish(number, states.tcp);
  }

  /** The server did not get what followed its SYN-ACK: its accept queue was full. */
  private connectedAgain(number: number): void {
    const { numbering, webSockets } = this.parts;
    this.attempts.drop(performance.now());
    if (this.state[number] === states.handshake) {
      this.nextSequence[number] = this.segment.acknowledgement;
      webSockets.begin(number, this.requests.get(numbering.targetOf(number))!);
      return;
    }
    this.answer(number);
  }

  private deliver(number: number): void {
    const { deliverFrom, deliverBytes } = this.reaction;
    const { exchange, judge, webSockets } = this.parts;
    const state = this.state[number];
    if (state === states.tcp) {
      if (judge.isEcho(number, this.packet, deliverFrom, deliverFrom + deliverBytes)) exchange.receivedBytes(number, deliverBytes);
      else this.parts.endings.remember(number, this.packet, deliverFrom, deliverFrom + deliverBytes);
      return;
    }
    if (state !== states.webSocket && state !== states.handshake) return;
    // The reader unmasks and keeps parts: it gets bytes of its own.
    this.packet.copy(this.payload, 0, deliverFrom, deliverFrom + deliverBytes);
    webSockets.received(number, this.payload, deliverBytes, state === states.handshake);
  }

  /** The server ended the connection, by FIN or by reset. */
  private ended(number: number, isReset: boolean): void {
    const state = this.state[number];
    if (state === states.synSent) this.failQuietly(number, 'ECONNREFUSED');
    else if (state === states.handshake) this.failQuietly(number, 'handshake');
    else if (state === states.closing) this.closedBy(number, isReset);
    else if (state !== states.none) this.loseBy(number, !isReset, isReset);
  }

  /** As `fail`, of a connection that the server knows no more: it is told nothing. */
  private failQuietly(number: number, name: string, answer?: Uint8Array): void {
    const { stats, endings } = this.parts;
    stats.connecting--;
    stats.fail(name);
    this.backoff.fail(performance.now());
    endings.failed(name, this.openCount, answer);
    this.release(number);
  }

  private closedBy(number: number, isReset: boolean): void {
    if (!isReset) this.answer(number);
    this.release(number);
  }

  /** `answers`: the server's end still lives and is freed by a reset. */
  private loseBy(number: number, answers: boolean, isReset = false): void {
    const { stats, endings } = this.parts;
    const now = performance.now();
    if (isReset && now < this.provingUntil) stats.fail(halfOpenFailure);
    else {
      stats.lost++;
      endings.lost(number, this.openCount, now);
    }
    this.quietUntil = now + quietAfterLossMs;
    this.backoff.fail(now);
    this.leaveOpen(number, true);
    if (answers) this.reset(number);
    this.release(number);
  }

  private establish(number: number, state: number): void {
    const { stats, exchange } = this.parts;
    this.state[number] = state;
    this.openCount++;
    this.parts.endings.opened(number, performance.now());
    stats.opened(state === states.tcp ? stats.tcp : stats.websocket);
    exchange.opened(number);
  }

  private leaveOpen(number: number, isLost: boolean): void {
    const { stats, exchange } = this.parts;
    exchange.closed(number, isLost);
    this.openCount--;
    stats.closed(this.isWebSocket(number) ? stats.websocket : stats.tcp);
  }

  /** FIN, and what follows is the server's: it closes, and its FIN or reset ends the connection. */
  private closeSome(count: number, now: number): void {
    let left = Math.min(count, closesPerTurn);
    while (left > 0 && this.closeCursor > 0) {
      const number = --this.closeCursor;
      if (!this.has(number)) continue;
      left--;
      const isWebSocket = this.isWebSocket(number);
      this.leaveOpen(number, false);
      if (isWebSocket) this.parts.webSockets.beginClosing(number);
      this.state[number] = states.closing;
      this.transmit(number, this.nextSequence[number]!, this.expected[number]!, flagFin | flagAck);
      this.nextSequence[number]!++;
      this.attempts.beginClosing(number, now);
    }
    // Connections that came behind the cursor meanwhile.
    if (this.closeCursor === 0 && left > 0 && this.openCount > 0) this.closeCursor = this.state.length;
  }

  private probeSome(now: number): number {
    for (let count = 0; count < probesPerTurn && this.probeCursor < this.state.length; this.probeCursor++) {
      if (!this.has(this.probeCursor)) continue;
      count++;
      this.transmit(this.probeCursor, this.nextSequence[this.probeCursor]! - 1, this.expected[this.probeCursor]!, flagAck);
    }
    if (this.probeCursor < this.state.length) return 0;
    this.probeCursor = -1;
    this.provingUntil = now + proofMs;
    return Number.POSITIVE_INFINITY;
  }

  private reset(number: number): void {
    this.transmit(number, this.nextSequence[number]!, this.expected[number]!, flagReset | flagAck);
  }

  private release(number: number): void {
    this.state[number] = states.none;
    this.attempts.forget(number);
    this.parts.endings.forget(number);
    this.parts.webSockets.forget(number);
    this.parts.numbering.release(number);
  }

  private transmit(number: number, sequence: number, acknowledgement: number, flags: number, payload?: Uint8Array, from = 0, to = 0): void {
    const { numbering, device } = this.parts;
    const target = numbering.targetOf(number);
    const length = this.builder.build(
      numbering.sourceOf(number, target),
      numbering.sourcePortOf(number, target),
      target.plan.port,
      sequence >>> 0,
      acknowledgement >>> 0,
      flags,
      payload,
      from,
      to,
    );
    // What is not taken is as lost as a packet on a wire: it is sent again, or times out.
    device.write(this.builder.bytes, length);
  }
}
