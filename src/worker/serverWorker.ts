import { SystemError } from '../linux/sockets.js';
import { explainErrno, errnoName, isHardLimit } from '../linux/errno.js';
import { setNofile } from '../linux/limits.js';
import type { WorkerCommand } from '../protocol/worker.js';
import type { CommandReader, WorkerChannel } from './channel.js';
import { Loop } from './loop.js';
import { EpollServer } from './server.js';
import { ownCpuMicroseconds, Stats } from './stats.js';
import { plainWire } from './wire.js';

export type ServerConfiguration = Extract<WorkerCommand, { type: 'configure'; role: 'server' }>;

/** Runs the engine `epoll` until it is ordered to stop or its supervisor is gone. */
export async function runEpollServer(configuration: ServerConfiguration, channel: WorkerChannel, reader: CommandReader): Promise<WorkerRun> {
  const { plan, websocketPath, tls } = configuration;
  const nofile = setNofile(plan.nofile);
  // Loaded only with TLS: an idle experiment should not pay for it.
  const security = tls === undefined ? undefined : await import('./tls/workerTls.js');
  const loop = new Loop(security?.tlsEventsPerWait);
  const stats = new Stats({ tcp: plan.protocol !== 'websocket', websocket: plan.protocol !== 'tcp' });
  const parts = tls && security?.serverTlsParts(tls, loop.epoll, plan.connections + 64, (fd, failure) => server.refuse(fd, failure));
  stats.tls = parts?.wire.figures;
  const server: EpollServer = new EpollServer(plan, websocketPath, loop, stats, parts?.wire ?? plainWire, parts?.handshakes);
  listen(server, channel);
  let openBefore = 0;
  const report = () => channel.send(stats.message(performance.now(), ownCpuMicroseconds()));
  loop.start({
    onEvent: (fd, flags) => server.onEvent(fd, flags),
    onTurn: (now) => {
      const open = stats.tcp.open + stats.websocket.open;
      if (open === plan.connections && open !== openBefore) stats.hurry();
      openBefore = open;
      if (stats.dueIn(now) <= 0) report();
      return Math.max(0, Math.min(server.onTurn(now), stats.dueIn(now)));
    },
    onInput: (bytes) => (bytes.length === 0 ? process.exit(0) : reader.writeBytes(bytes)),
  });
  channel.send({ type: 'ready', pids: [process.pid], nofile });
  return {
    onCommand(command) {
      if (command.type === 'report') {
        stats.asked = true;
        report();
      }
      if (command.type !== 'stop') return;
      report();
      // The kernel closes the listeners and resets each connection (SO_LINGER {1,0}): faster than closing them one by one.
      process.exit(0);
    },
  };
}

/** The running half of a worker, which takes the commands after `configure`. */
export interface WorkerRun {
  onCommand(command: WorkerCommand): void;
}

function listen(server: EpollServer, channel: WorkerChannel): void {
  try {
    server.listen();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const text = isHardLimit(error.errno) ? `${error.message}. ${explainErrno(error.errno)}` : error.message;
    channel.send({ type: 'fatal', text, errno: errnoName(error.errno) });
    process.exit(1);
  }
}
