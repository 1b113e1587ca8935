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
  /** All that was sent on this connection has come back. */
  echoed(fd: number, now: number): void;
}

/** What may be asked when a connection comes and goes. */
export interface ConnectionObserver {
  opened(fd: number): void;
  closed(fd: number): void;
}

/**
 * Sends messages and counts their echoes. One purpose at a time has messages under way on a connection, so that echoes need
 * no tags: TCP counts bytes, WebSocket counts messages. The arrays are made at the first message; an idle run has none.
 */
export class Exchange {
  private awaited = new Int32Array(0);
  private purpose = new Uint8Array(0);
  /** Bytes of one message by purpose. */
  private readonly sizes = [1, 1, 1];
  private readonly users: (EchoUser | undefined)[] = [undefined, undefined, undefined];
  private readonly observers: ConnectionObserver[] = [];
  private readonly masks = new MaskSource();
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

  observe(observer: ConnectionObserver): void {
    this.observers.push(observer);
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

  /** TCP: echoed bytes came. */
  receivedBytes(fd: number, bytes: number): void {
    this.stats.tcpBytes += bytes;
    const purpose = fd < this.purpose.length ? this.purpose[fd]! : purposes.none;
    if (purpose === purposes.none) return;
    const size = this.sizes[purpose]!;
    const before = this.awaited[fd]!;
    const after = Math.max(0, before - bytes);
    this.awaited[fd] = after;
    this.stats.tcpMessages += Math.ceil(before / size) - Math.ceil(after / size);
    if (after === 0) this.done(fd, purpose);
  }

  /** WebSocket: an echoed message came. */
  receivedMessage(fd: number, bytes: number): void {
    this.stats.websocketBytes += bytes;
    this.stats.websocketMessages++;
    const purpose = fd < this.purpose.length ? this.purpose[fd]! : purposes.none;
    if (purpose !== purposes.none && --this.awaited[fd]! <= 0) this.done(fd, purpose);
  }

  opened(fd: number): void {
    for (const observer of this.observers) observer.opened(fd);
  }

  closed(fd: number): void {
    for (const observer of this.observers) observer.closed(fd);
    this.abandon(fd);
  }

  /** Echoes that still come are counted as bytes only. */
  abandon(fd: number): void {
    if (fd >= this.purpose.length) return;
    this.purpose[fd] = purposes.none;
    this.awaited[fd] = 0;
  }

  private done(fd: number, purpose: number): void {
    this.abandon(fd);
    this.users[purpose]?.echoed(fd, performance.now());
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
