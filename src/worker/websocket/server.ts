import { ConnectionTable } from '../connectionTable.js';
import type { Output } from '../output.js';
import type { Stats } from '../stats.js';
import type { Wire } from '../wire.js';
import { closePayload, frame, headerBytes, opcodes, writeHeader } from './frames.js';
import { endOfHead, maximumHeadBytes } from './head.js';
import { MessageReader, type MessageHandler } from './messages.js';
import { refusalOf, ServerHandshake } from './serverHandshake.js';

/** A peer that was told to close, or that sends no whole request head, is cut off after this long. */
const patienceMs = 5_000;
const sweepPeriodMs = 1_000;
/** Incomplete request heads at once, 8 KiB each at most: 32 MiB. */
const maximumHeads = 4_096;
/** Echoes of one read are gathered here before they are sent. */
const gatheredBytes = 64 * 1024;

const states = { none: 0, handshake: 1, open: 2, closing: 3 } as const;

/** The WebSocket side of the epoll server: handshake, echo, close. One object for all connections of a worker. */
export class WebSocketServer implements MessageHandler {
  private readonly table = new ConnectionTable(1024);
  private readonly handshake: ServerHandshake;
  private readonly reader = new MessageReader(true, this);
  private readonly heads = new Map<number, Buffer>();
  /** Until when a connection may stay as it is: closing ones, and those with an incomplete request. */
  private readonly deadlines = new Map<number, number>();
  private readonly gathered = Buffer.alloc(gatheredBytes);
  private gatheredLength = 0;
  private nextSweepAt = 0;

  constructor(
    path: string,
    private readonly output: Output,
    private readonly stats: Stats,
    private readonly wire: Wire,
    private readonly closeDescriptor: (fd: number) => void,
  ) {
    this.handshake = new ServerHandshake(path);
  }

  accepted(fd: number): void {
    this.table.set(fd, states.handshake);
    this.stats.connecting++;
  }

  /** Bytes came; the array may be changed. */
  received(fd: number, bytes: Buffer, length: number): void {
    const state = this.table.get(fd);
    if (state === states.open) this.read(fd, bytes, 0, length);
    else if (state === states.handshake) this.readHead(fd, bytes, length);
    // Closing: whatever still comes is dropped until the end.
  }

  /** The peer ended its side, or the connection broke. */
  ended(fd: number): void {
    const state = this.table.get(fd);
    if (state === states.open) this.stats.closed(this.stats.websocket);
    else if (state === states.handshake) this.stats.connecting--;
    this.drop(fd);
  }

  /** The socket can be written again. False: it is broken and was not closed yet. */
  flush(fd: number): boolean {
    const outcome = this.output.flush(fd);
    if (outcome === 'sent' && this.table.get(fd) === states.closing) this.wire.finishSending(fd);
    return outcome !== 'gone';
  }

  /** Cuts off those whose time is over. Returns the milliseconds until it wants to be called again. */
  onTurn(now: number): number {
    if (this.deadlines.size === 0) return Number.POSITIVE_INFINITY;
    if (now >= this.nextSweepAt) {
      this.nextSweepAt = now + sweepPeriodMs;
      for (const [fd, deadline] of this.deadlines) if (now >= deadline) this.ended(fd);
    }
    return this.nextSweepAt - now;
  }

  message(fd: number, opcode: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    this.stats.websocketMessages++;
    this.stats.websocketBytes += length;
    const needed = headerBytes(length, false) + length;
    if (this.gatheredLength + needed > gatheredBytes && !this.sendGathered(fd)) return false;
    if (needed > gatheredBytes) return this.transmit(fd, frame(opcode, bytes.subarray(start, end), null));
    const at = writeHeader(this.gathered, this.gatheredLength, opcode, length, null);
    this.gathered.set(bytes.subarray(start, end), at);
    this.gatheredLength = at + length;
    return true;
  }

  ping(fd: number, payload: Uint8Array): boolean {
    return this.sendGathered(fd) && this.transmit(fd, frame(opcodes.pong, payload, null));
  }

  pong(): void {
    // Unsolicited pongs are allowed and mean nothing here (RFC 6455, section 5.5.3).
  }

  close(fd: number, code: number): void {
    this.beginClosing(fd, code);
  }

  violation(fd: number, code: number): void {
    this.stats.fail(`close${code}`);
    this.beginClosing(fd, code);
  }

  private read(fd: number, bytes: Buffer, start: number, end: number): void {
    this.gatheredLength = 0;
    this.reader.receive(fd, bytes, start, end);
    if (this.table.get(fd) === states.open) this.sendGathered(fd);
  }

  private readHead(fd: number, bytes: Buffer, length: number): void {
    const before = this.heads.size === 0 ? undefined : this.heads.get(fd);
    const head = before === undefined ? bytes.subarray(0, length) : Buffer.concat([before, bytes.subarray(0, length)]);
    const end = endOfHead(head, 0, Math.min(head.length, maximumHeadBytes));
    if (end === -1) {
      if (head.length >= maximumHeadBytes || (before === undefined && this.heads.size >= maximumHeads)) {
        this.refuse(fd, 431);
        return;
      }
      this.heads.set(fd, before === undefined ? Buffer.from(head) : head);
      if (before === undefined) this.deadlines.set(fd, performance.now() + patienceMs);
      return;
    }
    if (before !== undefined) {
      this.heads.delete(fd);
      this.deadlines.delete(fd);
    }
    const status = this.handshake.judge(head, 0, end);
    if (status !== 101) {
      this.refuse(fd, status);
      return;
    }
    this.stats.connecting--;
    this.stats.opened(this.stats.websocket);
    this.table.set(fd, states.open);
    const { response } = this.handshake;
    if (this.transmit(fd, response) && head.length > end) this.read(fd, head, end, head.length);
  }

  private refuse(fd: number, status: number): void {
    this.stats.connecting--;
    this.stats.fail('handshake');
    this.heads.delete(fd);
    this.table.set(fd, states.closing);
    this.finish(fd, refusalOf(status));
  }

  private beginClosing(fd: number, code: number): void {
    if (!this.sendGathered(fd)) return;
    this.stats.closed(this.stats.websocket);
    this.table.set(fd, states.closing);
    this.finish(fd, frame(opcodes.close, closePayload(code), null));
  }

  /** Sends the last bytes, then FIN, then waits for the peer's end. */
  private finish(fd: number, bytes: Uint8Array): void {
    this.deadlines.set(fd, performance.now() + patienceMs);
    const outcome = this.output.send(fd, bytes, bytes.length);
    if (outcome === 'gone') this.drop(fd);
    else if (outcome === 'sent') this.wire.finishSending(fd);
  }

  private sendGathered(fd: number): boolean {
    const length = this.gatheredLength;
    this.gatheredLength = 0;
    return length === 0 || this.settle(fd, this.output.send(fd, this.gathered, length) !== 'gone');
  }

  private transmit(fd: number, bytes: Uint8Array): boolean {
    return this.settle(fd, this.output.send(fd, bytes, bytes.length) !== 'gone');
  }

  private settle(fd: number, isAlive: boolean): boolean {
    if (!isAlive) this.ended(fd);
    return isAlive;
  }

  private drop(fd: number): void {
    this.table.set(fd, states.none);
    this.reader.forget(fd);
    if (this.heads.size !== 0) this.heads.delete(fd);
    if (this.deadlines.size !== 0) this.deadlines.delete(fd);
    this.closeDescriptor(fd);
  }
}
