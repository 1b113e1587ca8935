import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate that is made for one run, and its key, both PEM. */
export interface RunCertificate {
  certificate: string;
  key: string;
}

/** Clocks of two hosts may differ by so much; a run lasts a week at most, and its drain is part of it. */
const clockSkewMs = 24 * 3_600_000;
const validMs = 8 * 24 * 3_600_000;
/** RFC 5280 asks for at most 20, positive; what is random in them keeps two runs apart. */
const serialBytes = 16;

/** Makes a self-signed certificate for a server with these names (host names and IP addresses), with Node's own functions: no program is needed on the host. */
export function makeRunCertificate(keyType: 'ecdsa' | 'rsa2048', names: readonly string[], now = Date.now()): RunCertificate {
  const { publicKey, privateKey } =
    keyType === 'ecdsa' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const algorithm = keyType === 'ecdsa' ? sequence(objectIdentifier('1.2.840.10045.4.3.2')) : sequence(objectIdentifier('1.2.840.113549.1.1.11'), tagged(0x05));
  const body = certificateBody(publicKey, algorithm, names, now);
  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(body, algorithm, bitString(signature));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
}

/** TBSCertificate of RFC 5280, section 4.1. */
function certificateBody(publicKey: KeyObject, algorithm: Buffer, names: readonly string[], now: number): Buffer {
  const commonName = sequence(tagged(0x31, sequence(objectIdentifier('2.5.4.3'), tagged(0x0c, Buffer.from('C10M run')))));
  const keyInformation = publicKey.export({ format: 'der', type: 'spki' });
  const serial = randomBytes(serialBytes);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const alternativeNames = sequence(...names.map((name) => (isIP(name) === 0 ? tagged(0x82, Buffer.from(name, 'latin1')) : tagged(0x87, addressBytes(name)))));
  const extensions = sequence(
    // It signs itself, so it must be an authority; only the clients of the run know it.
    extension('2.5.29.19', true, sequence(tagged(0x01, Buffer.of(0xff)))),
    // digitalSignature, keyEncipherment (RSA key exchange of TLS 1.2), keyCertSign.
    extension('2.5.29.15', true, tagged(0x03, Buffer.of(2, 0xa4))),
    extension('2.5.29.37', false, sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', false, alternativeNames),
    extension('2.5.29.14', false, tagged(0x04, createHash('sha1').update(keyInformation).digest())),
  );
  return sequence(
    tagged(0xa0, tagged(0x02, Buffer.of(2))),
    tagged(0x02, serial),
    algorithm,
    commonName,
    sequence(time(now - clockSkewMs), time(now + validMs)),
    commonName,
    keyInformation,
    tagged(0xa3, extensions),
  );
}

/** One value of DER (X.690): its tag, the length in the fewest bytes, and what is in it. */
function tagged(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const length = content.length < 0x100 ? Buffer.of(0x81, content.length) : Buffer.of(0x82, content.length >> 8, content.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, content]);
}

function sequence(...contents: Buffer[]): Buffer {
  return tagged(0x30, ...contents);
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.of(0), bytes);
}

function extension(identifier: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(objectIdentifier(identifier), ...(isCritical ? [tagged(0x01, Buffer.of(0xff))] : []), tagged(0x04, value));
}

function objectIdentifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return tagged(0x06, Buffer.concat([first * 40 + second, ...rest].map(base128)));
}

function base128(value: number): Buffer {
  const bytes = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return Buffer.from(bytes);
}

/** UTCTime, which RFC 5280 asks for until 2049. */
function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return tagged(0x17, Buffer.from(`${digits}Z`, 'latin1'));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const front = groups(head);
  const back = groups(tail ?? '');
  const all = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
  return Buffer.concat(all.map((group) => Buffer.of(group >> 8, group & 0xff)));
}
