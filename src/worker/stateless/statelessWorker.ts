import { randomBytes } from 'node:crypto';
import { epollIn } from '../../linux/epoll.js';
import { TunDevice } from '../../linux/tun.js';
import type { StatelessPlan } from '../../protocol/plan.js';
import { Bursts } from '../burst.js';
import type { CommandReader, WorkerChannel } from '../channel.js';
import { Exchange } from '../exchange.js';
import { Loop } from '../loop.js';
import { type ClientConfiguration, histogramPeriodMs, makeTraffic } from '../clientWorker.js';
import type { WorkerRun } from '../serverWorker.js';
import { ownCpuMicroseconds, Stats } from '../stats.js';
import { WebSocketClient } from '../websocket/client.js';
import { StatelessClient } from './client.js';
import { Numbering } from './numbering.js';

/** Runs a client without sockets until it is told to stop or its supervisor is gone; its device goes with it. */
export async function runStatelessClient(
  configuration: ClientConfiguration,
  stateless: StatelessPlan,
  channel: WorkerChannel,
  reader: CommandReader,
): Promise<WorkerRun> {
  const { plan, websocketPath } = configuration;
  const device = TunDevice.open(stateless.device, stateless.deviceAddress, stateless.prefixLength);
  const loop = new Loop();
  const stats = new Stats({ tcp: plan.protocol !== 'websocket', websocket: plan.protocol !== 'tcp' });
  const output = { send: (number: number, bytes: Uint8Array, length: number) => client.send(number, bytes, length) };
  const exchange: Exchange = new Exchange(output, stats, (number) => client.isWebSocket(number));
  const webSockets = new WebSocketClient(output, (number, bytes) => exchange.receivedMessage(number, bytes));
  const numbering = new Numbering(plan.targets, stateless);
  const client: StatelessClient = new StatelessClient(websocketPath, randomBytes(4).readUInt32LE(), { device, numbering, stats, webSockets, exchange });
  webSockets.setOwner(client);
  const bursts = new Bursts(exchange, client, stats, (message) => channel.send(message));
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
  loop.epoll.add(device.fd, epollIn);
  loop.start({
    onEvent: (fd) => {
      if (traffic?.onEvent(fd) !== true) client.onReadable();
    },
    onTurn: (now) => {
      const clientDueIn = client.onTurn(now);
      if (client.takeReached()) stats.hurry();
      if (stats.dueIn(now) <= 0) report(now);
      return Math.max(0, Math.min(clientDueIn, bursts.onTurn(now), stats.dueIn(now)));
    },
    onInput: (bytes) => (bytes.length === 0 ? process.exit(0) : reader.push(bytes)),
  });
  channel.send({ type: 'ready', pids: [process.pid], nofile: plan.nofile });
  return {
    onCommand(command) {
      if (command.type === 'target') client.setTarget(command.connections, command.rate);
      else if (command.type === 'prove') client.prove();
      else if (command.type === 'burst') bursts.order(command);
      else if (command.type === 'stop') {
        histogramAt = Number.NEGATIVE_INFINITY;
        report(performance.now());
        process.exit(0);
      }
    },
  };
}
