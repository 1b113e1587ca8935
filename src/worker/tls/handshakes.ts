import { errnoName, errnos } from '../../linux/errno.js';
import { Deadlines } from '../deadlines.js';
import type { HandshakeStep, TlsWire } from './tlsWire.js';

/** Until a peer must have finished its handshake, since it was accepted. */
const patienceMs = 15_000;
/** Handshakes under way at once, each with about 45 kB of OpenSSL's and two descriptors' worth of buffers: 200 MB at most. The others wait in the accept queue. */
const maximumUnderWay = 4_096;

/** The server's handshakes: bounded in number and in time, so that peers that stop in the middle keep nobody out for long. */
export class Handshakes {
  private readonly deadlines = new Deadlines();

  constructor(
    private readonly wire: TlsWire,
    private readonly onFailure: (fd: number, failure: string) => void,
  ) {}

  get hasRoom(): boolean {
    return this.deadlines.size < maximumUnderWay;
  }

  expect(fd: number): void {
    this.wire.expect(fd);
    this.deadlines.set(fd, performance.now() + patienceMs);
  }

  /** The peer's bytes came, or the kernel takes more of ours. */
  advance(fd: number): HandshakeStep {
    const step = this.wire.handshake(fd);
    if (step === 'waiting') return step;
    this.deadlines.delete(fd);
    if (step === 'failed') this.onFailure(fd, failureName(this.wire));
    return step;
  }

  /** Returns the milliseconds until it has something to do by itself. */
  onTurn(now: number): number {
    return this.deadlines.sweep(now, this.onLate);
  }

  private readonly onLate = (fd: number): void => this.onFailure(fd, 'tls.timeout');
}

/** Among the failures of a worker: what TLS says of a handshake that failed, or the errno. */
export function failureName(wire: TlsWire): string {
  const errno = wire.errno();
  const failure = wire.failure();
  return failure ?? (errno === errnos.EPROTO ? 'tls.protocol' : errnoName(errno));
}
