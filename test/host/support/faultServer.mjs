// A server with a fault, for the engine `command`. Listens on C10M_PORTS (or C10M_TCP_PORTS and C10M_WEBSOCKET_PORTS) at C10M_ADDRESS.
// FAULT: halfEcho (every second connection is never answered), closeAfter (closes each connection after its third message), alter (every second
// connection gets back the same bytes but for the last one).
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { WebSocketServer } from 'ws';

const { C10M_ADDRESS: address, C10M_TCP_PORTS: tcpPorts = '', C10M_WEBSOCKET_PORTS: webSocketPorts = '', FAULT: fault = 'halfEcho' } = process.env;
const portsOf = (text) => text.split(',').filter(Boolean).map(Number);
let connections = 0;

/** Whether the next message of a connection is answered, or the connection is closed instead. */
function judge() {
  const number = connections++;
  let messages = 0;
  return () => {
    messages++;
    if (fault === 'closeAfter' && messages > 3) return 'close';
    if (number % 2 === 0 || fault === 'closeAfter') return 'echo';
    return fault === 'alter' ? 'alter' : 'silence';
  };
}

/** The same bytes, the last one changed. */
function altered(bytes) {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] ^= 1;
  return copy;
}

for (const port of portsOf(tcpPorts)) {
  const server = createServer({ noDelay: true }, (socket) => {
    const next = judge();
    socket.on('data', (bytes) => {
      const what = next();
      if (what === 'echo' || what === 'alter') socket.write(what === 'alter' ? altered(bytes) : bytes);
      else if (what === 'close') socket.destroy();
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen({ port, host: address, backlog: 4096 });
}

for (const port of portsOf(webSocketPorts)) {
  const http = createHttpServer();
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  http.on('upgrade', (request, socket, head) =>
    server.handleUpgrade(request, socket, head, (connection) => {
      const next = judge();
      connection.on('message', (message, isBinary) => {
        const what = next();
        if (what === 'echo' || what === 'alter') connection.send(what === 'alter' ? altered(message) : message, { binary: isBinary });
        else if (what === 'close') connection.terminate();
      });
      connection.on('error', () => connection.terminate());
    }),
  );
  http.listen({ port, host: address, backlog: 4096 });
}
