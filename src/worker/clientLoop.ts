import type { WorkerChannel, CommandReader } from './channel.js';
import type { MessageDesk } from './clientMessages.js';
import type { Loop } from './loop.js';
import type { WorkerRun } from './serverWorker.js';
import { ownCpuMicroseconds, type Stats } from './stats.js';

/** A client that holds connections, with sockets or without. */
export interface LoopedClient {
  setTarget(connections: number, rate: number): void;
  freeze(): void;
  takeTargetReached(): boolean;
  /** Returns the milliseconds until it wants to be called again. */
  onTurn(now: number): number;
}

export interface ClientLoopParts {
  loop: Loop;
  stats: Stats;
  messages: MessageDesk;
  client: LoopedClient;
  channel: WorkerChannel;
  reader: CommandReader;
  nofile: number;
  onEvent(fd: number, flags: number): void;
  prove(): void;
  /** Before the end of the process, which closes all. */
  prepareExit(): void;
}

/** Runs a client in its loop: events, its ramp, its messages, its counts, and the orders of its supervisor. */
export function runClientLoop(parts: ClientLoopParts): WorkerRun {
  const { loop, stats, messages, client, channel, reader } = parts;
  const report = (now: number) => channel.send(stats.message(now, ownCpuMicroseconds()));
  const reportAll = (now: number) => channel.send(stats.message(now, ownCpuMicroseconds(), messages.snapshot(now)));
  loop.start({
    onEvent: (fd, flags) => {
      if (!messages.onEvent(fd)) parts.onEvent(fd, flags);
    },
    onTurn: (now) => {
      const clientDueIn = client.onTurn(now);
      stats.mark(now);
      if (client.takeTargetReached()) stats.hurry();
      const messagesDueIn = messages.onTurn(now);
      if (messages.takeConcluded()) reportAll(now);
      else if (stats.dueIn(now) <= 0) report(now);
      return Math.max(0, Math.min(clientDueIn, messagesDueIn, stats.dueIn(now)));
    },
    onInput: (bytes) => (bytes.length === 0 ? process.exit(0) : reader.writeBytes(bytes)),
  });
  channel.send({ type: 'ready', pids: [process.pid], nofile: parts.nofile });
  return {
    onCommand(command) {
      const now = performance.now();
      switch (command.type) {
        case 'target':
          stats.frozen = undefined;
          client.setTarget(command.connections, command.rate);
          return;
        case 'freeze':
          stats.frozen = true;
          client.freeze();
          report(now);
          return;
        case 'report':
          stats.asked = true;
          reportAll(now);
          return;
        case 'conclude':
          messages.beginConclusion(now, command.graceMs);
          return;
        case 'prove':
          parts.prove();
          return;
        case 'burst':
          void messages.burst(command);
          return;
        case 'configure':
          // The first line only, and taken already.
          return;
        case 'stop':
          messages.beginConclusion(now, 0);
          reportAll(now);
          parts.prepareExit();
          process.exit(0);
      }
    },
  };
}
