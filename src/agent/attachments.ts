import { createServer, type Server, type Socket } from 'node:net';
import * as v from 'valibot';
import { toPlainError } from '../core/errors.js';
import { orderCommandSchemas } from '../protocol/commands.js';
import type { RunEvent } from '../protocol/events.js';
import { LineSplitter } from '../files/lines.js';
import { patience } from '../files/sleep.js';
import { encodeLine, parseLine } from '../protocol/lines.js';

/** What a relay writes to the supervisor's socket: what it follows from, then the controller's orders as they came. */
export const supervisorCommandSchema = v.variant('type', [
  v.object({ type: v.literal('follow'), fromSeq: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
  ...orderCommandSchemas,
]);
export type SupervisorOrder = Exclude<v.InferOutput<typeof supervisorCommandSchema>, { type: 'follow' }>;

/** A relay whose link does not take this much is cut off; it comes back and reads on from the spool. */
const maximumUnsentBytes = 8 * 1024 * 1024;

/** The relays that follow a run, over a unix socket in the run's directory. The run never waits for any of them. */
export class Attachments {
  private readonly server: Server;
  private readonly followers = new Set<Socket>();
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly linesFrom: (seq: number) => string[],
    private readonly obey: (order: SupervisorOrder) => unknown,
  ) {
    this.server = createServer((socket) => this.accept(socket));
  }

  /** `path` is relative to the working directory. */
  static async listen(path: string, linesFrom: (seq: number) => string[], obey: (order: SupervisorOrder) => unknown): Promise<Attachments> {
    const attachments = new Attachments(linesFrom, obey);
    await new Promise<void>((resolve, reject) => {
      attachments.server.once('error', reject);
      attachments.server.listen(path, resolve);
    });
    return attachments;
  }

  /** Somebody has every event so far. */
  get isFollowed(): boolean {
    return this.followers.size > 0;
  }

  publish(event: RunEvent): void {
    const line = encodeLine(event);
    for (const socket of this.followers) {
      if (socket.writableLength > maximumUnsentBytes) socket.destroy();
      else socket.write(line);
    }
  }

  /** Sends what is pending and closes; resolves when all relays have it, or after a second. */
  async close(): Promise<void> {
    this.server.close();
    const closing = [...this.sockets].map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once('close', () => resolve());
          socket.end();
        }),
    );
    await Promise.race([Promise.all(closing), patience(1_000)]);
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.followers.delete(socket);
    });
    // The relay went away in the middle of a line.
    socket.on('error', () => undefined);
    const splitter = new LineSplitter((line) => this.receive(socket, line));
    socket.on('data', (chunk: Buffer) => splitter.write(chunk));
  }

  private receive(socket: Socket, line: string): void {
    const parsed = v.safeParse(supervisorCommandSchema, parseLine(line));
    if (!parsed.success) return;
    const command = parsed.output;
    if (command.type === 'follow') {
      for (const missed of this.linesFrom(command.fromSeq)) socket.write(`${missed}\n`);
      this.followers.add(socket);
      return;
    }
    void this.answer(socket, command);
  }

  private async answer(socket: Socket, order: SupervisorOrder): Promise<void> {
    try {
      const value = (await this.obey(order)) ?? null;
      if (order.type !== 'heartbeat') socket.write(encodeLine({ type: 'reply', id: order.id, ok: true, value }));
    } catch (error) {
      if (order.type !== 'heartbeat') socket.write(encodeLine({ type: 'reply', id: order.id, ok: false, error: toPlainError(error) }));
    }
  }
}
