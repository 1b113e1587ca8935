import { randomBytes } from 'node:crypto';
import { epollIn } from '../../linux/epoll.js';
import { TunDevice } from '../../linux/tun.js';
import type { StatelessPlan } from '../../protocol/plan.js';
import type { CommandReader, WorkerChannel } from '../channel.js';
import { EchoJudge } from '../echoJudge.js';
import { Exchange } from '../exchange.js';
import { Loop } from '../loop.js';
import { runClientLoop } from '../clientLoop.js';
import { MessageDesk } from '../clientMessages.js';
import type { ClientConfiguration } from '../clientWorker.js';
import type { WorkerRun } from '../serverWorker.js';
import { Answers } from '../opening/answers.js';
import { Stats } from '../stats.js';
import { WebSocketClient } from '../websocket/client.js';
import { StatelessClient } from './client.js';
import { Endings } from './endings.js';
import { Numbering } from './numbering.js';

/** Runs a client without sockets until it is ordered to stop or its supervisor is gone; its device goes with it. */
export async function runStatelessClient(
  configuration: ClientConfiguration,
  stateless: StatelessPlan,
  channel: WorkerChannel,
  reader: CommandReader,
): Promise<WorkerRun> {
  const { plan, websocketPath, reconnect = 'backoff' } = configuration;
  const device = TunDevice.open(stateless.device, stateless.deviceAddress, stateless.prefixLength);
  const loop = new Loop();
  const stats = new Stats({ tcp: plan.protocol !== 'websocket', websocket: plan.protocol !== 'tcp' });
  const output = { send: (number: number, bytes: Uint8Array, length: number) => client.send(number, bytes, length) };
  const exchange: Exchange = new Exchange(output, stats, (number) => client.isWebSocket(number));
  const answers = new Answers();
  const judge = new EchoJudge(exchange, stats, answers);
  const webSockets = new WebSocketClient(output, (number, bytes, start, end) => {
    if (judge.isEcho(number, bytes, start, end)) exchange.receivedMessage(number, end - start);
    else endings.remember(number, bytes, start, end);
  });
  const numbering = new Numbering(plan.targets, stateless);
  const endings = new Endings(numbering.capacity, reconnect, answers, stats);
  const client: StatelessClient = new StatelessClient(websocketPath, randomBytes(4).readUInt32LE(), {
    device,
    numbering,
    stats,
    webSockets,
    exchange,
    judge,
    endings,
  });
  webSockets.setOwner(client);
  const messages = new MessageDesk({ exchange, epoll: loop.epoll, stats, client, open: client, send: (message) => channel.send(message) });
  if (configuration.traffic !== undefined) await messages.startTraffic(configuration.traffic, plan.connections);
  loop.epoll.add(device.fd, epollIn);
  return runClientLoop({
    loop,
    stats,
    messages,
    client,
    channel,
    reader,
    nofile: plan.nofile,
    onEvent: () => client.onReadable(),
    prove: () => client.prove(),
    // The device goes with the process, and all connections with it.
    prepareExit: () => undefined,
  });
}
