import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** An SSH agent with one security key (ECDSA), whose token is touched after a while. Its signatures are checked by the real sshd. */
export interface TokenAgent {
  socket: string;
  /** A line of authorized_keys. */
  authorizedKey: string;
  signatures: number;
  stop(): void;
}

const type = 'sk-ecdsa-sha2-nistp256@openssh.com';
const application = 'ssh:';

function string(value: Buffer | string): Buffer {
  const bytes = Buffer.from(value as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function number(value: Buffer): Buffer {
  let digits = value;
  while (digits[0] === 0) digits = digits.subarray(1);
  return string(digits[0]! >= 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits);
}

/** `touchMs`: before it signs; `unlockMs`: before it lists. */
export async function startTokenAgent(socket: string, { touchMs = 0, unlockMs = 0 } = {}): Promise<TokenAgent> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')]);
  const blob = Buffer.concat([string(type), string('nistp256'), string(point), string(application)]);
  const agent: TokenAgent = { socket, authorizedKey: `${type} ${blob.toString('base64')}`, signatures: 0, stop: () => server.close() };
  const answer = async (request: Buffer): Promise<Buffer> => {
    if (request[0] === 11) {
      await delay(unlockMs);
      return Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), string(blob), string('a token')]);
    }
    await delay(touchMs);
    agent.signatures++;
    // What a token signs (PROTOCOL.u2f of OpenSSH): the application, that it was touched, its counter, and the hash of the message.
    const data = request.subarray(1 + 4 + blob.length + 4, request.length - 4);
    const presence = Buffer.from([1, 0, 0, 0, agent.signatures]);
    const hash = (value: Buffer | string) => createHash('sha256').update(value).digest();
    const both = sign('sha256', Buffer.concat([hash(application), presence, hash(data)]), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    const signature = Buffer.concat([string(type), string(Buffer.concat([number(both.subarray(0, 32)), number(both.subarray(32))])), presence]);
    return Buffer.concat([Buffer.from([14]), string(signature)]);
  };
  const server = createServer((connection) => {
    let received = Buffer.alloc(0);
    connection.on('error', () => undefined);
    connection.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return;
      const request = received.subarray(4);
      received = Buffer.alloc(0);
      void answer(request).then((text) => connection.write(string(text)));
    });
  });
  rmSync(socket, { force: true });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  server.unref();
  return agent;
}
