import { epollIn, epollOut, type Epoll } from '../linux/epoll.js';
import { errnos } from '../linux/errno.js';
import type { Wire } from './wire.js';

/** Unsent bytes of all connections of one worker; a connection that would need more is given up. */
export const maximumUnsentBytes = 64 * 1024 * 1024;

export type SendOutcome = 'sent' | 'waiting' | 'gone';

/**
 * Sends, and keeps what the kernel does not take. On a server a connection with unsent bytes is watched for writing only
 * (`watchWhileUnsent`): nothing more is read from it, so its unsent bytes are those of one read at most, and a slow reader
 * costs the others nothing. A client goes on reading: its server may wait for just that.
 */
export class Output {
  private readonly unsent = new Map<number, Buffer>();
  private heldBytes = 0;

  constructor(
    private readonly epoll: Epoll,
    private readonly wire: Wire,
    private readonly watchWhileUnsent: number = epollOut,
    private readonly maximumBytes: number = maximumUnsentBytes,
  ) {}

  /** Sends bytes[0, length). 'gone': the connection is broken (errno is set) or too much is unsent; the caller closes it. */
  send(fd: number, bytes: Uint8Array, length: number): SendOutcome {
    const held = this.unsent.size === 0 ? undefined : this.unsent.get(fd);
    if (held !== undefined) return this.hold(fd, Buffer.concat([held, bytes.subarray(0, length)]), held.length);
    const sent = this.wire.send(fd, bytes, length);
    if (sent === length) return 'sent';
    if (sent < 0 && this.wire.errno() !== errnos.EAGAIN) return 'gone';
    const outcome = this.hold(fd, Buffer.from(bytes.subarray(Math.max(0, sent), length)), 0);
    if (outcome === 'waiting') this.epoll.modify(fd, this.watchWhileUnsent);
    return outcome;
  }

  /** The socket can be written again: sends the rest and, when all is sent, watches for reading again. */
  flush(fd: number): SendOutcome {
    const held = this.unsent.get(fd);
    if (held === undefined) {
      this.epoll.modify(fd, epollIn);
      return 'sent';
    }
    const sent = this.wire.send(fd, held, held.length);
    if (sent < 0) return this.wire.errno() === errnos.EAGAIN ? 'waiting' : 'gone';
    this.heldBytes -= sent;
    if (sent < held.length) {
      this.unsent.set(fd, held.subarray(sent));
      return 'waiting';
    }
    this.unsent.delete(fd);
    this.epoll.modify(fd, epollIn);
    return 'sent';
  }

  isWaiting(fd: number): boolean {
    return this.unsent.size !== 0 && this.unsent.has(fd);
  }

  forget(fd: number): void {
    const held = this.unsent.size === 0 ? undefined : this.unsent.get(fd);
    if (held === undefined) return;
    this.unsent.delete(fd);
    this.heldBytes -= held.length;
  }

  private hold(fd: number, bytes: Buffer, before: number): SendOutcome {
    if (this.heldBytes + bytes.length - before > this.maximumBytes) return 'gone';
    this.heldBytes += bytes.length - before;
    this.unsent.set(fd, bytes);
    return 'waiting';
  }
}
