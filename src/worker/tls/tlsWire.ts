import { failureOfReason, type TlsFailureName } from '../../core/walls/tlsFailures.js';
import { epollIn, epollOut, type Epoll } from '../../linux/epoll.js';
import { errnos } from '../../linux/errno.js';
import { lastErrno } from '../../linux/libc.js';
import { trimMemory } from '../../linux/memoryUse.js';
import type { OpenSsl } from '../../linux/openssl.js';
import { closeDescriptor, finishSending, receive } from '../../linux/syscalls.js';
import { threadCpuMicroseconds } from '../../linux/threadClock.js';
import { ConnectionTable, grown } from '../connectionTable.js';
import type { Wire } from '../wire.js';
import { HandshakeFigures } from './handshakeFigures.js';

// Results of SSL_get_error (openssl/ssl.h).
const errorSsl = 1;
const errorWantRead = 2;
const errorWantWrite = 3;
const errorSyscall = 5;
const errorZeroReturn = 6;

/** ERR_GET_LIB and ERR_GET_REASON of OpenSSL 3. */
const librarySsl = 20;
const libraryOf = (code: number) => Math.floor(code / 2 ** 23) & 0xff;
const reasonOf = (code: number) => code & 0x7fffff;
/** Errors of one failure: OpenSSL's queue holds sixteen. */
const queuedErrors = 16;

/** So many sessions that were made or freed leave enough free memory behind to be worth giving back: a handshake takes up to 45 kB for its time. */
const changesWorthTrimming = 500;

const states = { none: 0, handshake: 1, open: 2, broken: 3, parked: 4 } as const;

export type HandshakeStep = 'done' | 'waiting' | 'failed';

/**
 * TLS on non-blocking sockets. A session is a pointer in a typed array: nothing of JavaScript is kept for a connection. One object for all
 * connections of a worker; `beginAs` decides which side it is.
 */
export class TlsWire implements Wire {
  readonly figures = new HandshakeFigures(true);
  private sessions: Float64Array;
  private readonly table: ConnectionTable;
  /** When handshakes that are under way began; bounded by whoever begins them. */
  private readonly begunAt = new Map<number, number>();
  /** Handshakes whose bytes the kernel did not take. */
  private readonly writing = new Set<number>();
  private lastError = 0;
  private lastFailure: TlsFailureName | undefined;
  private openSessions = 0;
  /** Handshakes and freed sessions since memory was given back last. */
  private changes = 0;

  constructor(
    private readonly openSsl: OpenSsl,
    private readonly context: number,
    private readonly epoll: Epoll,
    private readonly side: 'server' | 'client',
    expected: number,
  ) {
    this.sessions = new Float64Array(Math.max(1024, expected));
    this.table = new ConnectionTable(expected);
  }

  /** Handshakes that are not done yet. */
  get underWay(): number {
    return this.begunAt.size;
  }

  /** The session of a connection, for what only one side does with it; 0: it has none. */
  sessionOf(fd: number): number {
    return fd < this.sessions.length ? this.sessions[fd]! : 0;
  }

  /** A connection whose handshake is to come. The session is made with the first step, so that a peer that says nothing costs nothing. */
  expect(fd: number): void {
    this.table.set(fd, states.handshake);
    this.begunAt.set(fd, performance.now());
  }

  /** Makes the session; `prepare` may set it up. False: there is no memory for it. */
  begin(fd: number, prepare?: (session: number) => void): boolean {
    const { openSsl } = this;
    const session = openSsl.SSL_new(this.context);
    if (session === 0) return false;
    if (fd >= this.sessions.length) this.sessions = grown(this.sessions, fd, Float64Array);
    this.sessions[fd] = session;
    this.openSessions++;
    openSsl.SSL_set_fd(session, fd);
    if (this.side === 'server') openSsl.SSL_set_accept_state(session);
    else openSsl.SSL_set_connect_state(session);
    prepare?.(session);
    return true;
  }

  /** Goes on with a handshake as far as the peer's bytes reach. After `failed`, `failure` says why. */
  handshake(fd: number): HandshakeStep {
    const { openSsl, figures } = this;
    const before = threadCpuMicroseconds();
    if (this.sessionOf(fd) === 0 && !this.begin(fd)) return this.failed(errnos.ENOMEM, undefined);
    const session = this.sessions[fd]!;
    if (this.writing.size !== 0 && this.writing.delete(fd)) this.epoll.modify(fd, epollIn);
    const result = openSsl.SSL_do_handshake(session);
    const errno = result === 1 ? 0 : lastErrno();
    figures.cpuMicroseconds += threadCpuMicroseconds() - before;
    if (result === 1) {
      this.established(fd, session);
      return 'done';
    }
    switch (openSsl.SSL_get_error(session, result)) {
      case errorWantRead:
        return 'waiting';
      case errorWantWrite:
        this.writing.add(fd);
        this.epoll.modify(fd, epollOut);
        return 'waiting';
      case errorSyscall:
        this.table.set(fd, states.broken);
        return this.failed(errno === 0 || errno === errnos.EAGAIN ? errnos.ECONNRESET : errno, 'tls.closed');
      default:
        this.table.set(fd, states.broken);
        return this.failed(errnos.EPROTO, this.readFailure(session));
    }
  }

  /** Frees the session and keeps the connection, which can carry nothing more. The peer cannot know. */
  park(fd: number): void {
    this.free(fd);
    this.table.set(fd, states.parked);
  }

