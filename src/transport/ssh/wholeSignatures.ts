import ssh2, { type Client, type ParsedKey } from 'ssh2';
import { typeOfKey } from './knownHosts.js';
import { wireString } from './wire.js';

/**
 * ssh2 1.17 writes a signature as the name of the key's type and one string, which is neither that of a certificate (its signature has the type of the key)
 * nor that of a security key (flags and a counter follow). For such keys this file writes the request itself.
 */

/** Any public key of a kind that ssh2 knows; only its shape is needed. */
const shape = ssh2.utils.parseKey('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJq17vu9joWxPFE7fOp06GnPpYfwX+iceOJvR1OFbJz') as ParsedKey;

/** The name of the request for a key: an RSA certificate is used with SHA-512. */
function requestedAlgorithm(blob: Buffer): string {
  const type = typeOfKey(blob);
  return type === 'ssh-rsa-cert-v01@openssh.com' ? 'rsa-sha2-512-cert-v01@openssh.com' : type;
}

/** A certificate or security key in the shape of ssh2's keys. What is handed over as its signature must be whole, with its type. */
export function keyWithWholeSignature(blob: Buffer): ParsedKey {
  return Object.create(shape, {
    type: { value: requestedAlgorithm(blob) },
    comment: { value: '' },
    getPublicSSH: { value: () => blob },
    hasWholeSignature: { value: true },
  }) as ParsedKey;
}

/** What of ssh2's inner parts is used here (lib/protocol/Protocol.js of 1.17). */
interface InnerProtocol {
  authPK(username: string, key: ParsedKey, algorithm?: unknown, sign?: unknown): void;
  _kex: { sessionID: Buffer };
  _kexinit: unknown;
  _queue: Buffer[] | undefined;
  _authsQueue: string[];
  _cipher: { encrypt(packet: Buffer): void };
  _packetRW: { write: { alloc(bytes: number): Buffer; allocStart: number; finalize(packet: Buffer): Buffer } };
  _handlers: { USERAUTH_INFO_REQUEST?: (protocol: unknown, name: string, instructions: string, prompts: unknown) => void };
}

const userAuthRequest = 50;
type Sign = (data: Buffer, done: (signature: Buffer) => void) => void;

/** Lets a client that has begun to connect log in by keys of `keyWithWholeSignature` too. */
export function allowWholeSignatures(client: Client): void {
  const protocol = innerProtocol(client);
  const original = protocol.authPK.bind(protocol);
  protocol.authPK = (username, key, algorithm, sign) => {
    if (!('hasWholeSignature' in key)) {
      original(username, key, algorithm, sign);
      return;
    }
    const request = (isSigned: boolean) =>
      Buffer.concat([
        Buffer.from([userAuthRequest]),
        ...[username, 'ssh-connection', 'publickey'].map(wireString),
        Buffer.from([isSigned ? 1 : 0]),
        wireString(key.type),
        wireString(key.getPublicSSH()),
      ]);
    if (sign === undefined) {
      send(protocol, request(false));
      return;
    }
    const begin = request(true);
    (sign as Sign)(Buffer.concat([wireString(protocol._kex.sessionID), begin]), (signature) => {
      send(protocol, Buffer.concat([begin, wireString(signature)]));
    });
  };
}

/** ssh2 answers a request without questions by itself, so that nobody would read what it says, such as `Approve the login on your phone`. */
export function hearInstructions(client: Client, hear: (text: string) => void): void {
  const handlers = innerProtocol(client)._handlers;
  const original = handlers.USERAUTH_INFO_REQUEST;
  handlers.USERAUTH_INFO_REQUEST = (protocol, name, instructions, prompts) => {
    if (!Array.isArray(prompts) || prompts.length === 0) hear([name, instructions].filter((part) => part.trim() !== '').join(': '));
    original?.(protocol, name, instructions, prompts);
  };
}

function innerProtocol(client: Client): InnerProtocol {
  return (client as Client & { _protocol: InnerProtocol })._protocol;
}

function send(protocol: InnerProtocol, body: Buffer): void {
  const { write } = protocol._packetRW;
  const packet = write.alloc(body.length);
  packet.set(body, write.allocStart);
  const finished = write.finalize(packet);
  protocol._authsQueue.push('publickey');
  // While keys are exchanged anew, packets wait.
  if (protocol._kexinit !== undefined) (protocol._queue ??= []).push(finished);
  else protocol._cipher.encrypt(finished);
}
