import { typeOfKey } from './knownHosts.js';

/**
 * What can be learnt of a private key file without its passphrase. Pure.
 */
const magic = Buffer.from('openssh-key-v1\0', 'latin1');

export interface KeyFileFacts {
  encrypted: boolean;
  /** The public half in wire format; undefined where the file does not show it (encrypted PEM). */
  publicKey: Buffer | undefined;
}

/** Undefined for what is no private key. Bounded by the size of the text. */
export function inspectKeyFile(text: string): KeyFileFacts | undefined {
  const openSsh = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END OPENSSH PRIVATE KEY-----/.exec(text);
  if (openSsh !== null) return inspectOpenSsh(Buffer.from(openSsh[1]!, 'base64'));
  if (/-----BEGIN (RSA |EC |DSA )?PRIVATE KEY-----/.test(text)) return { encrypted: /^Proc-Type: 4,ENCRYPTED/m.test(text), publicKey: undefined };
  if (text.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) return { encrypted: true, publicKey: undefined };
  return undefined;
}

/** PROTOCOL.key of OpenSSH: magic, cipher, kdf, kdf options, number of keys, public key, encrypted section. */
function inspectOpenSsh(body: Buffer): KeyFileFacts | undefined {
  if (!body.subarray(0, magic.length).equals(magic)) return undefined;
  let at = magic.length;
  const field = (): Buffer | undefined => {
    if (at + 4 > body.length) return undefined;
    const length = body.readUInt32BE(at);
    if (at + 4 + length > body.length) return undefined;
    const value = body.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  const cipher = field();
  const kdf = field();
  const kdfOptions = field();
  at += 4;
  const publicKey = field();
  if (cipher === undefined || kdf === undefined || kdfOptions === undefined) return undefined;
  return { encrypted: cipher.toString('latin1') !== 'none', publicKey };
}

/** What a file is that is no private key for SSH, with the way to make one of it; undefined for anything that is not known. */
export function describeForeignKey(content: Buffer): string | undefined {
  if (content.toString('latin1', 0, 20) === 'PuTTY-User-Key-File-') return 'a key of PuTTY: write it anew with `puttygen FILE -O private-openssh -o NEWFILE`';
  if (content[0] !== derSequence) return undefined;
  // PFX ::= SEQUENCE { version INTEGER 3, … } (RFC 7292), after one to five bytes of length.
  const isContainer = content.subarray(2, 10).includes(Buffer.from([2, 1, 3, derSequence]));
  if (isContainer) return 'a PKCS#12 container: take the key out of it with `openssl pkcs12 -in FILE -nocerts -out NEWFILE`';
  return 'a key in DER: write it anew with `openssl pkey -inform DER -in FILE -out NEWFILE`';
}

const derSequence = 0x30;

/** The key of a `.pub` file in wire format; undefined for anything else. */
export function parsePublicKeyFile(text: string): Buffer | undefined {
  const [type, encoded] = text.trim().split(/[ \t]+/, 2);
  if (type === undefined || encoded === undefined) return undefined;
  const key = Buffer.from(encoded, 'base64');
  return typeOfKey(key) === type ? key : undefined;
}
