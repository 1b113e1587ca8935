import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { WebSocket, WebSocketServer } from 'ws';
import { applyMask, frame, opcodes } from '../../src/worker/websocket/frames.js';
import { clientTls, runCertificate, serverTls } from './support/tlsPeers.js';
import { clientPlan, freePort, serverPlan, WorkerProcess } from './support/workerProcess.js';

/** The same table over wss: `npm run test:tls`. */
const isSecure = process.env['C10M_TEST_TLS'] === '1';
const scheme = isSecure ? 'wss' : 'ws';
const { certificate, key } = runCertificate;
const certificates = mkdtempSync(join(tmpdir(), 'c10m-conformance-'));
const certificatePath = join(certificates, 'certificate.pem');
const keyPath = join(certificates, 'key.pem');
writeFileSync(certificatePath, certificate);
writeFileSync(keyPath, key);
/** A plain connection or, for wss, one over TLS, to our server. */
const connectTo = (port: number): Socket =>
  isSecure ? connectTls({ port, host: '127.0.0.1', ca: certificate, servername: 'localhost' }) : connect(port, '127.0.0.1');

const run = promisify(execFile);
const python = '/usr/bin/python3';

/** Our server and client against the `ws` package, Python's `websockets`, and bytes that no good peer sends. Each case is a line of the table. */
const table: { peer: string; name: string; result: 'pass' | 'FAIL' }[] = [];

function conform(peer: string, name: string, body: () => Promise<void>): void {
  test(`${peer}: ${name}`, { timeout: 30_000 }, async () => {
    const row = { peer, name, result: 'FAIL' as 'pass' | 'FAIL' };
    table.push(row);
    await body();
    row.result = 'pass';
  });
}

function printTable(): void {
  const width = Math.max(...table.map(({ peer }) => peer.length));
  for (const { peer, name, result } of table) console.log(`${result}  ${peer.padEnd(width)}  ${name}`);
  console.log(`${table.filter(({ result }) => result === 'pass').length} of ${table.length} cases conform`);
}

const webSocketPort = freePort();
const url = `${scheme}://localhost:${webSocketPort}/ws`;
let server: WorkerProcess;

before(async () => {
  server = await new WorkerProcess(serverPlan([{ port: webSocketPort, protocol: 'websocket' }], isSecure ? { tls: serverTls() } : {})).ready();
});
after(() => {
  server.kill();
  rmSync(certificates, { recursive: true, force: true });
  printTable();
});

async function opened(options: { url?: string } = {}): Promise<WebSocket> {
  const socket = new WebSocket(options.url ?? url, { ca: certificate });
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => resolve());
    socket.on('error', reject);
    socket.on('unexpected-response', (_request, response) => reject(new Error(`status ${response.statusCode}`)));
  });
  return socket;
}

const nextMessage = (socket: WebSocket) =>
  new Promise<{ data: Buffer; isBinary: boolean }>((resolve) => socket.once('message', (data: Buffer, isBinary) => resolve({ data, isBinary })));
const closeOf = (socket: WebSocket) =>
  new Promise<{ code: number; reason: string }>((resolve) => socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })));

