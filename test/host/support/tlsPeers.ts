import { makeRunCertificate } from '../../../src/agent/runCertificate.js';
import type { ClientTls, ServerTls } from '../../../src/protocol/tls.js';

/** Made once: making one takes a millisecond for ECDSA and up to a second for RSA. */
export const runCertificate = makeRunCertificate('ecdsa', ['localhost', '127.0.0.1']);

export function serverTls(more: Partial<ServerTls> = {}): ServerTls {
  return { minimumVersion: '1.2', maximumVersion: '1.3', ...runCertificate, tickets: 0, ...more };
}

export function clientTls(more: Partial<ClientTls> = {}): ClientTls {
  return {
    minimumVersion: '1.2',
    maximumVersion: '1.3',
    serverName: 'localhost',
    alpn: [],
    trust: { kind: 'certificate', pem: runCertificate.certificate, andSystem: false },
    resume: false,
    park: false,
    ...more,
  };
}
