import { WireReader, wireString } from './wire.js';
import { typeOfKey } from './knownHosts.js';

/** A user certificate, as `ssh-keygen -s` makes it (PROTOCOL.certkeys of OpenSSH). */
export interface Certificate {
  blob: Buffer;
  /** Of the certificate, such as `ssh-ed25519-cert-v01@openssh.com`. */
  type: string;
  /** The public key that it certifies, in wire format: whoever holds its private half signs. */
  publicKey: Buffer;
  /** Seconds since 1970; 2⁶⁴ − 1 is for ever. */
  validBefore: bigint;
}

/** How many fields of the key follow the nonce, by the type without its suffix. A curve belongs to the fields. */
const keyFields: Readonly<Record<string, number>> = {
  'ssh-rsa': 2,
  'ssh-ed25519': 1,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
  'sk-ssh-ed25519': 2,
  'sk-ecdsa-sha2-nistp256': 3,
};

/** Reads a certificate in wire format; undefined for anything else. Nothing of it is verified: that is for the server. */
export function parseCertificate(blob: Buffer): Certificate | undefined {
  const type = typeOfKey(blob);
  const plain = /^(.+)-cert-v01@openssh\.com$/.exec(type)?.[1];
  const count = plain === undefined ? undefined : keyFields[plain];
  if (plain === undefined || count === undefined) return undefined;
  const reader = new WireReader(blob);
  reader.string();
  reader.string();
  const fields: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const field = reader.string();
    if (field === undefined) return undefined;
    fields.push(wireString(field));
  }
  // Serial number and kind; key id and principals; valid after and before.
  reader.skip(12);
  reader.string();
  if (reader.string() === undefined) return undefined;
  reader.skip(8);
  const [high, low] = [reader.uint32(), reader.uint32()];
  if (high === undefined || low === undefined) return undefined;
  const name = plain.startsWith('sk-') ? `${plain}@openssh.com` : plain;
  return { blob, type, publicKey: Buffer.concat([wireString(name), ...fields]), validBefore: (BigInt(high) << 32n) | BigInt(low) };
}
