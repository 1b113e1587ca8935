import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { acceptLength, writeAccept } from '../../src/worker/websocket/accept.js';
import { ClientHandshake, requestOf } from '../../src/worker/websocket/clientHandshake.js';
import { endOfHead } from '../../src/worker/websocket/head.js';
import { ServerHandshake } from '../../src/worker/websocket/serverHandshake.js';

const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ==';

function accept(key: string): string {
  const out = Buffer.alloc(acceptLength);
  writeAccept(Buffer.from(key, 'latin1'), 0, out, 0);
  return out.toString('latin1');
}

test('the accept value is that of RFC 6455 and of node:crypto', () => {
  assert.equal(accept(sampleKey), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  for (let index = 0; index < 500; index++) {
    const key = randomBytes(16).toString('base64');
    const expected = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    assert.equal(accept(key), expected, key);
  }
});

const lines = ['GET /ws HTTP/1.1', 'Host: a', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${sampleKey}`];
/** The good request with some lines replaced by others (empty: taken away). */
const request = (replaced: Record<string, string> = {}) =>
  `${lines
    .map((line) => replaced[line.split(':')[0]!] ?? line)
    .filter((line) => line !== '')
    .join('\r\n')}\r\n\r\n`;

const requests: Record<string, { head: string; status: number }> = {
  good: { head: request(), status: 101 },
  'with a query': { head: request({ 'GET /ws HTTP/1.1': 'GET /ws?a=b HTTP/1.1' }), status: 101 },
  'names and values in any case': {
    head: request({ Upgrade: 'UPGRADE:WebSocket', Connection: 'connection:  keep-alive , uPGRADE  ' }),
    status: 101,
  },
  'several connection headers': { head: request({ Connection: 'Connection: keep-alive\r\nConnection: Upgrade' }), status: 101 },
  'another path': { head: request({ 'GET /ws HTTP/1.1': 'GET /other HTTP/1.1' }), status: 404 },
  'a longer path': { head: request({ 'GET /ws HTTP/1.1': 'GET /ws/ HTTP/1.1' }), status: 404 },
  'another method': { head: request({ 'GET /ws HTTP/1.1': 'POST /ws HTTP/1.1' }), status: 405 },
  'HTTP/1.0': { head: request({ 'GET /ws HTTP/1.1': 'GET /ws HTTP/1.0' }), status: 400 },
  'no request line': { head: 'nonsense\r\n\r\n', status: 400 },
  'no host': { head: request({ Host: '' }), status: 400 },
  'no upgrade': { head: request({ Upgrade: '' }), status: 426 },
  'upgrade to something else': { head: request({ Upgrade: 'Upgrade: h2c' }), status: 426 },
  'no connection': { head: request({ Connection: '' }), status: 426 },
  'connection without the token': { head: request({ Connection: 'Connection: keep-alive, upgraded' }), status: 426 },
  'no version': { head: request({ 'Sec-WebSocket-Version': '' }), status: 426 },
  'version 8': { head: request({ 'Sec-WebSocket-Version': 'Sec-WebSocket-Version: 8' }), status: 426 },
  'no key': { head: request({ 'Sec-WebSocket-Key': '' }), status: 400 },
  'a key of 15 bytes': { head: request({ 'Sec-WebSocket-Key': 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA' }), status: 400 },
  'a key that is not base64': { head: request({ 'Sec-WebSocket-Key': `Sec-WebSocket-Key: ${'!'.repeat(22)}==` }), status: 400 },
  'two keys': { head: request({ 'Sec-WebSocket-Key': `Sec-WebSocket-Key: ${sampleKey}\r\nSec-WebSocket-Key: ${sampleKey}` }), status: 400 },
  'a header without a colon': { head: request({ Host: 'Host a' }), status: 400 },
  'a blank before the colon': { head: request({ Host: 'Host : a' }), status: 400 },
  'a header without a name': { head: request({ Host: ': a' }), status: 400 },
};

test('the server judges requests', () => {
  const handshake = new ServerHandshake('/ws');
  for (const [name, { head, status }] of Object.entries(requests)) {
    const bytes = Buffer.from(head, 'latin1');
    assert.equal(handshake.judge(bytes, 0, bytes.length), status, name);
  }
  const good = Buffer.from(request(), 'latin1');
  handshake.judge(good, 0, good.length);
  assert.match(Buffer.from(handshake.response).toString('latin1'), /^HTTP\/1\.1 101 [^]*\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n\r\n$/);
});

/** What a client with the sample key's request says to a response. */
function verdict(change: (response: string, key: string) => string): boolean {
  const client = new ClientHandshake();
  const template = requestOf('127.0.0.1', 80, '/ws');
  const sent = Buffer.from(client.prepare(3, template));
  const server = new ServerHandshake('/ws');
  assert.equal(server.judge(sent, 0, sent.length), 101);
  const key = /Key: (\S+)/.exec(sent.toString('latin1'))![1]!;
  const response = Buffer.from(change(Buffer.from(server.response).toString('latin1'), key), 'latin1');
  return client.verify(3, response, 0, endOfHead(response, 0, response.length));
}

test('the client verifies responses', () => {
  const line = (name: string, text: string) => (response: string) => response.replace(new RegExp(`${name}: .*`), text);
  const verdicts = {
    good: verdict((response) => response),
    'more headers': verdict((response) => response.replace('\r\n\r\n', '\r\nServer: x\r\n\r\n')),
    'lower case': verdict((response, key) =>
      response
        .toLowerCase()
        .replace(/http/, 'HTTP')
        .replace(/accept: .*/, `accept: ${accept(key)}`),
    ),
    'status 200': verdict((response) => response.replace('101', '200')),
    'another accept value': verdict(line('Sec-WebSocket-Accept', `Sec-WebSocket-Accept: ${accept(sampleKey)}`)),
    'no accept value': verdict(line('Sec-WebSocket-Accept', 'X: y')),
    'no upgrade': verdict(line('Upgrade', 'X: y')),
    'upgrade to something else': verdict(line('Upgrade', 'Upgrade: h2c')),
    'no connection': verdict(line('\nConnection', '\nX: y')),
    'an extension': verdict((response) => response.replace('\r\n\r\n', '\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n')),
    'a subprotocol': verdict((response) => response.replace('\r\n\r\n', '\r\nSec-WebSocket-Protocol: chat\r\n\r\n')),
  };
  const good = Object.entries(verdicts).filter(([, isGood]) => isGood);
  assert.deepEqual(
    good.map(([name]) => name),
    ['good', 'more headers', 'lower case'],
  );
});

test('each request has a key of its own, and an answer to another request is refused', () => {
  const client = new ClientHandshake();
  const template = requestOf('::1', 80, '/ws');
  const keys = new Set<string>();
  for (let index = 0; index < 1_000; index++) {
    keys.add(/Key: (\S{24})\r\n\r\n$/.exec(Buffer.from(client.prepare(index, template)).toString('latin1'))![1]!);
  }
  assert.equal(keys.size, 1_000);
  assert.match(Buffer.from(template.bytes).toString('latin1'), /Host: \[::1\]:80\r\n/);
  const server = new ServerHandshake('/ws');
  const first = Buffer.from(client.prepare(5_000, template));
  client.prepare(5_001, template);
  server.judge(first, 0, first.length);
  assert.equal(client.verify(5_001, server.response, 0, server.response.length), false);
  assert.equal(client.verify(5_000, server.response, 0, server.response.length), true);
  assert.equal(client.verify(5_000, server.response, 0, server.response.length), false, 'forgotten after its use');
});
