import { setNofile } from '../linux/limits.js';
import type { WorkerCommand } from '../protocol/worker.js';
import { epollIn, epollOut } from '../linux/epoll.js';
import { Bursts } from './burst.js';
import type { CommandReader, WorkerChannel } from './channel.js';
import { EpollClient } from './client.js';
import { Exchange } from './exchange.js';
import { Loop } from './loop.js';
import { Output } from './output.js';
import type { WorkerRun } from './serverWorker.js';
import { ownCpuMicroseconds, Stats } from './stats.js';
import type { SteadyTraffic } from './traffic.js';
import { WebSocketClient } from './websocket/client.js';
import { plainWire } from './wire.js';

export type ClientConfiguration = Extract<WorkerCommand, { type: 'configure'; role: 'client' }>;

/** The histogram is encoded this often only: it takes a millisecond. */
export const histogramPeriodMs = 1_000;

/** Runs a client until it is told to stop or its supervisor is gone. */
export async function runClient(configuration: ClientConfiguration, channel: WorkerChannel, reader: CommandReader): Promise<WorkerRun> {
  const { plan, websocketPath } = configuration;
  const nofile = setNofile(plan.nofile);
  const loop = new Loop();
  const stats = new Stats({ tcp: plan.protocol !== 'websocket', websocket: plan.protocol !== 'tcp' });
  const output = new Output(loop.epoll, plainWire, epollIn | epollOut);
  const exchange: Exchange = new Exchange(output, stats, (fd) => client.isWebSocket(fd));
  const webSockets = new WebSocketClient(output, (fd, bytes) => exchange.receivedMessage(fd, bytes));
  const client: EpollClient = new EpollClient(plan, websocketPath, { loop, stats, wire: plainWire, output, webSockets, exchange });
  webSockets.setOwner(client);
  const bursts = new Bursts(exchange, client.open, stats, (message) => channel.send(message));
  exchange.observe(bursts);
  const traffic = await makeTraffic(configuration, exchange, loop, stats, client);
  let histogram: string | undefined;
  let histogramAt = Number.NEGATIVE_INFINITY;
  const report = (now: number) => {
    if (traffic !== undefined && now - histogramAt >= histogramPeriodMs) {
      histogram = traffic.histogram();
      histogramAt = now;
    }
    channel.send(stats.message(now, ownCpuMicroseconds(), histogram));
  };
  loop.start({
    onEvent: (fd, flags) => {
      if (traffic?.onEvent(fd) !== true) client.onEvent(fd, flags);
    },
    onTurn: (now) => {
      const clientDueIn = client.onTurn(now);
      if (client.takeReached()) stats.hurry();
      if (stats.dueIn(now) <= 0) report(now);
      return Math.max(0, Math.min(clientDueIn, bursts.onTurn(now), stats.dueIn(now)));
    },
    onInput: (bytes) => (bytes.length === 0 ? process.exit(0) : reader.push(bytes)),
  });
  channel.send({ type: 'ready', pids: [process.pid], nofile });
  return {
    onCommand(command) {
      if (command.type === 'target') client.setTarget(command.connections, command.rate);
      else if (command.type === 'prove') client.proof.begin();
      else if (command.type === 'burst') bursts.order(command);
      else if (command.type === 'stop') {
        histogramAt = Number.NEGATIVE_INFINITY;
        report(performance.now());
        client.prepareExit();
        process.exit(0);
      }
    },
  };
}

/** The steady traffic of a client; undefined where none was asked for. */
export async function makeTraffic(
  { traffic, plan }: ClientConfiguration,
  exchange: Exchange,
  loop: Loop,
  stats: Stats,
  client: Pick<EpollClient, 'lose'>,
): Promise<SteadyTraffic | undefined> {
  if (traffic === undefined) return undefined;
  // Loaded only here: the histogram's library takes memory that an idle experiment should not pay for.
  const { SteadyTraffic } = await import('./traffic.js');
  return new SteadyTraffic(traffic, plan.connections, { exchange, epoll: loop.epoll, stats, lose: (fd) => client.lose(fd) });
}
