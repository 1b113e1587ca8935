import { switched } from './notation.js';
import type { SpecField, SpecMember } from './specField.js';

const hostFile = 'a PEM file of the host that runs the clients';

/** How people write what is asked of TLS: `"tls": true`, an object, or options of the command line, each of which switches TLS on. */
const members: Readonly<Record<string, SpecMember>> = {
  minimumVersion: { description: 'Oldest version of TLS: `1.2` or `1.3`. Default: `1.2`.', flag: { name: 'tls-min', value: 'V' } },
  maximumVersion: { description: 'Newest version of TLS: `1.2` or `1.3`. Default: `1.3`.', flag: { name: 'tls-max', value: 'V' } },
  serverName: {
    description: "The name that the clients ask for (SNI) and that the server's certificate must have. Default: `localhost`.",
    flag: { name: 'tls-name', value: 'NAME' },
  },
  alpn: { description: 'Application protocols that the clients offer (ALPN), the best first.', flag: { name: 'tls-alpn', value: 'PROTOCOL' } },
  keyType: {
    description: 'Key of the certificate that is made for the run: `ecdsa` (P-256) or `rsa2048`. Default: `ecdsa`.',
    flag: { name: 'tls-key-type', value: 'TYPE' },
  },
  ca: {
    description: `Certificate authorities that are trusted instead of the system's, ${hostFile}.`,
    flag: { name: 'tls-ca', value: 'FILE', completes: 'file' },
  },
  insecure: { description: "Do not verify the server's certificate.", flag: { name: 'tls-insecure' } },
  clientCertificate: {
    description: `The clients' own certificate with its chain, ${hostFile}.`,
    flag: { name: 'tls-client-cert', value: 'FILE', completes: 'file' },
  },
  clientKey: { description: `Its key without a passphrase, ${hostFile}.`, flag: { name: 'tls-client-key', value: 'FILE', completes: 'file' } },
  resume: {
    description: 'Resume sessions with tickets instead of making full handshakes, which is cheaper than most clients are.',
    flag: { name: 'tls-resume' },
  },
  park: {
    description: 'Free the sessions of the clients after the handshake: for connections that are only held. Default: when they do not fit otherwise.',
    flag: { name: 'tls-park' },
  },
};

/** All but the schema of the field `tls`. */
export const tlsAbout: Omit<SpecField, 'schema'> = {
  group: 'tls',
  title: 'TLS',
  description: 'Encrypt all connections with TLS; WebSocket becomes wss. Our own servers get a certificate that is made for the run.',
  notation: switched,
  members,
  flag: { name: 'tls', isSwitch: true },
};
