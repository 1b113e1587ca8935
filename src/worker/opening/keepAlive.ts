import type { KeepAlive } from '../../protocol/opening.js';
import { grown } from '../connectionTable.js';
import { fixedBytes, Template, type ConnectionNames } from './template.js';

/** Sent in one turn of the loop at most. */
const sendsPerTurn = 512;

/** What keep-alives need of the client. */
export interface KeepAliveHost {
  has(fd: number): boolean;
  send(fd: number, bytes: Uint8Array): boolean;
  ping(fd: number): boolean;
  names(fd: number): ConnectionNames;
}

/** What was sent to keep connections alive, and what became of it. */
export interface KeepAliveCounts {
  sent: number;
  answered: number;
  /** The next one was due before an answer came, or the answer was another one. */
  unanswered: number;
}

/**
 * Sends something over each connection once in a period. Descriptors are small numbers without large gaps: a hand goes round over them once in the
 * period, so that the sends are spread evenly and nothing is kept of a connection but a bit.
 */
export class KeepAlives {
  readonly counts: KeepAliveCounts = { sent: 0, answered: 0, unanswered: 0 };
  private readonly periodMs: number;
  private readonly template: Template | undefined;
  private readonly expected: Uint8Array | undefined;
  private awaited = new Uint8Array(1024);
  private highest = 0;
  private next = 0;
  private roundBeganAt = performance.now();

  constructor(
    keepAlive: KeepAlive,
    secrets: Readonly<Record<string, string>>,
    private readonly host: KeepAliveHost,
  ) {
    this.periodMs = keepAlive.everySeconds * 1_000;
    this.template = keepAlive.send === undefined ? undefined : new Template(keepAlive.send, secrets, 'send of keepAlive');
    this.expected = keepAlive.expect === undefined ? undefined : fixedBytes(keepAlive.expect, secrets, 'expect of keepAlive');
  }

  opened(fd: number): void {
    if (fd >= this.awaited.length) this.awaited = grown(this.awaited, fd, Uint8Array);
    this.awaited[fd] = 0;
    this.highest = Math.max(this.highest, fd);
  }

  /** Milliseconds until it has something to do. */
  onTurn(now: number): number {
    const elapsed = now - this.roundBeganAt;
    const until = Math.min(this.highest + 1, Math.floor((elapsed / this.periodMs) * (this.highest + 1)));
    for (let sends = 0; this.next < until && sends < sendsPerTurn; this.next++) {
      if (!this.host.has(this.next)) continue;
      sends++;
      this.send(this.next);
    }
    if (this.next < until) return 0;
    if (elapsed >= this.periodMs) {
      this.roundBeganAt = now;
      this.next = 0;
    }
    return Math.max(1, this.periodMs / (this.highest + 1));
  }

  /** Bytes of the server that nobody else waits for. True: they are the answer to a keep-alive. */
  received(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (fd >= this.awaited.length || this.awaited[fd] === 0) return false;
    this.awaited[fd] = 0;
    const { expected } = this;
    const isRight = expected === undefined || beginsWith(bytes, start, end, expected);
    if (isRight) this.counts.answered++;
    else this.counts.unanswered++;
    return isRight;
  }

  private send(fd: number): void {
    if (this.awaited[fd] === 1) this.counts.unanswered++;
    this.awaited[fd] = this.expected === undefined && this.template !== undefined ? 0 : 1;
    this.counts.sent++;
    if (this.template === undefined) this.host.ping(fd);
    else this.host.send(fd, this.template.render(this.host.names(fd)));
  }
}

function beginsWith(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  const length = Math.min(expected.length, end - start);
  for (let index = 0; index < length; index++) if (bytes[start + index] !== expected[index]) return false;
  return length > 0;
}
