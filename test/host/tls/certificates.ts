import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRunCertificate } from '../../../src/agent/runCertificate.js';

/** A certificate and its key as PEM files, and both in one file, which haproxy wants. */
export interface CertificateFiles {
  certificate: string;
  key: string;
  together: string;
}

/** Made by the program `openssl`, so that our own certificates are not only judged by themselves. */
export interface TestCertificates {
  directory: string;
  /** An authority, and one that nobody trusts. */
  authority: CertificateFiles;
  stranger: CertificateFiles;
  /** Of the authority, for localhost. */
  good: CertificateFiles;
  wrongName: CertificateFiles;
  expired: CertificateFiles;
  selfSigned: CertificateFiles;
  unknownIssuer: CertificateFiles;
  /** Of the authority and of the stranger, for a client. */
  client: CertificateFiles;
  strangeClient: CertificateFiles;
  remove(): void;
}

const monthMs = 30 * 24 * 3_600_000;
const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';

export function makeCertificates(): TestCertificates {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-tls-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  const filesOf = (name: string): CertificateFiles => ({
    certificate: join(directory, `${name}.pem`),
    key: join(directory, `${name}.key`),
    together: join(directory, `${name}.both`),
  });
  const finish = (name: string): CertificateFiles => {
    const files = filesOf(name);
    execFileSync('sh', ['-c', 'cat "$0" "$1" > "$2"', files.certificate, files.key, files.together]);
    return files;
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const authority = (name: string): CertificateFiles => {
    openssl('req', '-x509', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`, '-days', '2');
    return finish(name);
  };
  const issued = (name: string, issuer: CertificateFiles, extension = names): CertificateFiles => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(join(directory, `${name}.ext`), extension);
    const signing = ['-CA', issuer.certificate, '-CAkey', issuer.key, '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.pem`);
    return finish(name);
  };
  const own = (name: string, now: number): CertificateFiles => {
    const { certificate, key } = makeRunCertificate('ecdsa', ['localhost'], now);
    const files = filesOf(name);
    writeFileSync(files.certificate, certificate);
    writeFileSync(files.key, key);
    return finish(name);
  };
  const [known, stranger] = [authority('authority'), authority('stranger')];
  return {
    directory,
    authority: known,
    stranger,
    good: issued('good', known),
    wrongName: issued('wrongName', known, 'subjectAltName=DNS:other.example'),
    expired: own('expired', Date.now() - monthMs),
    selfSigned: own('selfSigned', Date.now()),
    unknownIssuer: issued('unknownIssuer', stranger),
    client: issued('client', known, 'extendedKeyUsage=clientAuth'),
    strangeClient: issued('strangeClient', stranger, 'extendedKeyUsage=clientAuth'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
