import * as v from 'valibot';

const versionSchema = v.picklist(['1.2', '1.3']);
const hostFile = v.pipe(v.string(), v.regex(/^\//, 'it must be an absolute path'), v.maxLength(4_096));

/** What of TLS a run asks for. Files are of the hosts that run the clients; no key ever stands in a profile, an event or a saved run. */
export const tlsSpecSchema = v.strictObject({
  minimumVersion: v.optional(versionSchema, '1.2'),
  maximumVersion: v.optional(versionSchema, '1.3'),
  /** The name that the clients ask for (SNI) and that the certificate must have. */
  serverName: v.optional(v.pipe(v.string(), v.regex(/^[0-9A-Za-z._:-]{1,253}$/, 'it must be a host name or an IP address')), 'localhost'),
  /** Application protocols that the clients offer (ALPN), the best first. */
  alpn: v.optional(v.pipe(v.array(v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,64}$/, 'it must be 1 to 64 ASCII characters'))), v.maxLength(8)), []),
  /** Key of the certificate that is made for the run. */
  keyType: v.optional(v.picklist(['ecdsa', 'rsa2048']), 'ecdsa'),
  /** Certificate authorities (PEM) that are trusted instead of the system's. */
  ca: v.optional(hostFile),
  /** Do not verify the server's certificate. */
  insecure: v.optional(v.boolean(), false),
  /** The clients' own certificate chain and its key (PEM, without a passphrase). */
  clientCertificate: v.optional(hostFile),
  clientKey: v.optional(hostFile),
  /** Resume sessions instead of making full handshakes. */
  resume: v.optional(v.boolean(), false),
  /** Free the client's session after the handshake: for connections that are only held. Absent: the plan does so when nothing else fits. */
  park: v.optional(v.boolean()),
});
export type TlsSpec = v.InferOutput<typeof tlsSpecSchema>;

/** By what the clients judge the server's certificate. `run`: it must be the run's own; `own`: the run's own server on another host is not verified. */
export const verificationSchema = v.picklist(['run', 'unverifiedOwn', 'system', 'file', 'none']);
export type TlsVerification = v.InferOutput<typeof verificationSchema>;

/** What a plan decided about TLS. */
export const tlsPlanSchema = v.object({
  park: v.boolean(),
  verification: verificationSchema,
  /** Full handshakes (or resumed ones, when asked for) per second that the machine is predicted to make. */
  handshakesPerSecond: v.number(),
  /** What one connection's TLS adds, by side; null: the side is elsewhere, or the user's own. */
  serverBytes: v.nullable(v.number()),
  clientBytes: v.nullable(v.number()),
});
export type TlsPlan = v.InferOutput<typeof tlsPlanSchema>;

const sharedFields = { minimumVersion: versionSchema, maximumVersion: versionSchema };

/** For a server worker. The key is in memory only: it comes over the worker's standard input. */
export const serverTlsSchema = v.object({
  ...sharedFields,
  /** PEM. */
  certificate: v.string(),
  key: v.string(),
  /** Session tickets for each full handshake; 0: none. */
  tickets: v.number(),
});
export type ServerTls = v.InferOutput<typeof serverTlsSchema>;

/** For a client worker. */
export const clientTlsSchema = v.object({
  ...sharedFields,
  serverName: v.string(),
  alpn: v.array(v.string()),
  /** The certificate of the run (PEM), and beside it the authorities of a file of the host or the system's; or nobody is verified. */
  trust: v.variant('kind', [
    v.object({ kind: v.literal('certificate'), pem: v.optional(v.string()), file: v.optional(v.string()), andSystem: v.boolean() }),
    v.object({ kind: v.literal('none') }),
  ]),
  clientCertificate: v.optional(v.object({ certificate: v.string(), key: v.string() })),
  resume: v.boolean(),
  park: v.boolean(),
});
export type ClientTls = v.InferOutput<typeof clientTlsSchema>;

/** Cumulative counters of TLS of one worker. */
export const tlsStatsSchema = v.object({
  handshakes: v.number(),
  resumed: v.number(),
  /** CPU time in handshakes, in microseconds; null: not known for this engine. */
  cpuMicroseconds: v.nullable(v.number()),
  /** What the worker's sessions take (`HandshakeFigures`); null where that cannot be known. */
  sessionBytes: v.nullable(v.number()),
  /** Version and cipher of the last handshake, such as `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  negotiated: v.optional(v.string()),
  /** Buckets of handshake latencies that are not empty, as index, count, index, count … (`core/figures/logHistogram.ts`, microseconds). */
  latency: v.optional(v.array(v.number())),
});
export type TlsStats = v.InferOutput<typeof tlsStatsSchema>;

/** In the run's directory, while a server of the user runs: its worker writes and removes them, and so does whoever cleans up after a run. */
export const keyFileNames = { certificate: 'tls-certificate.pem', key: 'tls-key.pem' } as const;
