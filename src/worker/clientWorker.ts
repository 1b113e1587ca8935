import { setNofile } from '../linux/limits.js';
import type { WorkerCommand } from '../protocol/worker.js';
import { epollIn, epollOut } from '../linux/epoll.js';
import type { CommandReader, WorkerChannel } from './channel.js';
import { EpollClient } from './client.js';
import { runClientLoop } from './clientLoop.js';
import { MessageDesk } from './clientMessages.js';
import { Exchange } from './exchange.js';
import { Loop } from './loop.js';
import { OpeningDesk, type OpeningHost } from './opening/openingDesk.js';
import { Output } from './output.js';
import type { WorkerRun } from './serverWorker.js';
import { Stats } from './stats.js';
import { WebSocketClient } from './websocket/client.js';
import { UpgradeRequests } from './websocket/request.js';
import { plainWire } from './wire.js';

export type ClientConfiguration = Extract<WorkerCommand, { type: 'configure'; role: 'client' }>;

/** Runs a client until it is ordered to stop or its supervisor is gone. */
export async function runClient(configuration: ClientConfiguration, channel: WorkerChannel, reader: CommandReader): Promise<WorkerRun> {
  const { plan, websocketPath, tls, websocket = {}, opening, secrets = {}, reconnect = 'backoff', firstConnection = 0 } = configuration;
  const subprotocols = [...(websocket.subprotocols ?? []), ...(opening?.subprotocols ?? [])];
  const requests = new UpgradeRequests(websocketPath, { ...websocket, subprotocols }, secrets);
  const offered = { subprotocols: subprotocols.length > 0, compression: websocket.compression === true };
  const nofile = setNofile(plan.nofile);
  const security = tls === undefined ? undefined : await import('./tls/workerTls.js');
  const loop = new Loop(security?.tlsEventsPerWait);
  const stats = new Stats({ tcp: plan.protocol !== 'websocket', websocket: plan.protocol !== 'tcp' });
  const secure = tls && security?.clientTlsParts(tls, loop.epoll, plan.connections + 64, plan.targets.length, (fd) => client.destinationOf(fd));
  stats.tls = secure?.wire.figures;
  const wire = secure?.wire ?? plainWire;
  const output = new Output(loop.epoll, wire, epollIn | epollOut);
  const exchange: Exchange = new Exchange(output, stats, (fd) => client.isWebSocket(fd));
  const webSockets = new WebSocketClient(
    output,
    (fd, bytes, start, end) => client.incoming.message(fd, bytes, start, end),
    offered,
    (fd, payload) => client.incoming.other(fd, payload, 0, payload.length),
  );
  const makeOpening = (host: OpeningHost) => (opening === undefined ? undefined : new OpeningDesk(opening, secrets, host));
  const parts = { loop, stats, wire, tls: secure, output, webSockets, exchange, requests, reconnect, firstConnection, makeOpening };
  const client: EpollClient = new EpollClient(plan, parts);
  webSockets.setOwner(client);
  const { open } = client;
  const messages = new MessageDesk({ exchange, epoll: loop.epoll, stats, client, open, send: (message) => channel.send(message) });
  if (configuration.traffic !== undefined) await messages.startTraffic(configuration.traffic, plan.connections);
  return runClientLoop({
    loop,
    stats,
    messages,
    client,
    channel,
    reader,
    nofile,
    onEvent: (fd, flags) => client.onEvent(fd, flags),
    prove: () => client.proof.begin(),
    prepareExit: () => client.prepareExit(),
  });
}
