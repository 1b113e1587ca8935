import { readSync } from 'node:fs';
import { HumanError } from './core/errors.js';
import { setOomScoreAdjust, setParentDeathSignal } from './linux/limits.js';
import type { WorkerCommand } from './protocol/worker.js';
import { CommandReader, standardChannel, type WorkerChannel } from './worker/channel.js';
import { runClient } from './worker/clientWorker.js';
import { runEpollServer, type WorkerRun } from './worker/serverWorker.js';

/** SIGKILL: whatever happens to the supervisor, no worker stays. */
const killSignal = 9;
/** If anything must die of memory pressure, it is a worker. */
const highestOomScore = 1000;
const standardInput = 0;

/** One worker: the first line of standard input says what it is; the rest are commands. See `protocol/worker.ts`. */
async function main(channel: WorkerChannel): Promise<void> {
  setParentDeathSignal(killSignal);
  setOomScoreAdjust(highestOomScore);
  let run: WorkerRun | undefined;
  const early: WorkerCommand[] = [];
  const reader = new CommandReader(channel, (command) => {
    if (run === undefined) early.push(command);
    else run.onCommand(command);
  });
  while (early.length === 0) readInput(reader);
  const first = early.shift()!;
  if (first.type !== 'configure') throw new HumanError('The first line of a worker must be configure.', { code: 'usage' });
  if (first.role === 'client' && first.plan.stateless !== undefined) {
    run = await (await import('./worker/stateless/statelessWorker.js')).runStatelessClient(first, first.plan.stateless, channel, reader);
  } else if (first.role === 'client') run = await runClient(first, channel, reader);
  else if (first.engine === 'epoll') run = await runEpollServer(first, channel, reader);
  else run = await (await import('./worker/otherEngines.js')).runOtherEngine(first, channel, reader);
  for (const command of early) run.onCommand(command);
}

/** Before it is configured a worker has nothing to do but to wait. */
function readInput(reader: CommandReader): void {
  const bytes = Buffer.alloc(64 * 1024);
  const count = readSync(standardInput, bytes);
  if (count === 0) process.exit(0);
  reader.writeBytes(bytes.subarray(0, count));
}

function fail(error: unknown): never {
  const text = error instanceof HumanError ? error.text : error instanceof Error ? (error.stack ?? error.message) : String(error);
  standardChannel.send({ type: 'fatal', text });
  process.exit(1);
}

process.on('uncaughtException', fail);
main(standardChannel).catch(fail);
