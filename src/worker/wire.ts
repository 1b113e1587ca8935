import { lastErrno } from '../linux/libc.js';
import { closeDescriptor, finishSending, receive, send } from '../linux/syscalls.js';

/**
 * How the bytes of a worker's connections go over their descriptors: as they are, or in TLS records. One object serves all connections of
 * a worker, and whoever reads, writes or closes a connection does it here. Nothing waits, and nothing is allocated per call.
 */
export interface Wire {
  /** Bytes that were put into the beginning of the buffer, 0 at the end of the stream, −1: see `errno`. */
  receive(fd: number, buffer: Uint8Array): number;
  /** Bytes of the first `length` that were taken, or −1: see `errno`. What was not taken must be the beginning of the next call. */
  send(fd: number, bytes: Uint8Array, length: number): number;
  /** Why `receive` or `send` returned −1, valid right after it. EAGAIN: nothing is wrong, try again when epoll says so. */
  errno(): number;
  /** The name of what is behind an errno that is not the kernel's (EPROTO), among those of `core/walls/tlsFailures.ts`; undefined: the errno says it all. */
  failure(): string | undefined;
  /** The peer sees the end of our stream; we keep reading. */
  finishSending(fd: number): void;
  /** Closes the descriptor and forgets what is kept for it. */
  close(fd: number): void;
}

/** TCP as it is. */
export const plainWire: Wire = { receive, send, errno: lastErrno, failure: () => undefined, finishSending, close: closeDescriptor };
