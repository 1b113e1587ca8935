import assert from 'node:assert/strict';
import { connect as connectPlain, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { after, suite, test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { clientTls, runCertificate, serverTls } from '../support/tlsPeers.js';
import { clientPlan, freePort, serverPlan, WorkerProcess } from '../support/workerProcess.js';

/**
 * Peers that stop in the middle of the handshake, after each of its records and within them: a relay between our side and a real one passes so many
 * records of the peer and then nothing more, or closes. None of them keeps anybody else out, and each is counted by what became of it.
 */
type Version = '1.2' | '1.3';
interface Cut {
  version: Version;
  /** Whole records of the peer that are passed, then bytes of the next. */
  records: number;
  bytes: number;
  /** One more byte of the peer every so often, for ever: no progress is no excuse. */
  trickles?: boolean;
}

const recordHead = 5;
const trickleMs = 200;
/** The longest patience of either side is 15 s. */
const timeoutMs = 30_000;

/** A client's records are ClientHello, change of cipher and Finished with 1.3, and one more, the key exchange, with 1.2. */
const clientCuts: Cut[] = [
  { version: '1.3', records: 0, bytes: 0 },
  { version: '1.3', records: 0, bytes: 3 },
  { version: '1.3', records: 0, bytes: 100 },
  { version: '1.3', records: 0, bytes: 0, trickles: true },
  { version: '1.3', records: 1, bytes: 0 },
  { version: '1.3', records: 2, bytes: 0 },
  { version: '1.3', records: 2, bytes: 20 },
  { version: '1.2', records: 1, bytes: 0 },
  { version: '1.2', records: 2, bytes: 0 },
  { version: '1.2', records: 3, bytes: 0 },
  { version: '1.2', records: 3, bytes: 20 },
];
/** A server's: ServerHello, change of cipher and four that are encrypted with 1.3; four, change of cipher and Finished with 1.2. */
const serverCuts: Cut[] = [
  { version: '1.3', records: 0, bytes: 0 },
  { version: '1.3', records: 0, bytes: 3 },
  { version: '1.3', records: 0, bytes: 60 },
  { version: '1.3', records: 0, bytes: 0, trickles: true },
  ...[1, 2, 3, 4, 5].map((records): Cut => ({ version: '1.3', records, bytes: 0 })),
  { version: '1.3', records: 5, bytes: 20 },
  ...[1, 2, 3, 4, 5].map((records): Cut => ({ version: '1.2', records, bytes: 0 })),
  { version: '1.2', records: 5, bytes: 20 },
];

const nameOf = ({ version, records, bytes, trickles }: Cut): string =>
  `${version}, ${records} records${bytes > 0 ? ` and ${bytes} bytes` : ''}${trickles === true ? ', the rest byte by byte' : ''}`;

/** Passes what comes from `peer` to `ours` as the cut says; `onCut` once, when nothing more is passed. */
function pass(peer: Socket, ours: Socket, { records, bytes, trickles }: Cut, onCut: () => void): void {
  let waiting = Buffer.alloc(0);
  let [left, isCut] = [records, false];
  let timer: NodeJS.Timeout | undefined;
  const cut = () => {
    isCut = true;
    if (trickles === true) {
      timer = setInterval(() => {
        if (waiting.length > 0) ours.write(waiting.subarray(0, 1));
        waiting = waiting.subarray(1);
      }, trickleMs);
    }
    onCut();
  };
  ours.on('close', () => clearInterval(timer));
  peer.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (left > 0 && waiting.length >= recordHead) {
      const length = recordHead + waiting.readUInt16BE(3);
      if (waiting.length < length) return;
      ours.write(waiting.subarray(0, length));
      waiting = waiting.subarray(length);
      left--;
    }
    if (left > 0 || isCut || waiting.length < bytes) return;
    ours.write(waiting.subarray(0, bytes));
    waiting = waiting.subarray(bytes);
    cut();
  });
}

const sockets: (Socket | Server)[] = [];
const keep = <T extends Socket | Server>(socket: T): T => {
  sockets.push(socket);
  (socket as Socket).on('error', () => undefined);
  return socket;
};
after(() => {
  for (const socket of sockets) if ('destroy' in socket) socket.destroy();
  for (const server of sockets) if ('close' in server) server.close();
});