  receive(fd: number, buffer: Uint8Array): number {
    const session = this.sessionOf(fd);
    if (session === 0) return this.receiveParked(fd, buffer);
    const result = this.openSsl.SSL_read(session, buffer, buffer.length);
    return result > 0 ? result : this.judge(fd, session, result);
  }

  send(fd: number, bytes: Uint8Array, length: number): number {
    const session = this.sessionOf(fd);
    if (session === 0) return this.refuse(errnos.EPIPE);
    // One call makes one record of at most 16 kB.
    let total = 0;
    do {
      const sent = this.openSsl.SSL_write(session, total === 0 ? bytes : bytes.subarray(total), length - total);
      if (sent <= 0) {
        const judged = this.judge(fd, session, sent);
        return total > 0 && this.lastError === errnos.EAGAIN ? total : judged === 0 ? this.refuse(errnos.EPIPE) : judged;
      }
      total += sent;
    } while (total < length);
    return total;
  }

  errno(): number {
    return this.lastError;
  }

  failure(): TlsFailureName | undefined {
    return this.lastFailure;
  }

  finishSending(fd: number): void {
    this.shutDown(fd);
    finishSending(fd);
  }

  close(fd: number): void {
    this.shutDown(fd);
    this.free(fd);
    this.table.set(fd, states.none);
    if (this.begunAt.size !== 0) this.begunAt.delete(fd);
    if (this.writing.size !== 0) this.writing.delete(fd);
    closeDescriptor(fd);
  }

  private established(fd: number, session: number): void {
    const { openSsl, figures } = this;
    const begunAt = this.begunAt.get(fd);
    this.begunAt.delete(fd);
    this.table.set(fd, states.open);
    figures.done(begunAt === undefined || this.side === 'server' ? undefined : performance.now() - begunAt, openSsl.SSL_session_reused(session) === 1);
    if (this.changes++ >= changesWorthTrimming && this.begunAt.size === 0) this.trim();
    figures.negotiated ??= `${openSsl.SSL_get_version(session)} ${openSsl.SSL_CIPHER_get_name(openSsl.SSL_get_current_cipher(session))}`;
  }

  private failed(errno: number, failure: TlsFailureName | undefined): 'failed' {
    this.refuse(errno, failure);
    return 'failed';
  }

  private refuse(errno: number, failure?: TlsFailureName): -1 {
    this.lastError = errno;
    this.lastFailure = failure;
    return -1;
  }

  /** What a read or write that took nothing means: 0 at the end of the stream, otherwise −1 with the errno. */
  private judge(fd: number, session: number, result: number): number {
    const errno = lastErrno();
    switch (this.openSsl.SSL_get_error(session, result)) {
      case errorWantRead:
        // After a ticket or new keys OpenSSL keeps its read buffer of 17 kB in spite of SSL_MODE_RELEASE_BUFFERS.
        this.openSsl.SSL_free_buffers(session);
        return this.refuse(errnos.EAGAIN);
      case errorWantWrite:
        // A read that must write first: the peer asked for new keys and the kernel took no bytes.
        this.epoll.modify(fd, epollIn | epollOut);
        return this.refuse(errnos.EAGAIN);
      case errorZeroReturn:
        return 0;
      case errorSsl: {
        this.table.set(fd, states.broken);
        const failure = this.readFailure(session);
        // The stream ended without a close_notify, as it does whenever a process dies.
        return failure === 'tls.closed' ? 0 : this.refuse(errnos.EPROTO, failure);
      }
      default:
        this.table.set(fd, states.broken);
        this.openSsl.ERR_clear_error();
        return this.refuse(errno === 0 || errno === errnos.EAGAIN ? errnos.ECONNRESET : errno);
    }
  }

  /** Empties OpenSSL's queue of errors: whatever stayed in it would be taken for the next connection's. */
  private readFailure(session: number): TlsFailureName {
    const { openSsl } = this;
    let reason: number | undefined;
    for (let count = 0; count < queuedErrors; count++) {
      const code = openSsl.ERR_get_error();
      if (code === 0) break;
      if (reason === undefined && libraryOf(code) === librarySsl) reason = reasonOf(code);
    }
    return reason === undefined ? 'tls.protocol' : failureOfReason(reason, openSsl.SSL_get_verify_result(session));
  }

  /** What comes to a parked connection cannot be read and is dropped; its end is seen. */
  private receiveParked(fd: number, buffer: Uint8Array): number {
    const count = receive(fd, buffer);
    if (count === 0) return 0;
    return this.refuse(count > 0 ? errnos.EAGAIN : lastErrno());
  }

  /** Sends close_notify where there is a session that still works. */
  private shutDown(fd: number): void {
    if (this.table.get(fd) !== states.open) return;
    if (this.openSsl.SSL_shutdown(this.sessions[fd]!) < 0) this.openSsl.ERR_clear_error();
    this.table.set(fd, states.broken);
  }

  private free(fd: number): void {
    const session = this.sessionOf(fd);
    if (session === 0) return;
    this.openSsl.SSL_free(session);
    this.sessions[fd] = 0;
    this.openSessions--;
    if (this.changes++ >= changesWorthTrimming && this.openSessions === 0) this.trim();
  }

  private trim(): void {
    this.changes = 0;
    trimMemory();
  }
}
