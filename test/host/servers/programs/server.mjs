/** Echo servers of npm packages. Usage: server.mjs ws|fastify|socket.io PACKAGES COUNT_SOCKET; each reports its open connections at that socket. */
import { createServer as createHttpServer } from 'node:http';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';

const [kind, packages, countPath] = process.argv.slice(2);
const require = createRequire(`${packages}/`);
const { C10M_ADDRESS: host, C10M_PORTS = '', C10M_WEBSOCKET_PATH: path } = process.env;
const ports = C10M_PORTS.split(',').map(Number);
const backlog = 4096;

const servers = {
  ws(port) {
    const server = createHttpServer();
    const sockets = new (require('ws').WebSocketServer)({ server, path, perMessageDeflate: process.env.COMPRESSION === 'yes' });
    sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
    server.listen({ port, host, backlog });
    return async () => sockets.clients.size;
  },
  fastify(port) {
    const app = require('fastify')({ keepAliveTimeout: 600_000 });
    app.get('/', async () => ({ hello: 'world' }));
    void app.listen({ port, host, backlog });
    return () => new Promise((resolve) => app.server.getConnections((_, count) => resolve(count)));
  },
  'socket.io'(port) {
    const server = createHttpServer();
    const io = new (require('socket.io').Server)(server, { transports: ['websocket'], pingInterval: 2_000, pingTimeout: 3_000 });
    server.listen({ port, host, backlog });
    // Those whose client answers pings: others are closed after the timeout.
    return async () => io.sockets.sockets.size;
  },
};

const counts = ports.map((port) => servers[kind](port));
createServer(async (socket) => {
  const values = await Promise.all(counts.map((count) => count()));
  socket.end(String(values.reduce((sum, value) => sum + value, 0)));
}).listen(countPath);