suite('our server and the ws client', () => {
  for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 200_000, 1_048_576]) {
    conform('ws client', `echo of a binary message of ${size} bytes`, async () => {
      const socket = await opened();
      const data = randomBytes(size);
      socket.send(data);
      const echo = await nextMessage(socket);
      assert.ok(echo.isBinary && echo.data.equals(data));
      socket.terminate();
    });
  }
  conform('ws client', 'echo of text in four scripts', async () => {
    const socket = await opened();
    socket.send('κόσμε Übermaß 接続 🧦');
    const echo = await nextMessage(socket);
    assert.deepEqual([echo.isBinary, echo.data.toString()], [false, 'κόσμε Übermaß 接続 🧦']);
    socket.terminate();
  });
  conform('ws client', 'echo of a message in fragments', async () => {
    const socket = await opened();
    socket.send('one ', { fin: false });
    socket.send('two ', { fin: false });
    socket.ping('between');
    socket.send('three', { fin: true });
    assert.equal((await nextMessage(socket)).data.toString(), 'one two three');
    socket.terminate();
  });
  conform('ws client', 'a thousand messages at once, in order', async () => {
    const socket = await opened();
    const heard: string[] = [];
    const done = new Promise<void>((resolve) =>
      socket.on('message', (data: Buffer) => {
        if (heard.push(data.toString()) === 1_000) resolve();
      }),
    );
    for (let index = 0; index < 1_000; index++) socket.send(String(index));
    await done;
    assert.deepEqual(
      heard,
      Array.from({ length: 1_000 }, (_, index) => String(index)),
    );
    socket.terminate();
  });
  conform('ws client', 'ping is answered with its own payload', async () => {
    const socket = await opened();
    const pong = new Promise<Buffer>((resolve) => socket.once('pong', resolve));
    socket.ping('payload');
    assert.equal((await pong).toString(), 'payload');
    socket.terminate();
  });
  for (const [code, expected] of [
    [undefined, 1005],
    [1000, 1000],
    [1001, 1001],
    [3000, 3000],
    [4999, 4999],
  ] as const) {
    conform('ws client', `close with ${code ?? 'no code'} is answered with the same, and at once`, async () => {
      const socket = await opened();
      const begin = performance.now();
      const closed = closeOf(socket);
      if (code === undefined) socket.close();
      else socket.close(code, 'reason');
      assert.equal((await closed).code, expected);
      assert.ok(performance.now() - begin < 1_000);
    });
  }
  conform('ws client', 'a message over 1 MiB is refused with 1009', async () => {
    const socket = await opened();
    socket.on('error', () => undefined);
    const closed = closeOf(socket);
    socket.send(Buffer.alloc(1_048_577));
    assert.equal((await closed).code, 1009);
  });
  conform('ws client', 'another path is refused with 404, a query is not', async () => {
    await assert.rejects(opened({ url: `${scheme}://localhost:${webSocketPort}/other` }), /status 404/);
    (await opened({ url: `${url}?a=1` })).terminate();
  });
  conform('ws client', 'an offer of permessage-deflate is not taken', async () => {
    const socket = await opened();
    assert.equal(socket.extensions, '');
    socket.terminate();
  });
});

/** A raw connection that was upgraded; collects what the server says. */
async function raw(request = handshakeRequest()): Promise<{ socket: Socket; heard(): Buffer; ended: Promise<void>; until(bytes: number): Promise<void> }> {
  const socket = connectTo(webSocketPort);
  let heard = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => (heard = Buffer.concat([heard, chunk])));
  socket.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  const until = async (bytes: number) => {
    while (heard.length < bytes && !socket.destroyed) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  socket.write(request);
  while (!heard.includes('\r\n\r\n') && !socket.destroyed) await new Promise((resolve) => setTimeout(resolve, 2));
  const head = heard.indexOf('\r\n\r\n') + 4;
  if (heard.toString('latin1').startsWith('HTTP/1.1 101')) heard = heard.subarray(head);
  return { socket, heard: () => heard, ended, until };
}

function handshakeRequest(change: (text: string) => string = (text) => text): string {
  return change(
    'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
}

const masked = (opcode: number, payload: Uint8Array | string) => frame(opcode, Buffer.from(payload), Uint8Array.of(1, 2, 3, 4));
const changed = (bytes: Uint8Array, change: (copy: Uint8Array) => void) => {
  const copy = Uint8Array.from(bytes);
  change(copy);
  return copy;
};
const open = (bytes: Uint8Array) => changed(bytes, (copy) => (copy[0]! &= 0x7f));
const reserved = (bytes: Uint8Array) => changed(bytes, (copy) => (copy[0]! |= 0x40));

const refusedFrames: [string, number, Uint8Array[]][] = [
  ['a frame without a mask', 1002, [frame(opcodes.text, Buffer.from('a'), null)]],
  ['a reserved bit', 1002, [reserved(masked(opcodes.text, 'a'))]],
  ['reserved opcode 3', 1002, [masked(3, 'a')]],
  ['reserved opcode 15', 1002, [masked(15, '')]],
  ['a fragmented ping', 1002, [open(masked(opcodes.ping, 'a'))]],
  ['a ping of 126 bytes', 1002, [masked(opcodes.ping, Buffer.alloc(126))]],
  ['a continuation of nothing', 1002, [masked(opcodes.continuation, 'a')]],
  ['a message inside a message', 1002, [open(masked(opcodes.text, 'a')), masked(opcodes.text, 'b')]],
  ['a length that is not in its shortest form', 1002, [Uint8Array.of(0x82, 0xfe, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5)]],
  ['a length of 2^63', 1002, [Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)]],
  ['a length of 2^53', 1009, [Uint8Array.of(0x82, 0xff, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)]],
  ['text that is not UTF-8', 1007, [masked(opcodes.text, Uint8Array.of(0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xcf, 0x83, 0xce, 0xbc, 0xce, 0xb5, 0xed, 0xa0, 0x80))]],
  [
    'text that is not UTF-8, in fragments',
    1007,
    [open(masked(opcodes.text, Uint8Array.of(0xce, 0xba, 0xe1))), masked(opcodes.continuation, Uint8Array.of(0x28))],
  ],
  ['text that ends inside a character', 1007, [masked(opcodes.text, Uint8Array.of(0xf0, 0x9f))]],
  ['close with a payload of one byte', 1002, [masked(opcodes.close, Uint8Array.of(3))]],
  ['close with 1005', 1002, [masked(opcodes.close, Uint8Array.of(3, 0xed))]],
  ['close with 1006', 1002, [masked(opcodes.close, Uint8Array.of(3, 0xee))]],
  ['close with 1015', 1002, [masked(opcodes.close, Uint8Array.of(3, 0xf7))]],
  ['close with 999', 1002, [masked(opcodes.close, Uint8Array.of(3, 0xe7))]],
  ['close with 5000', 1002, [masked(opcodes.close, Uint8Array.of(0x13, 0x88))]],
  ['close with a reason that is not UTF-8', 1007, [masked(opcodes.close, Uint8Array.of(3, 0xe8, 0xff, 0xfe))]],
];

