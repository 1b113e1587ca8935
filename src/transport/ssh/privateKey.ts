import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import ssh2, { type ParsedKey } from 'ssh2';
import { messageOf } from '../../core/errors.js';
import { wireNumber, wireString } from './wire.js';

/** A private key that is unlocked. */
export interface PrivateKey {
  /** In wire format. */
  publicKey: Buffer;
  /** As OpenSSL makes it: ASN.1 for ECDSA. `hash` is for RSA only. */
  sign(data: Buffer, hash: SignatureHash): Buffer;
  /** With its type before it, as a server reads it; RSA by SHA-512. */
  signWire(data: Buffer): Buffer;
}

export type SignatureHash = 'sha1' | 'sha256' | 'sha512';

/** What became of a key file with a passphrase, or without one. */
export type Unlocking = { kind: 'key'; key: PrivateKey } | { kind: 'wrongPassphrase' } | { kind: 'unreadable'; why: string };

const pemBlock = /-----BEGIN (?:(?:RSA|EC|DSA|ENCRYPTED) )?PRIVATE KEY-----[\s\S]*?-----END (?:(?:RSA|EC|DSA|ENCRYPTED) )?PRIVATE KEY-----/;
const dsaNotice = 'DSA keys are no longer taken by SSH servers';

/**
 * Reads a private key: what ssh2 reads in OpenSSH's own format, and everything that Node's OpenSSL reads. A damaged key with a passphrase looks
 * like one with a wrong passphrase: what OpenSSL says then differs by chance.
 */
export function readPrivateKey(text: string, passphrase?: string): Unlocking {
  const block = pemBlock.exec(text)?.[0];
  try {
    if (block === undefined) return readOpenSsh(text, passphrase);
    return fromKeyObject(createPrivateKey({ key: block, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) }));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // OpenSSL 3 has the ciphers of old files only with its legacy provider.
    if (code === 'ERR_OSSL_EVP_UNSUPPORTED') {
      return { kind: 'unreadable', why: 'it is encrypted by a cipher that this version of OpenSSL no longer has; `ssh-keygen -p -f` writes it anew' };
    }
    return passphrase === undefined ? { kind: 'unreadable', why: messageOf(error) } : { kind: 'wrongPassphrase' };
  }
}

function readOpenSsh(text: string, passphrase: string | undefined): Unlocking {
  const parsed: unknown = ssh2.utils.parseKey(text, passphrase);
  const key = (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey | Error | undefined;
  if (key === undefined) return { kind: 'unreadable', why: 'it is empty' };
  if (!(key instanceof Error)) return fromKeyObject(createPrivateKey(key.getPrivatePEM()));
  if (passphrase !== undefined && key.message.includes('bad passphrase')) return { kind: 'wrongPassphrase' };
  return {
    kind: 'unreadable',
    why:
      key.message === 'Invalid initialization vector'
        ? 'it is encrypted by a cipher that C10M does not have; `ssh-keygen -p -Z aes256-ctr -f` changes that'
        : key.message,
  };
}

const curves: Readonly<Record<string, string>> = { 'P-256': 'nistp256', 'P-384': 'nistp384', 'P-521': 'nistp521' };

function fromKeyObject(key: KeyObject): Unlocking {
  if (key.asymmetricKeyType === 'dsa') return { kind: 'unreadable', why: dsaNotice };
  const kind = key.asymmetricKeyType ?? 'unknown';
  if (kind !== 'rsa' && kind !== 'ed25519' && kind !== 'ec') return { kind: 'unreadable', why: `SSH has no keys of the kind ${kind}` };
  let jwk;
  try {
    jwk = createPublicKey(key).export({ format: 'jwk' });
  } catch {
    return { kind: 'unreadable', why: `SSH has no keys of the curve ${key.asymmetricKeyDetails?.namedCurve ?? 'unknown'}` };
  }
  const field = (value: string | undefined) => Buffer.from(value ?? '', 'base64url');
  if (kind === 'rsa') {
    const publicKey = Buffer.concat([wireString('ssh-rsa'), wireNumber(field(jwk.e)), wireNumber(field(jwk.n))]);
    return unlocked(
      publicKey,
      (data, hash) => sign(hash, data, key),
      (data) => Buffer.concat([wireString('rsa-sha2-512'), wireString(sign('sha512', data, key))]),
    );
  }
  if (kind === 'ed25519') {
    const publicKey = Buffer.concat([wireString('ssh-ed25519'), wireString(field(jwk.x))]);
    const raw = (data: Buffer) => sign(null, data, key);
    return unlocked(publicKey, raw, (data) => Buffer.concat([wireString('ssh-ed25519'), wireString(raw(data))]));
  }
  const curve = curves[jwk.crv ?? ''];
  if (curve === undefined) return { kind: 'unreadable', why: `SSH has no keys of the curve ${jwk.crv ?? 'unknown'}` };
  const type = `ecdsa-sha2-${curve}`;
  const point = Buffer.concat([Buffer.from([4]), field(jwk.x), field(jwk.y)]);
  const hash = { nistp256: 'sha256', nistp384: 'sha384', nistp521: 'sha512' }[curve]!;
  return unlocked(
    Buffer.concat([wireString(type), wireString(curve), wireString(point)]),
    (data) => sign(hash, data, key),
    (data) => {
      const both = sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
      const [r, s] = [both.subarray(0, both.length / 2), both.subarray(both.length / 2)];
      return Buffer.concat([wireString(type), wireString(Buffer.concat([wireNumber(r), wireNumber(s)]))]);
    },
  );
}

function unlocked(publicKey: Buffer, raw: PrivateKey['sign'], signWire: PrivateKey['signWire']): Unlocking {
  return { kind: 'key', key: { publicKey, sign: raw, signWire } };
}
