import type { Epoll } from '../../linux/epoll.js';
import { forbidCoreDumps } from '../../linux/limits.js';
import type { ClientTls, ServerTls } from '../../protocol/tls.js';
import { clientContext, requireOpenSsl, serverContext } from './context.js';
import { ClientSessions } from './clientSessions.js';
import { failureName, Handshakes } from './handshakes.js';
import { TlsWire } from './tlsWire.js';

/** A step of a handshake takes up to 0.5 ms of CPU: so many are a slice of the loop. */
export const tlsEventsPerWait = 48;

/** What the epoll server needs for TLS. */
export interface ServerTlsParts {
  wire: TlsWire;
  handshakes: Handshakes;
}

export function serverTlsParts(tls: ServerTls, epoll: Epoll, expected: number, onFailure: (fd: number, failure: string) => void): ServerTlsParts {
  forbidCoreDumps();
  const openSsl = requireOpenSsl();
  const wire = new TlsWire(openSsl, serverContext(openSsl, tls), epoll, 'server', expected);
  return { wire, handshakes: new Handshakes(wire, onFailure) };
}

/** What the epoll client needs for TLS. */
export interface ClientTlsParts {
  wire: TlsWire;
  sessions: ClientSessions;
  /** Why the last handshake failed. */
  failureName(): string;
}

export function clientTlsParts(tls: ClientTls, epoll: Epoll, expected: number, destinations: number, destinationOf: (fd: number) => number): ClientTlsParts {
  forbidCoreDumps();
  const openSsl = requireOpenSsl();
  const wire = new TlsWire(openSsl, clientContext(openSsl, tls), epoll, 'client', expected);
  const sessions = new ClientSessions(openSsl, wire, tls, destinations, destinationOf);
  return { wire, sessions, failureName: () => failureName(wire) };
}
