import type { ConnectionBook } from './connectionBook.js';
import type { Exchange } from './exchange.js';
import type { EchoJudge } from './echoJudge.js';
import type { OpeningDesk } from './opening/openingDesk.js';

/** Sorts what comes over established connections: echoes, answers to keep-alives, questions of the server, and what may be its last words. */
export class Incoming {
  constructor(
    private readonly exchange: Exchange,
    private readonly judge: EchoJudge,
    private readonly book: ConnectionBook,
    private readonly desk: OpeningDesk | undefined,
  ) {}

  /** TCP: bytes[start, end). */
  bytes(fd: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.judge.isEcho(fd, bytes, start, end)) this.exchange.receivedBytes(fd, end - start);
    else this.other(fd, bytes, start, end);
  }

  /** Over WebSocket: a message. */
  message(fd: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.judge.isEcho(fd, bytes, start, end)) this.exchange.receivedMessage(fd, end - start);
    else this.other(fd, bytes, start, end);
  }

  /** What nobody waits for: the server's own, or its last words. */
  other(fd: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.desk?.received(fd, bytes, start, end) === true) return;
    this.book.remember(fd, bytes, start, end);
  }
}
