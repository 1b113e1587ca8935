import { writeSync } from 'node:fs';
import * as v from 'valibot';
import { LineSplitter } from '../files/lines.js';
import { encodeLine } from '../protocol/lines.js';
import { workerCommandSchema, type WorkerCommand, type WorkerMessage } from '../protocol/worker.js';

const standardOutput = 1;
/** A supervisor that does not read for this long is as good as gone. */
const writeRetryMs = 5;
const writeRetries = 2_000;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** The worker's side of its protocol: commands in, messages out. */
export interface WorkerChannel {
  send(message: WorkerMessage): void;
}

/** Writes messages to standard output at once, so that the last words before an exit are not lost. */
export const standardChannel: WorkerChannel = {
  send(message) {
    const bytes = Buffer.from(encodeLine(message));
    let sent = 0;
    for (let tries = 0; sent < bytes.length && tries < writeRetries; tries++) {
      try {
        sent += writeSync(standardOutput, bytes, sent);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return;
        Atomics.wait(pause, 0, 0, writeRetryMs);
      }
    }
  },
};

/** Turns the bytes of standard input into commands. A line that is none is answered by a log message and skipped. */
export class CommandReader {
  private readonly lines: LineSplitter;

  constructor(channel: WorkerChannel, onCommand: (command: WorkerCommand) => void) {
    const reject = (beginning: string) => channel.send({ type: 'log', level: 'warn', text: `not a command: ${beginning.slice(0, 200)}` });
    this.lines = new LineSplitter((line) => {
      const command = v.safeParse(workerCommandSchema, parseJson(line));
      if (command.success) onCommand(command.output);
      else reject(line);
    }, reject);
  }

  writeBytes(bytes: Buffer): void {
    this.lines.write(bytes);
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
