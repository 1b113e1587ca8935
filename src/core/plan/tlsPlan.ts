import type { HostFacts } from '../../protocol/facts.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import type { TlsPlan, TlsSpec, TlsVerification } from '../../protocol/tls.js';
import { HumanError } from '../errors.js';
import { formatCount } from '../units.js';
import type { Ends } from './costs.js';

/**
 * What TLS adds to one connection in the process of its end, with OpenSSL 3.0 and buffers released while idle (docs/tls.md says how each was measured).
 * The session has the same size with both keys, since the certificate is kept once for all. A command stands for nginx.
 */
const serverBytes: Record<RunSpec['engine'], number> = { epoll: 14_190, node: 25_200, command: 16_200, attach: 16_200 };
/** A client keeps the server's certificate with each session that it did not resume. */
const clientBytes = { kept: 19_010, resumed: 15_100, parked: 150 };
/** With TLS 1.2 only: it has fewer keys. */
const lessWithOldVersion = { server: 1_090, client: 660 };

/** What TLS adds to a worker for itself: its code, its context, and a heap that grew with the handshakes. Measured with 4, 6 and 12 workers. */
const bytesPerTlsWorker = 5_200_000;

/** Microseconds of CPU of both sides for one handshake, on the machine whose arithmetic takes `referenceMicroseconds`. */
const handshakeMicroseconds = { ecdsa: 900, rsa2048: 1_400, resumed: 600 };
/** What Node's own TLS takes more on the server. */
const nodeServerMicroseconds = 330;
/** What `facts.tls.arithmeticMicroseconds` was where these costs were measured. */
const referenceMicroseconds = 300;
/** The client's share of a handshake: it verifies, the server signs. */
const clientShare = { ecdsa: 0.55, rsa2048: 0.25, resumed: 0.5 };

/** Bytes that TLS adds on this host for each connection; 0 without TLS. */
export function tlsBytes(spec: RunSpec, ends: Ends, park: boolean): number {
  if (spec.tls === undefined) return 0;
  return (ends.server ? serverSessionBytes(spec.engine, spec.tls) : 0) + (ends.client ? clientSessionBytes(spec.tls, park) : 0);
}

/** Bytes that TLS adds to each of our workers; 0 without TLS. */
export function tlsBytesPerWorker({ tls }: RunSpec): number {
  return tls === undefined ? 0 : bytesPerTlsWorker;
}

function serverSessionBytes(engine: RunSpec['engine'], { maximumVersion }: TlsSpec): number {
  return serverBytes[engine] - (maximumVersion === '1.2' ? lessWithOldVersion.server : 0);
}

function clientSessionBytes({ maximumVersion, resume }: TlsSpec, park: boolean): number {
  if (park) return clientBytes.parked;
  return (resume ? clientBytes.resumed : clientBytes.kept) - (maximumVersion === '1.2' ? lessWithOldVersion.client : 0);
}

function kindOf({ resume, keyType }: TlsSpec): keyof typeof handshakeMicroseconds {
  return resume ? 'resumed' : keyType;
}

/** CPU seconds that TLS adds to opening one connection, on this host's ends. */
export function handshakeCpuSeconds(spec: RunSpec, facts: HostFacts, ends: Ends): number {
  if (spec.tls === undefined) return 0;
  const kind = kindOf(spec.tls);
  const share = (ends.client ? clientShare[kind] : 0) + (ends.server ? 1 - clientShare[kind] : 0);
  const speed = (facts.tls?.arithmeticMicroseconds ?? referenceMicroseconds) / referenceMicroseconds;
  const ofNode = ends.server && spec.engine === 'node' ? nodeServerMicroseconds : 0;
  return ((handshakeMicroseconds[kind] * share + ofNode) * speed) / 1e6;
}

function isOwnEngine({ engine }: RunSpec): boolean {
  return engine === 'epoll' || engine === 'node';
}

/** Our own servers have the run's certificate; only on one host can its clients know it. */
function verificationOf(spec: RunSpec, tls: TlsSpec, severalHosts: boolean): TlsVerification {
  if (tls.insecure) return 'none';
  if (isOwnEngine(spec)) return severalHosts ? 'unverifiedOwn' : 'run';
  return tls.ca === undefined ? 'system' : 'file';
}

/** What is planned about TLS on one host. `secondsPerConnection`: CPU time for opening one connection there, without TLS. */
export function tlsPlanOf(spec: RunSpec, facts: HostFacts, ends: Ends, park: boolean, secondsPerConnection: number): TlsPlan | undefined {
  const { tls } = spec;
  if (tls === undefined) return undefined;
  return {
    park,
    verification: verificationOf(spec, tls, ends.server !== ends.client),
    handshakesPerSecond: Math.round(facts.cores / (handshakeCpuSeconds(spec, facts, ends) + secondsPerConnection)),
    serverBytes: ends.server && isOwnEngine(spec) ? serverSessionBytes(spec.engine, tls) : null,
    clientBytes: ends.client ? clientSessionBytes(tls, park) : null,
  };
}

const verificationTexts: Record<TlsVerification, string> = {
  run: "clients accept nothing but the run's own certificate",
  unverifiedOwn: "the certificate is made for the run on the server's host, and clients on other hosts do not verify it",
  system: "clients verify the server's certificate by the authorities of their host and by the run's own certificate",
  file: "clients verify the server's certificate by the given authorities and by the run's own certificate",
  none: "clients do not verify the server's certificate, as asked for (--tls-insecure)",
};

export function verificationText(verification: TlsVerification): string {
  return verificationTexts[verification];
}

/** Notes of a plan about TLS. */
export function tlsNotes(spec: RunSpec, plan: Pick<Plan, 'connections'> & { tls: TlsPlan | undefined }, isParkingChosen: boolean): string[] {
  const { tls, connections } = plan;
  if (tls === undefined) return [];
  const seconds = connections / Math.max(1, tls.handshakesPerSecond);
  const notes = [
    `TLS: ${verificationTexts[tls.verification]}.`,
    `About ${formatCount(tls.handshakesPerSecond)} ${spec.tls?.resume === true ? 'resumed' : 'full'} handshakes per second are expected here${seconds < 2 ? '' : `: the ramp takes ${formatCount(Math.round(seconds))} s at least`}.`,
  ];
  if (isParkingChosen) {
    notes.push(
      'With their TLS sessions the clients would not fit: they free them after the handshake and can send nothing more (--tls-park). The server cannot tell.',
    );
  }
  return notes;
}

/** Throws a HumanError where the host's Node has no OpenSSL that the workers could use. */
export function requireTls(spec: RunSpec, facts: HostFacts, ends: Ends): void {
  const { tls } = facts;
  if (spec.tls === undefined || tls === undefined || tls.openSsl !== null || (!ends.client && spec.engine !== 'epoll')) return;
  throw new HumanError(
    `The Node of ${facts.hostname} (${facts.nodeVersion}) exports no OpenSSL, so that its workers cannot speak TLS: ${tls.missing.slice(0, 3).join(', ')} cannot be found.`,
    {
      code: 'unsupported',
      remedy: 'Use a Node.js of nodejs.org on that host (C10M brings one where it finds none), or install the package libssl3 there.',
    },
  );
}
