import { applyMask, opcodes, writeHeader } from './websocket/frames.js';
import { MaskSource } from './websocket/mask.js';
import { maximumMessageBytes } from './websocket/messages.js';
import { grown } from './connectionTable.js';
import type { Output } from './output.js';
import type { Stats } from './stats.js';

/** Messages of one connection that may be under way at once: as many as fit, one at least. */
const bytesUnderWay = 32 * 1024;
const payloadByte = 0x78;

/** Whose messages are under way on a connection. */
export const purposes = { none: 0, traffic: 1, burst: 2 } as const;

/** Somebody who has messages echoed: a burst or the steady traffic. */
export interface EchoUser {
  /** So many of its messages on this connection have come back. */
  answered(fd: number, messages: number, now: number): void;
  /** All that was sent on this connection has come back. */
  echoed(fd: number, now: number): void;
  /** Nobody has messages under way on this connection any more. */
  freed(fd: number): void;
}

/** What may be asked when a connection comes and goes. */
export interface ConnectionObserver {
  opened(fd: number): void;
  /** `isLost`: it was wanted; otherwise we closed it. */
  closed(fd: number, isLost: boolean): void;
}

/**
 * Sends messages and counts their echoes. One purpose at a time has messages under way on a connection, so that echoes need
 * no tags: TCP counts bytes, WebSocket counts messages. Echoes come in the order of what was sent, so those that nobody waits for any more
 * come first. The arrays are made at the first message; an idle run has none.
 */
export class Exchange {
  private awaited = new Int32Array(0);
  private purpose = new Uint8Array(0);
  /** Bytes or messages that were given up and would come before what is awaited. */
  private stale = new Int32Array(0);
  /** Bytes of one message by purpose. */
  private readonly sizes = [1, 1, 1];
  private readonly users: (EchoUser | undefined)[] = [undefined, undefined, undefined];
  private readonly observers: ConnectionObserver[] = [];
  private readonly masks = new MaskSource();
  private isConcluded = false;
  private payload = Buffer.alloc(0);
  private frames = Buffer.alloc(0);

  constructor(
    private readonly output: Pick<Output, 'send'>,
    private readonly stats: Stats,
    private readonly isWebSocket: (fd: number) => boolean,
  ) {}

  /** Enters a user of messages of so many bytes. */
  enter(purpose: 1 | 2, user: EchoUser, bytes: number): void {
    if (bytes < 1 || bytes > maximumMessageBytes) throw new RangeError(`a message has 1 to ${maximumMessageBytes} bytes`);
    this.users[purpose] = user;
    this.sizes[purpose] = bytes;
    const needed = Math.max(bytes, bytesUnderWay);
    if (needed > this.payload.length) {
      this.payload = Buffer.alloc(needed, payloadByte);
      // Small messages have the largest share of headers: 7 bytes of frame for each byte.
      this.frames = Buffer.alloc(needed * 7 + 64);
    }
  }

  leave(purpose: 1 | 2): void {
    this.users[purpose] = undefined;
  }

  addObserver(observer: ConnectionObserver): void {
    this.observers.push(observer);
  }

  /** Counts messages that a user has planned on a connection, sent or not. */
  plan(fd: number, messages: number): void {
    if (!this.isConcluded) this.countsOf(fd).planned += messages;
  }

  /** Counts planned messages whose connection died. */
  lose(fd: number, messages: number): void {
    this.countsOf(fd).lost += messages;
  }

  /** As `lose`, of a connection that is gone already. */
  loseOf(isWebSocket: boolean, messages: number): void {
    (isWebSocket ? this.stats.websocketPlan : this.stats.tcpPlan).lost += messages;
  }

  /** Whether messages are under way on a connection. */
  isBusy(fd: number): boolean {
    return fd < this.purpose.length && this.purpose[fd] !== purposes.none;
  }

  /** Messages of a purpose that have not come back yet on a connection. */
  missing(fd: number, purpose: 1 | 2): number {
    if (fd >= this.purpose.length || this.purpose[fd] !== purpose) return 0;
    return this.isWebSocket(fd) ? this.awaited[fd]! : Math.ceil(this.awaited[fd]! / this.sizes[purpose]!);
  }