suite('our server and a peer that breaks the rules', () => {
  for (const [name, code, frames] of refusedFrames) {
    conform('raw peer', `${name}: ${code}, then the end`, async () => {
      const peer = await raw();
      for (const bytes of frames) peer.socket.write(bytes);
      await peer.until(4);
      assert.equal(peer.heard().toString('hex'), Buffer.from(frame(opcodes.close, Uint8Array.of(code >> 8, code & 255), null)).toString('hex'));
      peer.socket.end();
      await peer.ended;
    });
  }
  conform('raw peer', 'a good message before the bad frame is still echoed', async () => {
    const peer = await raw();
    peer.socket.write(Buffer.concat([masked(opcodes.text, 'ok'), frame(opcodes.text, Buffer.from('a'), null)]));
    await peer.until(8);
    assert.equal(peer.heard().toString('hex'), '81026f6b' + '880203ea');
    peer.socket.destroy();
  });
  conform('raw peer', 'nothing is echoed after close', async () => {
    const peer = await raw();
    peer.socket.write(Buffer.concat([masked(opcodes.close, Uint8Array.of(3, 0xe8)), masked(opcodes.text, 'late')]));
    await peer.until(4);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(peer.heard().toString('hex'), '880203e8');
    peer.socket.destroy();
  });
  conform('raw peer', 'a message byte by byte is echoed, and others are served meanwhile', async () => {
    const peer = await raw();
    const other = await opened();
    const bytes = masked(opcodes.text, 'slowly');
    peer.socket.setNoDelay(true);
    for (const byte of bytes) {
      peer.socket.write(Uint8Array.of(byte));
      const begin = performance.now();
      other.send('x');
      await nextMessage(other);
      assert.ok(performance.now() - begin < 500);
    }
    await peer.until(8);
    assert.equal(peer.heard().subarray(2).toString(), 'slowly');
    other.terminate();
    peer.socket.destroy();
  });
  conform('raw peer', 'one that reads nothing is not read from, and others are served', async () => {
    const peer = await raw();
    peer.socket.pause();
    const message = masked(opcodes.binary, Buffer.alloc(60_000));
    let isStuck = false;
    for (let count = 0; count < 2_000 && !isStuck; count++) {
      if (!peer.socket.write(message))
        isStuck = !(await Promise.race([new Promise<boolean>((resolve) => peer.socket.once('drain', () => resolve(true))), late(500)]));
    }
    assert.ok(isStuck, 'its writes stop');
    const other = await opened();
    other.send('x');
    assert.equal((await nextMessage(other)).data.toString(), 'x');
    other.terminate();
    peer.socket.destroy();
  });
  conform('raw peer', 'a silent peer keeps its connection', async () => {
    const peer = await raw();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    peer.socket.write(masked(opcodes.text, 'hi'));
    await peer.until(4);
    assert.equal(peer.heard().toString('hex'), '81026869');
    peer.socket.destroy();
  });
  conform('raw peer', 'a peer that does not end after close is cut off', async () => {
    const peer = await raw();
    peer.socket.write(masked(opcodes.close, Uint8Array.of(3, 0xe8)));
    const begin = performance.now();
    await peer.ended;
    assert.ok(performance.now() - begin < 8_000);
  });

  const refusedRequests: [string, number, (text: string) => string][] = [
    ['POST', 405, (text) => text.replace('GET', 'POST')],
    ['HTTP/1.0', 400, (text) => text.replace('1.1', '1.0')],
    ['another path', 404, (text) => text.replace('/ws', '/')],
    ['version 8', 426, (text) => text.replace(': 13', ': 8')],
    ['no key', 400, (text) => text.replace(/Sec-WebSocket-Key.*\r\n/, '')],
    ['a short key', 400, (text) => text.replace(/Key: .*/, 'Key: abcd')],
    ['no upgrade', 426, (text) => text.replace(/Upgrade: .*\r\n/, '')],
    ['9 KiB of headers', 431, (text) => text.replace('\r\n\r\n', `\r\nX: ${'y'.repeat(9_000)}\r\n\r\n`)],
    ['no HTTP', 400, () => 'hello\r\n\r\n'],
  ];
  for (const [name, status, change] of refusedRequests) {
    conform('raw peer', `a request with ${name}: ${status}`, async () => {
      const peer = await raw(handshakeRequest(change));
      assert.match(peer.heard().toString('latin1'), new RegExp(`^HTTP/1.1 ${status} `));
      peer.socket.end();
      await peer.ended;
    });
  }
  conform('raw peer', 'a request byte by byte is answered', async () => {
    const socket = connectTo(webSocketPort);
    socket.setNoDelay(true);
    const heard = new Promise<string>((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1'))));
    for (const character of handshakeRequest()) {
      socket.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.match(await heard, /^HTTP\/1.1 101 .*\r\n[^]*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
    socket.destroy();
  });
  conform('raw peer', 'an incomplete request is cut off', async () => {
    const socket = connectTo(webSocketPort);
    socket.on('error', () => undefined);
    socket.write('GET /ws HTTP/1.1\r\n');
    await new Promise<void>((resolve) => socket.on('close', () => resolve()));
  });
});

const late = (ms: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), ms));

/** Our client with so many connections to a port, for the time of `body`. */
async function withClient(port: number, connections: number, body: (client: WorkerProcess) => Promise<void>): Promise<void> {
  const client = new WorkerProcess(clientPlan([{ port, protocol: 'websocket' }], isSecure ? { tls: clientTls() } : {}));
  try {
    await client.ready();
    client.send({ type: 'target', connections, rate: 0 });
    await body(client);
  } finally {
    client.kill();
  }
}

async function withWsServer(body: (port: number, server: WebSocketServer) => Promise<void>): Promise<void> {
  const port = freePort();
  const http = isSecure ? createHttpsServer({ cert: certificate, key }) : createHttpServer();
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
  const peer = new WebSocketServer({ server: http, path: '/ws', perMessageDeflate: true });
  peer.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }));
  });
  try {
    await body(port, peer);
  } finally {
    for (const socket of peer.clients) socket.terminate();
    peer.close();
    http.close();
  }
}

