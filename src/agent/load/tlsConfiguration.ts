import type { Plan } from '../../protocol/plan.js';
import type { ClientTls, ServerTls, TlsSpec } from '../../protocol/tls.js';
import { makeRunCertificate } from '../runCertificate.js';

/** One for each full handshake of a client: it keeps one for each port. */
const ticketsToResume = 1;

/** What the workers of a run need to know of TLS, with a certificate that is made now and is nowhere but in this process and theirs. */
export function tlsConfiguration(tls: TlsSpec, plan: Plan): { server: ServerTls; client: ClientTls } {
  const addresses = plan.serverWorkers.map(({ address }) => address).filter((address) => address !== '0.0.0.0');
  const own = makeRunCertificate(tls.keyType, [...new Set([tls.serverName, 'localhost', '127.0.0.1', '::1', ...addresses])]);
  const { minimumVersion, maximumVersion, serverName, alpn, resume, clientCertificate, clientKey } = tls;
  return {
    server: { minimumVersion, maximumVersion, ...own, tickets: resume ? ticketsToResume : 0 },
    client: {
      minimumVersion,
      maximumVersion,
      serverName,
      alpn,
      trust: trustOf(tls, plan, own.certificate),
      ...(clientCertificate === undefined || clientKey === undefined ? {} : { clientCertificate: { certificate: clientCertificate, key: clientKey } }),
      resume,
      park: plan.tls?.park ?? false,
    },
  };
}

function trustOf(tls: TlsSpec, plan: Plan, pem: string): ClientTls['trust'] {
  switch (plan.tls?.verification) {
    case 'none':
    case 'unverifiedOwn':
      return { kind: 'none' };
    case 'file':
      return { kind: 'certificate', pem, ...(tls.ca === undefined ? {} : { file: tls.ca }), andSystem: false };
    default:
      return { kind: 'certificate', pem, andSystem: plan.tls?.verification === 'system' };
  }
}
