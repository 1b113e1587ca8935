// A client as one would write it with the package `ws`, for comparison. Speaks as much of the worker protocol as the bench needs.
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

/** Handshakes under way at once, as in our own client. */
const windowSize = 256;
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const sockets = [];
let target = 0;
let connecting = 0;
let url = '';

const tell = () => say({ type: 'stats', websocket: { open: sockets.length } });

function openMore() {
  while (connecting < windowSize && sockets.length + connecting < target) {
    connecting++;
    const socket = new WebSocket(url, { perMessageDeflate: false });
    socket.on('open', () => {
      connecting--;
      sockets.push(socket);
      if (sockets.length === target) tell();
      openMore();
    });
    socket.on('error', () => connecting--);
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.type === 'configure') {
    const [{ address, port }] = command.plan.targets;
    url = `ws://${address}:${port}${command.websocketPath}`;
    say({ type: 'ready' });
  } else if (command.type === 'target') {
    target = command.connections;
    openMore();
  } else if (command.type === 'stop') {
    process.exit(0);
  }
});