suite('our client and the ws server', () => {
  conform('ws server', 'a hundred connections, echo of small and large messages, close with 1000', () =>
    withWsServer((port, peer) =>
      withClient(port, 100, async (client) => {
        await client.until(() => client.open === 100, '100 open');
        const codes: number[] = [];
        for (const socket of peer.clients) socket.on('close', (code) => codes.push(code));
        for (const [order, bytes] of [1, 125, 126, 65_535, 65_536, 300_000].entries()) {
          const burst = await client.burst(order, 2, bytes);
          assert.deepEqual([burst.messages, burst.bytes, burst.lost], [200, 200 * bytes, 0]);
        }
        client.send({ type: 'target', connections: 0, rate: 0 });
        await client.until(() => client.open === 0 && peer.clients.size === 0, 'all closed');
        assert.deepEqual(new Set(codes), new Set([1000]));
        assert.equal(client.stats?.lost, 0);
      }),
    ),
  );
  conform('ws server', 'pings are answered with their payload', () =>
    withWsServer(async (port, peer) => {
      const pong = new Promise<string>((resolve) =>
        peer.on('connection', (socket) => socket.on('pong', (data) => resolve(data.toString())).ping('are you there')),
      );
      await withClient(port, 1, async () => assert.equal(await pong, 'are you there'));
    }),
  );
  conform('ws server', 'echoes in fragments are one message', () =>
    withWsServer(async (port, peer) => {
      peer.removeAllListeners('connection');
      peer.on('connection', (socket) =>
        socket.on('message', (data: Buffer) => {
          socket.send(data.subarray(0, 10), { binary: true, fin: false });
          socket.send(data.subarray(10), { binary: true, fin: true });
        }),
      );
      await withClient(port, 3, async (client) => {
        await client.until(() => client.open === 3, '3 open');
        const burst = await client.burst(1, 4, 64);
        assert.deepEqual([burst.messages, burst.lost, client.stats?.lost], [12, 0, 0]);
      });
    }),
  );
  conform('ws server', 'a close from the server is answered with its code and counted as lost', () =>
    withWsServer(async (port, peer) => {
      const code = new Promise<number>((resolve) =>
        peer.once('connection', (socket) => {
          socket.on('close', resolve);
          setTimeout(() => socket.close(1001), 100);
        }),
      );
      await withClient(port, 1, async (client) => {
        assert.equal(await code, 1001);
        await client.until(() => client.stats?.lost === 1, 'one lost');
      });
    }),
  );
  conform('ws server', 'another path fails as a handshake', () =>
    withWsServer(async (port, peer) => {
      peer.options.path = '/elsewhere';
      await withClient(port, 2, async (client) => {
        await client.until(() => (client.stats?.failed['handshake'] ?? 0) >= 2, 'failures');
        assert.equal(client.open, 0);
      });
    }),
  );
});

