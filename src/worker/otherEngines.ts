import { HumanError } from '../core/errors.js';
import type { CommandReader, WorkerChannel } from './channel.js';
import type { ServerConfiguration, WorkerRun } from './serverWorker.js';

/** The engines that live in Node's own loop. They are a bundle of their own, so that an epoll worker does not carry them. */
export function runOtherEngine({ engine }: ServerConfiguration, ...rest: [WorkerChannel, CommandReader]): Promise<WorkerRun> {
  return Promise.reject(new HumanError(`The engine ${engine} is not built yet (${rest.length}).`, { code: 'unsupported' }));
}