async function listen(server: Server): Promise<number> {
  keep(server).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A TLS client of Node's whose records reach our server only up to the cut. */
async function stallingClient(port: number, cut: Cut, closes: boolean): Promise<void> {
  let onCut = () => {};
  const isCut = new Promise<void>((resolve) => (onCut = resolve));
  const relayPort = await listen(
    createServer((peer) => {
      const ours = keep(connectPlain(port, '127.0.0.1'));
      keep(peer);
      ours.on('data', (chunk: Buffer) => peer.write(chunk));
      pass(peer, ours, cut, () => {
        if (closes) ours.end();
        onCut();
      });
    }),
  );
  const versions = { minVersion: `TLSv${cut.version}`, maxVersion: `TLSv${cut.version}` } as const;
  keep(connectTls({ port: relayPort, host: '127.0.0.1', servername: 'localhost', ca: runCertificate.certificate, ...versions }));
  await isCut;
}

/** A TLS server of Node's whose records reach our client only up to the cut. */
async function stallingServer(cut: Cut, closes: boolean): Promise<number> {
  const versions = { minVersion: `TLSv${cut.version}`, maxVersion: `TLSv${cut.version}` } as const;
  const port = await listen(createTlsServer({ cert: runCertificate.certificate, key: runCertificate.key, ...versions }));
  return listen(
    createServer((ours) => {
      const peer = keep(connectPlain(port, '127.0.0.1'));
      keep(ours);
      ours.on('data', (chunk: Buffer) => peer.write(chunk));
      pass(peer, ours, cut, () => {
        if (closes) ours.end();
      });
    }),
  );
}

async function echoOf(port: number): Promise<string> {
  const socket = keep(connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: runCertificate.certificate }));
  await once(socket, 'secureConnect');
  socket.write('hello');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return chunk.toString();
}

const failed = (worker: WorkerProcess, name: string) => worker.stats?.failed[name] ?? 0;

suite('peers that stop in the middle of the handshake', { concurrency: true }, () => {
  for (const engine of ['epoll', 'node'] as const) {
    for (const closes of [false, true]) {
      test(`${engine} server, ${closes ? 'closed' : 'silent'} clients`, { timeout: 120_000 }, async () => {
        const ports = [{ port: freePort(), protocol: 'tcp' as const }];
        const server = new WorkerProcess(serverPlan(ports, { engine, tls: serverTls() }));
        try {
          await server.ready();
          const port = ports[0]!.port;
          await Promise.all(clientCuts.map((cut) => stallingClient(port, cut, closes)));
          // All others are served meanwhile.
          assert.equal(await echoOf(port), 'hello');
          const name = closes ? 'tls.closed' : 'tls.timeout';
          await server.until(() => server.failures >= clientCuts.length, `${clientCuts.length} ends, ${name}`, timeoutMs);
          assert.deepEqual(server.stats?.failed, { [name]: clientCuts.length });
          await server.until(() => server.open === 0 && server.stats?.connecting === 0, 'nothing open');
          assert.equal(server.stats.tls?.handshakes, 1);
          assert.equal(await echoOf(port), 'hello');
        } finally {
          server.kill();
        }
      });
    }
  }

  for (const closes of [false, true]) {
    test(`our client, ${closes ? 'closed' : 'silent'} servers`, { timeout: 120_000 }, async () => {
      const honest = freePort();
      const server = new WorkerProcess(serverPlan([{ port: honest, protocol: 'tcp' }], { tls: serverTls() }));
      let client: WorkerProcess | undefined;
      try {
        await server.ready();
        const stalling = await Promise.all(serverCuts.map((cut) => stallingServer(cut, closes)));
        const ports = [...stalling, honest].map((port) => ({ port, protocol: 'tcp' as const }));
        client = await new WorkerProcess(clientPlan(ports, { connections: 1, reconnect: 'none', tls: clientTls() })).ready();
        client.send({ type: 'target', connections: ports.length, rate: 0 });
        const name = closes ? 'tls.closed' : 'tls.timeout';
        const worker = client;
        await worker.until(() => worker.open === 1, 'the honest one open');
        await worker.until(
          () => failed(worker, name) >= serverCuts.length,
          `${serverCuts.length} ends, ${name} (${serverCuts.map(nameOf).join('; ')})`,
          timeoutMs,
        );
        assert.deepEqual(worker.stats?.failed, { [name]: serverCuts.length });
        assert.equal(worker.stats.connecting, 0);
        const burst = await worker.burst(1, 2, 64);
        assert.deepEqual([burst.messages, burst.lost], [2, 0]);
      } finally {
        server.kill();
        client?.kill();
      }
    });
  }
});