/** A server that answers each connection with these bytes (the accept value filled in) and then as it likes. */
async function withRawServer(answer: (socket: Socket, accept: string) => void, body: (port: number) => Promise<void>): Promise<void> {
  const { createHash } = await import('node:crypto');
  const port = freePort();
  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (chunk: Buffer) => {
      const key = /Sec-WebSocket-Key: (\S+)/.exec(chunk.toString('latin1'))?.[1] ?? '';
      answer(socket, createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'));
    });
  };
  const peer: Server = isSecure ? createTlsServer({ cert: certificate, key }, serve) : createServer(serve);
  peer.listen(port, '127.0.0.1');
  try {
    await body(port);
  } finally {
    for (const socket of sockets) socket.destroy();
    peer.close();
  }
}

const response = (accept: string) => `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;

suite('our client and a server that breaks the rules', () => {
  const badResponses: Record<string, (accept: string) => string> = {
    'a wrong accept value': () => response('s3pPLMBiTxaQ9kYGzzhZRbK+xOo='),
    'an extension that was not asked for': (accept) => response(accept).replace('\r\n\r\n', '\r\nSec-WebSocket-Extensions: x\r\n\r\n'),
    'status 200': (accept) => response(accept).replace('101', '200'),
    'no upgrade': (accept) => response(accept).replace('Upgrade: websocket\r\n', ''),
    'endless headers': (accept) => response(accept).replace('\r\n\r\n', `\r\nX: ${'y'.repeat(9_000)}`),
  };
  for (const [name, make] of Object.entries(badResponses)) {
    conform('raw server', `${name} fails as a handshake`, () =>
      withRawServer(
        (socket, accept) => socket.write(make(accept)),
        (port) =>
          withClient(port, 1, async (client) => {
            await client.until(() => (client.stats?.failed['handshake'] ?? 0) >= 1, 'a failure');
            assert.equal(client.stats?.websocket?.opened, 0);
          }),
      ),
    );
  }
  conform('raw server', 'a response byte by byte is understood', () =>
    withRawServer(
      (socket, accept) => {
        socket.setNoDelay(true);
        const text = response(accept);
        let at = 0;
        const timer = setInterval(() => {
          socket.write(text.charAt(at++));
          if (at === text.length) clearInterval(timer);
        }, 1);
      },
      (port) => withClient(port, 1, (client) => client.until(() => client.open === 1, 'open')),
    ),
  );
  const badFrames: Record<string, [number, Uint8Array]> = {
    'a masked frame': [1002, masked(opcodes.text, 'a')],
    'a reserved opcode': [1002, frame(5, Buffer.from('a'), null)],
    'text that is not UTF-8': [1007, frame(opcodes.text, Uint8Array.of(0xff), null)],
    'a message over 1 MiB': [1009, Uint8Array.of(0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1)],
  };
  for (const [name, [code, bytes]] of Object.entries(badFrames)) {
    conform('raw server', `${name} is answered with ${code} and lost`, async () => {
      let heard: (payload: Buffer) => void = () => undefined;
      const closing = new Promise<Buffer>((resolve) => (heard = resolve));
      await withRawServer(
        (socket, accept) => {
          socket.write(response(accept));
          socket.write(bytes);
          socket.once('data', heard);
        },
        (port) =>
          withClient(port, 1, async (client) => {
            const answer = Uint8Array.from(await closing);
            assert.deepEqual([answer[0], answer[1]], [0x88, 0x82]);
            applyMask(answer, 6, 8, answer, 2);
            assert.equal((answer[6]! << 8) | answer[7]!, code);
            await client.until(() => (client.stats?.lost ?? 0) >= 1, 'one lost');
          }),
      );
    });
  }
  conform('raw server', 'a frame in the same packet as the response is read', () =>
    withRawServer(
      (socket, accept) => socket.write(Buffer.concat([Buffer.from(response(accept)), frame(opcodes.ping, Buffer.from('now'), null)])),
      (port) => withClient(port, 1, (client) => client.until(() => client.open === 1, 'open')),
    ),
  );
});

const pythonClient = `
import asyncio, os, sys, websockets
async def main(url):
    async with websockets.connect(url, max_size=None, compression='deflate') as ws:
        for message in ['', 'a', 'κόσμε', b'', os.urandom(126), os.urandom(70000), os.urandom(1048576)]:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(['one ', 'two ', 'three'])
        assert await ws.recv() == 'one two three'
        await asyncio.wait_for(await ws.ping(b'x'), 5)
        await ws.close(4001, 'done')
        assert ws.close_code == 4001, ws.close_code
    async with websockets.connect(url, max_size=None) as ws:
        await ws.send(b'x' * 1048577)
        try:
            await ws.recv()
            assert False
        except websockets.ConnectionClosed as closed:
            assert closed.code == 1009, closed.code
    try:
        await websockets.connect(url + 'x')
        assert False
    except websockets.InvalidStatusCode as refused:
        assert refused.status_code == 404
    print('conforms')
