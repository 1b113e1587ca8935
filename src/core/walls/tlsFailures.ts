/**
 * Why a TLS handshake fails, as sentences. The names stand among the errnos in a sample's failures and begin with `tls.`; there are so many and no more,
 * whatever a peer sends.
 */
export interface TlsFailure {
  kind: 'alert' | 'certificate' | 'version' | 'timeout' | 'peer';
  /** What happened, without a full stop. */
  text: string;
  remedy: string;
}

export const tlsFailurePrefix = 'tls.';

const ownCertificate = 'Give the certificate authority with --tls-ca FILE, or do not verify with --tls-insecure.';
const clientCertificate = 'Check the client certificate (--tls-client-cert and --tls-client-key): the server must know who issued it.';

export const tlsFailures = {
  'tls.timeout': {
    kind: 'timeout',
    text: 'the peer did not finish the TLS handshake in time',
    remedy: 'Check that the server speaks TLS on this port, or lower --rate: handshakes need CPU time on both sides.',
  },
  'tls.closed': {
    kind: 'peer',
    text: 'the peer closed the connection during the TLS handshake',
    remedy:
      "Look into the server's log: it may allow fewer connections, not speak TLS on this port, or refuse the version or the client's certificate without an alert.",
  },
  'tls.plain': {
    kind: 'peer',
    text: 'the peer answered the TLS handshake with something that is not TLS',
    remedy: 'Run without --tls, or use the port on which the server speaks TLS.',
  },
  'tls.needed': {
    kind: 'peer',
    text: 'the server speaks TLS, and the run does not',
    remedy: 'Run with --tls.',
  },
  'tls.protocol': { kind: 'peer', text: 'the peer broke the TLS protocol', remedy: "Look into the server's log." },
  'tls.version': {
    kind: 'version',
    text: 'client and server have no version of TLS in common',
    remedy: 'Allow the version that the server speaks (--tls-min, --tls-max).',
  },
  'tls.certificate.expired': { kind: 'certificate', text: "the server's certificate has expired", remedy: ownCertificate },
  'tls.certificate.notYetValid': {
    kind: 'certificate',
    text: "the server's certificate is not valid yet",
    remedy: 'Compare the clocks of the hosts.',
  },
  'tls.certificate.selfSigned': { kind: 'certificate', text: "the server's certificate is self-signed and not known here", remedy: ownCertificate },
  'tls.certificate.unknownIssuer': { kind: 'certificate', text: "the issuer of the server's certificate is not known here", remedy: ownCertificate },
  'tls.certificate.wrongName': {
    kind: 'certificate',
    text: "the server's certificate is for another name",
    remedy: 'Give the name of the certificate with --tls-name.',
  },
  'tls.certificate.refused': { kind: 'certificate', text: "the server's certificate is not good enough to be trusted", remedy: ownCertificate },
  'tls.alert.certificateRequired': {
    kind: 'alert',
    text: 'the server requires a client certificate',
    remedy: 'Give one with --tls-client-cert FILE and --tls-client-key FILE.',
  },
  'tls.alert.certificate': { kind: 'alert', text: 'the peer refused our certificate', remedy: clientCertificate },
  'tls.alert.unknownIssuer': { kind: 'alert', text: 'the peer does not know the issuer of our certificate', remedy: clientCertificate },
  'tls.alert.name': {
    kind: 'alert',
    text: 'the server does not serve the name that was asked for',
    remedy: 'Give a name that it serves with --tls-name.',
  },
  'tls.alert.alpn': {
    kind: 'alert',
    text: 'the server speaks none of the application protocols that were offered',
    remedy: 'Offer one that it speaks with --tls-alpn.',
  },
  'tls.alert.handshakeFailure': {
    kind: 'alert',
    text: 'the peer refused the handshake (alert handshake_failure)',
    remedy: 'Client and server may have no cipher in common, or the server requires a client certificate (--tls-client-cert).',
  },
  'tls.alert.internal': { kind: 'alert', text: 'the peer reports an internal error of its own (alert internal_error)', remedy: "Look into the server's log." },
  'tls.alert.other': { kind: 'alert', text: 'the peer ended the handshake with an alert', remedy: "Look into the server's log." },
} as const satisfies Record<string, TlsFailure>;

export type TlsFailureName = keyof typeof tlsFailures;

/** The failure of that name, also of a name that a newer version wrote; undefined for what is no failure of TLS. */
export function tlsFailureOf(name: string): TlsFailure | undefined {
  if (Object.hasOwn(tlsFailures, name)) return tlsFailures[name as TlsFailureName];
  return name.startsWith(tlsFailurePrefix) ? tlsFailures['tls.protocol'] : undefined;
}

/** By X509_V_ERR_* of openssl/x509_vfy.h. */
const verifyResults: Record<number, TlsFailureName> = {
  2: 'tls.certificate.unknownIssuer',
  9: 'tls.certificate.notYetValid',
  10: 'tls.certificate.expired',
  18: 'tls.certificate.selfSigned',
  19: 'tls.certificate.selfSigned',
  20: 'tls.certificate.unknownIssuer',
  21: 'tls.certificate.unknownIssuer',
  62: 'tls.certificate.wrongName',
  64: 'tls.certificate.wrongName',
};

