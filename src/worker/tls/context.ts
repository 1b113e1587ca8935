import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { HumanError } from '../../core/errors.js';
import { findOpenSsl, probeOpenSsl, type OpenSsl } from '../../linux/openssl.js';
import type { ClientTls, ServerTls } from '../../protocol/tls.js';

// Numbers of openssl/ssl.h and openssl/evp.h.
const controlMode = 33;
const controlSessionCacheMode = 44;
const controlMinimumVersion = 123;
const controlMaximumVersion = 124;
const versions = { '1.2': 0x0303, '1.3': 0x0304 } as const;
const modePartialWrite = 0x1;
const modeMovingWriteBuffer = 0x2;
/** Buffers of 16 to 34 kB are freed while a connection is idle: the larger part of what it would cost otherwise. */
const modeReleaseBuffers = 0x10;
const sessionCacheOff = 0;
const optionNoTicket = 2 ** 14;
const optionNoRenegotiation = 2 ** 30;
const verifyNone = 0;
const verifyPeer = 1;
const keyTypes: Record<string, number> = { ec: 408, rsa: 6 };
const fileTypePem = 1;

/** Bundles of the distributions, in the order in which they are tried after SSL_CERT_FILE. Node's own OpenSSL has the paths of its build host. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** OpenSSL of this process. Throws a HumanError where there is none. */
export function requireOpenSsl(): OpenSsl {
  const openSsl = findOpenSsl();
  if (openSsl !== undefined) return openSsl;
  const { missing } = probeOpenSsl();
  throw new HumanError(`The Node of this host (${process.execPath}) offers no OpenSSL to C10M: ${missing.slice(0, 3).join(', ')} cannot be found.`, {
    code: 'unsupported',
    remedy: 'Use a Node.js of nodejs.org on that host (C10M brings one where it finds none), or install the package libssl3 there.',
  });
}

/** A context that answers handshakes with the run's certificate. */
export function serverContext(openSsl: OpenSsl, tls: ServerTls): number {
  const context = newContext(openSsl, openSsl.TLS_server_method(), tls);
  const certificate = new X509Certificate(tls.certificate).raw;
  const key = createPrivateKey(tls.key);
  const type = key.asymmetricKeyType ?? '';
  const bytes = key.export({ format: 'der', type: type === 'ec' ? 'sec1' : 'pkcs1' });
  const isUsable =
    openSsl.SSL_CTX_use_certificate_ASN1(context, certificate.length, certificate) === 1 &&
    openSsl.SSL_CTX_use_PrivateKey_ASN1(keyTypes[type] ?? 0, context, bytes, bytes.length) === 1 &&
    openSsl.SSL_CTX_check_private_key(context) === 1;
  bytes.fill(0);
  if (!isUsable) throw refused(openSsl, "The run's own certificate cannot be used by this host's OpenSSL.");
  openSsl.SSL_CTX_set_num_tickets(context, tls.tickets);
  if (tls.tickets === 0) openSsl.SSL_CTX_set_options(context, optionNoTicket);
  return context;
}