asyncio.run(main(sys.argv[1]))
`;
const pythonServer = `
import asyncio, ssl, sys, websockets
async def echo(ws, path):
    try:
        pong = await ws.ping(b'hello')
        async for message in ws:
            await ws.send(message)
        await asyncio.wait_for(pong, 5)
    except websockets.ConnectionClosed:
        pass
    print('closed', ws.close_code, flush=True)
async def main(port, certificate, key):
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    async with websockets.serve(echo, '127.0.0.1', port, ping_interval=None, ssl=context):
        print('ready', flush=True)
        await asyncio.Future()
asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
`;

const hasPython = (() => {
  try {
    execFileSync(python, ['-c', 'import websockets'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

suite('Python websockets', { skip: hasPython ? false : 'python3-websockets is not installed (apt-get install python3-websockets)' }, () => {
  conform('Python client', 'echo, fragments, ping, close with its code, 1009, 404', async () => {
    const { stdout } = await run(python, ['-c', pythonClient, url], { timeout: 25_000, env: { ...process.env, SSL_CERT_FILE: certificatePath } });
    assert.equal(stdout, 'conforms\n');
  });
  conform('Python server', 'fifty connections, pings, echo of small and large messages, close with 1000', async () => {
    const port = freePort();
    const peer: ChildProcess = spawn(python, ['-c', pythonServer, String(port), isSecure ? certificatePath : '', keyPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let heard = '';
    peer.stdout!.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    try {
      while (!heard.includes('ready')) await new Promise((resolve) => setTimeout(resolve, 20));
      await withClient(port, 50, async (client) => {
        await client.until(() => client.open === 50, '50 open');
        for (const [order, bytes] of [64, 126, 70_000].entries()) assert.equal((await client.burst(order, 2, bytes)).lost, 0);
        client.send({ type: 'target', connections: 0, rate: 0 });
        await client.until(() => client.open === 0 && heard.split('closed 1000').length === 51, '50 closed with 1000');
      });
    } finally {
      peer.kill('SIGKILL');
    }
  });
});
