import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import { wireString, WireReader } from './wire.js';

/**
 * A client of an SSH agent (draft-ietf-sshm-ssh-agent). ssh2 has one, but it drops each key whose type it does not know: certificates and
 * security keys, whose signatures only the agent has to understand. ssh2 still finds the way to the agent on each system.
 */
const requestIdentities = 11;
const identitiesAnswer = 12;
const signRequest = 13;
const signResponse = 14;
/** The hash for a key of RSA; 0 is right for all others. */
export const agentFlags = { sha1: 0, sha256: 2, sha512: 4 } as const;
/** Agents answer in some KiB; more is none of it (OpenSSH's own bound). */
const maximumAnswerBytes = 256 * 1024;
/** Far more than any server lets somebody try. */
const maximumKeys = 200;

/** A key that an agent holds. */
export interface HeldKey {
  /** The public key or certificate in wire format. */
  blob: Buffer;
  comment: string;
}

/** The keys of an agent; rejects with an error in the agent's or the system's words. Waits as long as the agent takes: it may ask somebody to unlock it. */
export async function listAgentKeys(path: string, signal: AbortSignal): Promise<HeldKey[]> {
  const answer = await askAgent(path, Buffer.from([requestIdentities]), identitiesAnswer, signal);
  const count = answer.uint32() ?? 0;
  const keys: HeldKey[] = [];
  for (let index = 0; index < Math.min(count, maximumKeys); index++) {
    const blob = answer.string();
    const comment = answer.text();
    if (blob === undefined || comment === undefined) break;
    keys.push({ blob: Buffer.from(blob), comment });
  }
  return keys;
}

/** The signature of an agent in wire format, with its type. Waits for whoever must touch or confirm. */
export async function signWithAgent(path: string, blob: Buffer, data: Buffer, flags: number, signal: AbortSignal): Promise<Buffer> {
  const request = Buffer.concat([Buffer.from([signRequest]), wireString(blob), wireString(data), Buffer.from([0, 0, 0, flags])]);
  const signature = (await askAgent(path, request, signResponse, signal)).string();
  if (signature === undefined) throw new Error('the agent sent no signature');
  return Buffer.from(signature);
}

async function askAgent(path: string, request: Buffer, expected: number, signal: AbortSignal): Promise<WireReader> {
  const stream = await agentStream(path);
  try {
    return await exchange(stream, request, expected, signal);
  } finally {
    stream.destroy();
  }
}

function agentStream(path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    ssh2.createAgent(path).getStream?.((error: Error | null | undefined, stream: unknown) => {
      if (error) reject(error);
      else resolve(stream as Duplex);
    });
  });
}

function exchange(stream: Duplex, request: Buffer, expected: number, signal: AbortSignal): Promise<WireReader> {
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(new Error('cancelled')));
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', onAbort);
      act();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    let received = Buffer.alloc(0);
    stream.on('error', (error: Error) => settle(() => reject(error)));
    stream.on('close', () => settle(() => reject(new Error('the agent closed the connection'))));
    stream.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 5) return;
      const length = received.readUInt32BE(0);
      if (length > maximumAnswerBytes) settle(() => reject(new Error('the agent sent what is no answer')));
      if (received.length < 4 + length) return;
      const kind = received[4];
      if (kind === expected) settle(() => resolve(new WireReader(received.subarray(5, 4 + length))));
      else settle(() => reject(new Error(expected === signResponse ? 'the agent did not sign' : 'the agent refused')));
    });
    stream.write(wireString(request));
  });
}
