import type { CommandReader, WorkerChannel } from './channel.js';
import { runCommandServer } from './commandServer.js';
import { runNodeServer } from './nodeServer.js';
import type { ServerConfiguration, WorkerRun } from './serverWorker.js';

/** The engines that live in Node's own loop. They are a bundle of their own, so that an epoll worker does not carry them. */
export async function runOtherEngine(configuration: ServerConfiguration, channel: WorkerChannel, reader: CommandReader): Promise<WorkerRun> {
  return configuration.engine === 'command' || configuration.engine === 'attach'
    ? runCommandServer(configuration, channel, reader)
    : runNodeServer(configuration, channel, reader);
}