  /** Sends up to `messages` on a connection that is not busy; returns how many it took. A connection that is broken shows by itself. */
  send(fd: number, purpose: 1 | 2, messages: number): number {
    if (fd >= this.awaited.length) {
      this.awaited = grown(this.awaited, fd, Int32Array);
      this.purpose = grown(this.purpose, fd, Uint8Array);
      this.stale = grown(this.stale, fd, Int32Array);
    }
    const size = this.sizes[purpose]!;
    const count = Math.min(messages, Math.max(1, Math.floor(bytesUnderWay / size)));
    this.purpose[fd] = purpose;
    if (this.isWebSocket(fd)) {
      this.awaited[fd] = count;
      this.output.send(fd, this.frames, this.writeFrames(count, size));
    } else {
      this.awaited[fd] = count * size;
      this.output.send(fd, this.payload, count * size);
    }
    return count;
  }

  /** Whether an echo may come on a connection. */
  expects(fd: number): boolean {
    return this.isBusy(fd) || (fd < this.stale.length && this.stale[fd]! > 0);
  }

  /** Whether bytes[start, end) are what was sent: all payloads are of one byte. */
  isEcho(bytes: Uint8Array, start: number, end: number): boolean {
    const { payload } = this;
    for (let at = start; at < end; at += payload.length) {
      const length = Math.min(payload.length, end - at);
      if (payload.compare(bytes, at, at + length, 0, length) !== 0) return false;
    }
    return true;
  }

  /** TCP: echoed bytes came. */
  receivedBytes(fd: number, bytes: number): void {
    this.stats.tcpBytes += bytes;
    const purpose = fd < this.purpose.length ? this.purpose[fd]! : purposes.none;
    const stale = this.skipStale(fd, bytes);
    if (purpose === purposes.none) return;
    const size = this.sizes[purpose]!;
    const before = this.awaited[fd]!;
    const after = Math.max(0, before - (bytes - stale));
    this.awaited[fd] = after;
    const messages = Math.ceil(before / size) - Math.ceil(after / size);
    this.stats.tcpMessages += messages;
    this.answered(fd, purpose, messages);
  }

  /** WebSocket: an echoed message came. */
  receivedMessage(fd: number, bytes: number): void {
    this.stats.websocketBytes += bytes;
    const purpose = fd < this.purpose.length ? this.purpose[fd]! : purposes.none;
    if (this.skipStale(fd, 1) === 1 || purpose === purposes.none) return;
    this.awaited[fd]!--;
    this.stats.websocketMessages++;
    this.answered(fd, purpose, 1);
  }

  opened(fd: number): void {
    for (const observer of this.observers) observer.opened(fd);
  }

  closed(fd: number, isLost: boolean): void {
    for (const observer of this.observers) observer.closed(fd, isLost);
    if (fd >= this.purpose.length) return;
    this.abandon(fd);
    this.stale[fd] = 0;
  }

  /** What has not come back on a connection is awaited no longer: its echoes are counted as bytes only. */
  giveUp(fd: number): void {
    this.stale[fd]! += this.awaited[fd]!;
    this.abandon(fd);
    this.users[purposes.traffic]?.freed(fd);
  }

  /** Nothing is awaited, planned or lost any more: what comes now is counted as bytes only. */
  conclude(): void {
    this.purpose.fill(purposes.none);
    this.awaited.fill(0);
    this.users[purposes.traffic] = undefined;
    this.observers.length = 0;
    this.isConcluded = true;
  }

  private abandon(fd: number): void {
    this.purpose[fd] = purposes.none;
    this.awaited[fd] = 0;
  }

  /** How much of what came had been given up. */
  private skipStale(fd: number, amount: number): number {
    const stale = fd < this.stale.length ? this.stale[fd]! : 0;
    if (stale === 0) return 0;
    const skipped = Math.min(stale, amount);
    this.stale[fd] = stale - skipped;
    return skipped;
  }

  private answered(fd: number, purpose: number, messages: number): void {
    if (messages === 0) return;
    const now = performance.now();
    const user = this.users[purpose];
    user?.answered(fd, messages, now);
    if (this.awaited[fd]! > 0) return;
    this.abandon(fd);
    user?.echoed(fd, now);
    if (purpose === purposes.burst && !this.isBusy(fd)) this.users[purposes.traffic]?.freed(fd);
  }

  private countsOf(fd: number): { planned: number; lost: number } {
    return this.isWebSocket(fd) ? this.stats.websocketPlan : this.stats.tcpPlan;
  }

  private writeFrames(count: number, size: number): number {
    const { frames } = this;
    let at = 0;
    for (let index = 0; index < count; index++) {
      const mask = this.masks.next();
      const payload = writeHeader(frames, at, opcodes.binary, size, mask);
      at = payload + size;
      frames.fill(payloadByte, payload, at);
      applyMask(frames, payload, at, mask, 0);
    }
    return at;
  }
}