/** For SSL_get_verify_result of a handshake that failed over the certificate. */
export function failureOfVerifyResult(result: number): TlsFailureName {
  return verifyResults[result] ?? 'tls.certificate.refused';
}

/** Alerts of RFC 8446, section 6, by their numbers. */
const alerts: Record<number, TlsFailureName> = {
  40: 'tls.alert.handshakeFailure',
  41: 'tls.alert.certificateRequired',
  42: 'tls.alert.certificate',
  43: 'tls.alert.certificate',
  44: 'tls.alert.certificate',
  45: 'tls.alert.certificate',
  46: 'tls.alert.certificate',
  48: 'tls.alert.unknownIssuer',
  70: 'tls.version',
  71: 'tls.alert.handshakeFailure',
  80: 'tls.alert.internal',
  86: 'tls.version',
  112: 'tls.alert.name',
  116: 'tls.alert.certificateRequired',
  120: 'tls.alert.alpn',
};

/** SSL_R_* of openssl/sslerr.h that are no alerts of the peer. */
const reasons = {
  certificateVerifyFailed: 134,
  httpsProxyRequest: 155,
  httpRequest: 156,
  noProtocolsAvailable: 191,
  noSharedCipher: 193,
  peerDidNotReturnACertificate: 199,
  unexpectedMessage: 244,
  unsupportedProtocol: 258,
  wrongSslVersion: 266,
  wrongVersionNumber: 267,
  unexpectedEndOfFile: 294,
} as const;

/** Alerts that a peer sent are counted from here on (SSL_AD_REASON_OFFSET). */
const alertOffset = 1_000;

const reasonNames: Record<number, TlsFailureName> = {
  [reasons.httpsProxyRequest]: 'tls.plain',
  [reasons.httpRequest]: 'tls.plain',
  [reasons.noProtocolsAvailable]: 'tls.version',
  [reasons.noSharedCipher]: 'tls.alert.handshakeFailure',
  [reasons.peerDidNotReturnACertificate]: 'tls.alert.certificateRequired',
  // An echo server sends our own ClientHello back.
  [reasons.unexpectedMessage]: 'tls.plain',
  [reasons.unsupportedProtocol]: 'tls.version',
  [reasons.wrongSslVersion]: 'tls.version',
  [reasons.wrongVersionNumber]: 'tls.plain',
  [reasons.unexpectedEndOfFile]: 'tls.closed',
};

/** For an error of OpenSSL's SSL library. `verifyResult`: of SSL_get_verify_result. */
export function failureOfReason(reason: number, verifyResult: number): TlsFailureName {
  if (reason === reasons.certificateVerifyFailed) return failureOfVerifyResult(verifyResult);
  if (reason >= alertOffset) return alerts[reason - alertOffset] ?? 'tls.alert.other';
  return reasonNames[reason] ?? 'tls.protocol';
}

/** Ends of the codes of Node's errors, which are the names of OpenSSL's reasons behind `ERR_SSL_` and, for an alert, the version of the protocol. */
const nodeCodes: readonly (readonly [pattern: RegExp, name: TlsFailureName])[] = [
  [/^ERR_TLS_HANDSHAKE_TIMEOUT$/, 'tls.timeout'],
  [/^(ECONNRESET|EPIPE|ERR_SSL_UNEXPECTED_EOF_WHILE_READING)$/, 'tls.closed'],
  [/_(UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|WRONG_SSL_VERSION|ALERT_PROTOCOL_VERSION)$/, 'tls.version'],
  [/_(HTTPS?_(PROXY_)?REQUEST|WRONG_VERSION_NUMBER|UNEXPECTED_MESSAGE)$/, 'tls.plain'],
  [/_(NO_SHARED_CIPHER|ALERT_HANDSHAKE_FAILURE|ALERT_INSUFFICIENT_SECURITY)$/, 'tls.alert.handshakeFailure'],
  [/_ALERT_UNKNOWN_CA$/, 'tls.alert.unknownIssuer'],
  [/_ALERT_(BAD|UNSUPPORTED)_CERTIFICATE$|_ALERT_CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN)$/, 'tls.alert.certificate'],
  [/_ALERT_INTERNAL_ERROR$/, 'tls.alert.internal'],
  [/_ALERT_\w+$/, 'tls.alert.other'],
];

/** For the `code` of an error of Node's `tls`. */
export function failureOfNodeError(code = ''): TlsFailureName {
  return nodeCodes.find(([pattern]) => pattern.test(code))?.[1] ?? 'tls.protocol';
}

/** What a plain connection gets from a server that speaks TLS: an alert record (RFC 8446, section 5.1), or the words of nginx. */
export function looksLikeTls(bytes: Uint8Array, length: number): boolean {
  if (length >= 7 && bytes[0] === alertRecord && bytes[1] === 3 && bytes[2]! <= 4 && bytes[3] === 0 && bytes[4] === 2) return true;
  return length >= 12 && beginsWith400(bytes) && new TextDecoder('latin1').decode(bytes.subarray(0, Math.min(length, 1_024))).includes('HTTPS port');
}

const alertRecord = 21;
const badRequest = 'HTTP/1.1 400';

function beginsWith400(bytes: Uint8Array): boolean {
  for (let index = 0; index < badRequest.length; index++) if (bytes[index] !== badRequest.charCodeAt(index)) return false;
  return true;
}
