import type { OpenSsl } from '../../linux/openssl.js';
import type { ClientTls } from '../../protocol/tls.js';
import type { HandshakeStep, TlsWire } from './tlsWire.js';

// Numbers of openssl/ssl.h and openssl/tls1.h.
const controlHostName = 55;
const nameTypeHost = 0;

/** What only a client does with its sessions: the name that it asks for, resumption, and parking. */
export class ClientSessions {
  /** Null-terminated; an IP address must not be sent as a name (RFC 6066, section 3). */
  private readonly name: Uint8Array | undefined;
  /** The session to resume with, by destination; 0: none yet. */
  private readonly resumable: Float64Array;

  constructor(
    private readonly openSsl: OpenSsl,
    private readonly wire: TlsWire,
    private readonly tls: ClientTls,
    destinations: number,
    private readonly destinationOf: (fd: number) => number,
  ) {
    const isAddress = /^[0-9.]+$|:/.test(tls.serverName);
    this.name = isAddress ? undefined : Buffer.from(`${tls.serverName}\0`, 'latin1');
    this.resumable = new Float64Array(destinations);
  }

  /** The connection is there: sends the ClientHello. */
  begin(fd: number): HandshakeStep {
    this.wire.expect(fd);
    this.wire.begin(fd, (session) => {
      if (this.name !== undefined) this.openSsl.SSL_ctrl(session, controlHostName, nameTypeHost, this.name);
      const known = this.tls.resume ? this.resumable[this.destinationOf(fd)]! : 0;
      if (known !== 0) this.openSsl.SSL_set_session(session, known);
    });
    return this.wire.handshake(fd);
  }

  /** The connection is established, whatever comes after TLS: its session is freed where the run only holds connections. */
  settle(fd: number): void {
    if (this.tls.resume && !this.keep(fd)) return;
    if (this.tls.park) this.wire.park(fd);
  }

  /** Something came that was no message: tickets of TLS 1.3 come after the handshake. */
  afterTickets(fd: number, isEstablished: boolean): void {
    if (!this.tls.resume || this.wire.sessionOf(fd) === 0) return;
    if (isEstablished) this.settle(fd);
    else this.keep(fd);
  }

  /** Keeps the session for the next connection to the same destination; true when there is one. */
  private keep(fd: number): boolean {
    const { openSsl, resumable } = this;
    const destination = this.destinationOf(fd);
    const session = this.wire.sessionOf(fd);
    const known = resumable[destination]!;
    if (known !== 0 && openSsl.SSL_session_reused(session) === 1) return true;
    const own = openSsl.SSL_get1_session(session);
    const isResumable = own !== 0 && openSsl.SSL_SESSION_is_resumable(own) === 1;
    const unwanted = isResumable ? known : own;
    if (isResumable) resumable[destination] = own;
    if (unwanted !== 0) openSsl.SSL_SESSION_free(unwanted);
    return isResumable || known !== 0;
  }
}