/** A context that begins handshakes. Throws a HumanError for files that cannot be used. */
export function clientContext(openSsl: OpenSsl, tls: ClientTls): number {
  const context = newContext(openSsl, openSsl.TLS_client_method(), tls);
  if (!tls.resume) openSsl.SSL_CTX_set_options(context, optionNoTicket);
  trust(openSsl, context, tls);
  if (tls.clientCertificate !== undefined) useClientCertificate(openSsl, context, tls.clientCertificate);
  if (tls.alpn.length > 0) {
    const protocols = Buffer.concat(tls.alpn.map((name) => Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1')])));
    openSsl.SSL_CTX_set_alpn_protos(context, protocols, protocols.length);
  }
  return context;
}

function newContext(openSsl: OpenSsl, method: number, { minimumVersion, maximumVersion }: Pick<ServerTls, 'minimumVersion' | 'maximumVersion'>): number {
  const context = openSsl.SSL_CTX_new(method);
  if (context === 0) throw refused(openSsl, "This host's OpenSSL makes no context for TLS.");
  openSsl.SSL_CTX_ctrl(context, controlMode, modePartialWrite | modeMovingWriteBuffer | modeReleaseBuffers, 0);
  openSsl.SSL_CTX_ctrl(context, controlSessionCacheMode, sessionCacheOff, 0);
  openSsl.SSL_CTX_set_options(context, optionNoRenegotiation);
  openSsl.SSL_CTX_ctrl(context, controlMinimumVersion, versions[minimumVersion], 0);
  openSsl.SSL_CTX_ctrl(context, controlMaximumVersion, versions[maximumVersion], 0);
  return context;
}

function trust(openSsl: OpenSsl, context: number, tls: ClientTls): void {
  openSsl.SSL_CTX_set_verify(context, tls.trust.kind === 'none' ? verifyNone : verifyPeer, 0);
  if (tls.trust.kind === 'none') return;
  const { pem, file, andSystem } = tls.trust;
  if (pem !== undefined) trustPem(openSsl, context, pem);
  if (file !== undefined) trustFile(openSsl, context, file);
  if (andSystem) trustSystem(openSsl, context);
  const parameters = openSsl.SSL_CTX_get0_param(context);
  const isSet =
    isIP(tls.serverName) !== 0
      ? openSsl.X509_VERIFY_PARAM_set1_ip_asc(parameters, tls.serverName)
      : openSsl.X509_VERIFY_PARAM_set1_host(parameters, tls.serverName, 0);
  if (isSet !== 1) throw refused(openSsl, `"${tls.serverName}" cannot be the name of a certificate.`);
}

function trustFile(openSsl: OpenSsl, context: number, path: string): void {
  if (openSsl.SSL_CTX_load_verify_locations(context, path, null) === 1) return;
  throw refused(openSsl, `No certificate authority can be read from ${path}.`, 'Give a PEM file that the login may read on the host that runs the clients.');
}

function trustSystem(openSsl: OpenSsl, context: number): void {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: directory } = process.env;
  const bundle = file ?? systemBundles.find((path) => existsSync(path));
  if (bundle !== undefined || directory !== undefined) {
    if (openSsl.SSL_CTX_load_verify_locations(context, bundle ?? null, directory ?? null) === 1) return;
    openSsl.ERR_clear_error();
  }
  // A host without ca-certificates: the list of Mozilla that Node carries.
  for (const pem of rootCertificates) trustPem(openSsl, context, pem);
}

function trustPem(openSsl: OpenSsl, context: number, pem: string): void {
  const bytes = Buffer.from(pem, 'latin1');
  const bio = openSsl.BIO_new_mem_buf(bytes, bytes.length);
  const certificate = openSsl.PEM_read_bio_X509(bio, 0, 0, 0);
  if (certificate !== 0) {
    openSsl.X509_STORE_add_cert(openSsl.SSL_CTX_get_cert_store(context), certificate);
    openSsl.X509_free(certificate);
  }
  openSsl.BIO_free(bio);
  if (certificate === 0) throw refused(openSsl, 'A certificate authority is not PEM.');
}

/** OpenSSL would ask the terminal for a passphrase; this answers with none. It must outlive the context. */
const noPassphrase = Buffer.from('\0', 'latin1');

function useClientCertificate(openSsl: OpenSsl, context: number, { certificate, key }: { certificate: string; key: string }): void {
  openSsl.SSL_CTX_set_default_passwd_cb_userdata(context, noPassphrase);
  if (openSsl.SSL_CTX_use_certificate_chain_file(context, certificate) !== 1) {
    throw refused(
      openSsl,
      `No client certificate can be read from ${certificate}.`,
      'Give a PEM file that the login may read on the host that runs the clients.',
    );
  }
  if (openSsl.SSL_CTX_use_PrivateKey_file(context, key, fileTypePem) !== 1 || openSsl.SSL_CTX_check_private_key(context) !== 1) {
    throw refused(openSsl, `${key} holds no key that fits ${certificate}.`, 'Give the PEM file of its private key, without a passphrase.');
  }
}

function refused(openSsl: OpenSsl, message: string, remedy?: string): HumanError {
  openSsl.ERR_clear_error();
  return new HumanError(message, { code: 'usage', ...(remedy === undefined ? {} : { remedy }) });
}
