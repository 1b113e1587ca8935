import { constants } from 'node:crypto';
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { WebSocketServer } from 'ws';
import { HumanError } from '../core/errors.js';
import { failureOfNodeError } from '../core/walls/tlsFailures.js';
import { setNofile } from '../linux/limits.js';
import type { CommandReader, WorkerChannel } from './channel.js';
import type { ServerConfiguration, WorkerRun } from './serverWorker.js';
import { ownCpuMicroseconds, Stats } from './stats.js';
import { HandshakeFigures } from './tls/handshakeFigures.js';
import { maximumMessageBytes } from './websocket/messages.js';
import type { ServerTls } from '../protocol/tls.js';

const tickMs = 250;
/** Until a peer must have finished its TLS handshake, as with the engine `epoll`. */
const handshakeTimeoutMs = 15_000;

/** The engine `node`: Node's `net` for TCP and the package `ws` for WebSocket, written as an ordinary server would be. */
export async function runNodeServer(configuration: ServerConfiguration, channel: WorkerChannel, reader: CommandReader): Promise<WorkerRun> {
  const { plan, websocketPath } = configuration;
  const nofile = setNofile(plan.nofile);
  const stats = new Stats({ tcp: plan.protocol !== 'websocket', websocket: plan.protocol !== 'tcp' });
  const secure = configuration.tls === undefined ? undefined : tlsOptions(configuration.tls);
  const figures = secure === undefined ? undefined : new HandshakeFigures(false, bytesOutsideHeap);
  stats.tls = figures;
  const isAllowed = (socket: Socket) => plan.allowedSources.length === 0 || plan.allowedSources.includes(socket.remoteAddress ?? '');
  const report = () => channel.send(stats.message(performance.now(), ownCpuMicroseconds()));
  for (const { port, protocol } of plan.ports) {
    const server = protocol === 'tcp' ? tcpServer(stats, isAllowed, secure) : webSocketServer(stats, websocketPath, isAllowed, secure);
    if (figures !== undefined) countHandshakes(server, stats, figures);
    await listen(server, plan.address, port, plan.backlog);
    server.on('error', (error: NodeJS.ErrnoException) => countError(stats, error));
  }
  setInterval(() => {
    if (stats.dueIn(performance.now()) <= 0) report();
  }, tickMs);
  process.stdin.on('data', (bytes: Buffer) => reader.writeBytes(bytes));
  process.stdin.on('end', () => process.exit(0));
  channel.send({ type: 'ready', pids: [process.pid], nofile });
  report();
  return {
    onCommand(command) {
      if (command.type === 'report') {
        stats.asked = true;
        report();
      }
      if (command.type !== 'stop') return;
      report();
      process.exit(0);
    },
  };
}

/** Node's TLS allocates buffers of which it touches a part: what the C library holds is more than what is there, so the memory itself is asked. */
function bytesOutsideHeap(): number {
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

function tlsOptions({ certificate, key, minimumVersion, maximumVersion, tickets }: ServerTls): TlsOptions {
  return {
    cert: certificate,
    key,
    minVersion: `TLSv${minimumVersion}`,
    maxVersion: `TLSv${maximumVersion}`,
    handshakeTimeout: handshakeTimeoutMs,
    // SSL_OP_NO_TICKET: Node has no switch of its own.
    ...(tickets === 0 ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
  };
}

function countHandshakes(server: Server, stats: Stats, figures: HandshakeFigures): void {
  server.on('connection', () => stats.connecting++);
  server.on('secureConnection', (socket: TLSSocket) => {
    stats.connecting--;
    figures.done(undefined, socket.isSessionReused());
    figures.negotiated ??= `${socket.getProtocol() ?? ''} ${socket.getCipher().name}`;
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    stats.connecting--;
    stats.fail(failureOfNodeError(error.code));
  });
}

function tcpServer(stats: Stats, isAllowed: (socket: Socket) => boolean, secure: TlsOptions | undefined): Server {
  const serve = (socket: Socket) => {
    if (!isAllowed(socket)) {
      stats.fail('notAllowed');
      socket.destroy();
      return;
    }
    stats.opened(stats.tcp);
    socket.on('data', (bytes) => {
      stats.tcpBytes += bytes.length;
      stats.tcpMessages++;
      // A peer that does not read its echoes is not read from either.
      if (!socket.write(bytes)) socket.pause();
    });
    socket.on('drain', () => socket.resume());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => stats.closed(stats.tcp));
  };
  return secure === undefined ? createServer({ noDelay: true }, serve) : createTlsServer({ ...secure, noDelay: true }, serve);
}

function webSocketServer(stats: Stats, path: string, isAllowed: (socket: Socket) => boolean, secure: TlsOptions | undefined): HttpServer {
  const refuse: RequestListener = (_request, response) => response.writeHead(426, { Upgrade: 'websocket', Connection: 'close' }).end();
  const http = secure === undefined ? createHttpServer(refuse) : createHttpsServer(secure, refuse);
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maximumMessageBytes });
  http.on('upgrade', (request, socket: Socket, head) => {
    socket.on('error', () => socket.destroy());
    if (!isAllowed(socket)) {
      stats.fail('notAllowed');
      socket.destroy();
      return;
    }
    if ((request.url ?? '').split('?')[0] !== path) {
      stats.fail('handshake');
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    server.handleUpgrade(request, socket, head, (connection) => {
      stats.opened(stats.websocket);
      connection.on('message', (message: Buffer, isBinary) => {
        stats.websocketMessages++;
        stats.websocketBytes += message.length;
        connection.send(message, { binary: isBinary });
      });
      connection.on('error', () => connection.terminate());
      connection.on('close', () => stats.closed(stats.websocket));
    });
  });
  return http;
}

function countError(stats: Stats, error: NodeJS.ErrnoException): void {
  const errno = error.code ?? 'unknown';
  stats.fail(errno);
  if (errno === 'EMFILE' || errno === 'ENFILE') stats.blocked ??= { errno, call: error.syscall ?? 'accept', text: error.message };
}

function listen(server: Server, host: string, port: number, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(new HumanError(`The server cannot listen on ${host}:${port}: ${error.message}.`, { cause: error }));
    server.once('error', onError);
    server.listen({ host, port, backlog }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}
