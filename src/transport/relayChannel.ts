import type { Readable, Writable } from 'node:stream';
import { boundedLine, parseForeign } from '../core/foreignText.js';
import * as v from 'valibot';
import { cancelledError } from '../core/cancellation.js';
import { HumanError } from '../core/errors.js';
import type { ControllerCommand } from '../protocol/commands.js';
import { replySchema, type Reply } from '../protocol/commands.js';
import { runEventSchema, type RunEvent } from '../protocol/events.js';
import { LineSplitter } from '../files/lines.js';
import { encodeLine } from '../protocol/lines.js';
import type { RelayChannel } from './contract.js';
import { Intake } from './intake.js';

/** A relay that runs somewhere, as three streams and its end. */
export interface RelayStreams {
  input: Writable;
  output: Readable;
  errors: Readable;
  /** Resolves with the reason, in one sentence, when the relay or the link to it is gone. Never rejects. */
  ended: Promise<string>;
  /** Ends the relay: closes its input, and kills it when it does not follow. */
  end(): void;
}

interface PendingRequest {
  resolve(value: unknown): void;
  reject(error: HumanError): void;
}

/** Last lines of stderr that go into the reason of a close: enough for the head of a stack. */
const keptErrorLines = 5;

/** Of a line that is no message, so many characters are shown: enough to know it. */
const shownNoise = 2_000;
/** So many lines that are no message go into the log; a host that says more is not read more. */
const maximumNoiseLines = 1_000;
/** Only a plan, facts, a summary and replies are ever longer than this. */
const maximumShortLine = 64 * 1024;
/** At the beginning of a line, where every writer of ours puts it: what is long and none of these is not even parsed. */
const longType = /"type":"(plan|facts|summary|reply)"/;
const typeWithin = 200;

/** Speaks the relay's protocol over three streams. Owns the streams from its construction on. */
export class StreamRelayChannel implements RelayChannel {
  private readonly pending = new Map<number, PendingRequest>();
  private readonly eventListeners = new Set<(event: RunEvent) => void>();
  private readonly closeListeners = new Set<(reason: string) => void>();
  private readonly noiseListeners = new Set<(line: string) => void>();
  private readonly errorLines: string[] = [];
  private nextId = 1;
  private noiseLines = 0;
  private closedReason: string | undefined;
  private flooded = false;

  constructor(
    private readonly streams: RelayStreams,
    private readonly intake = new Intake(),
  ) {
    const output = new LineSplitter(
      (line) => this.receive(line),
      (beginning) => this.noise(`a line of the relay was too long and was dropped: ${beginning}…`),
    );
    const errors = new LineSplitter((line) => this.receiveError(line), undefined, 64 * 1024);
    streams.output.on('data', (chunk: Buffer) => this.read(chunk, output));
    streams.errors.on('data', (chunk: Buffer) => this.read(chunk, errors));
    // A write after the other side went away is reported by `ended`; without a listener it would end this process.
    for (const stream of [streams.input, streams.output, streams.errors]) stream.on('error', () => undefined);
    void streams.ended.then((reason) => {
      output.end();
      errors.end();
      this.finish(this.errorLines.length === 0 ? reason : `${reason} Its last words: ${this.errorLines.join(' | ')}`);
    });
  }

  get isFlooded(): boolean {
    return this.flooded;
  }

  expectReplay(seconds: number): void {
    this.intake.expectReplay(seconds);
  }

  send(command: ControllerCommand): void {
    if (this.closedReason === undefined) this.streams.input.write(encodeLine(command));
  }

  request<T>(build: (id: number) => ControllerCommand, signal?: AbortSignal): Promise<T> {
    if (this.closedReason !== undefined) return Promise.reject(linkLost(this.closedReason));
    if (signal?.aborted === true) return Promise.reject(cancelledError());
    const id = this.nextId++;
    return new Promise<unknown>((resolve, reject) => {
      const onAbort = () => settle(() => reject(cancelledError()));
      const settle = (act: () => void) => {
        this.pending.delete(id);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.pending.set(id, {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
      this.streams.input.write(encodeLine(build(id)));
    }) as Promise<T>;
  }

  onEvent(listener: (event: RunEvent) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  onClose(listener: (reason: string) => void): () => void {
    if (this.closedReason !== undefined) {
      listener(this.closedReason);
      return () => undefined;
    }
    this.closeListeners.add(listener);
    return () => this.closeListeners.delete(listener);
  }

  onNoise(listener: (line: string) => void): () => void {
    this.noiseListeners.add(listener);
    return () => this.noiseListeners.delete(listener);
  }

  close(): void {
    this.finish('The connection was closed by C10M.');
  }

  /** What comes after the end is let go by unread. */
  private read(chunk: Buffer, splitter: LineSplitter): void {
    if (this.closedReason !== undefined) return;
    this.intake.addBytes(chunk.length);
    splitter.write(chunk);
    const { excess } = this.intake;
    if (excess === undefined || this.isClosed()) return;
    this.flooded = true;
    const reason = `The host sends what no run sends (${excess}), so it is listened to no more.`;
    // A host that is only broken may obey; one that is hostile is left by itself.
    this.streams.input.write(encodeLine({ type: 'stop', id: this.nextId++, reason } satisfies ControllerCommand));
    this.finish(reason);
  }

  private isClosed(): boolean {
    return this.closedReason !== undefined;
  }

  private receive(line: string): void {
    this.intake.addLine();
    if (line === '' || this.closedReason !== undefined) return;
    if (line.length > maximumShortLine && !longType.test(line.slice(0, typeWithin))) {
      this.noise(line);
      return;
    }
    const value = parseForeign(line);
    const reply = v.safeParse(replySchema, value);
    if (reply.success) {
      this.answer(reply.output);
      return;
    }
    const event = v.safeParse(runEventSchema, value);
    if (!event.success) {
      this.noise(line);
      return;
    }
    for (const listener of [...this.eventListeners]) listener(event.output);
  }

  private answer(reply: Reply): void {
    const request = this.pending.get(reply.id);
    // Unknown ids are those of requests that were cancelled.
    if (request === undefined) return;
    if (reply.ok) request.resolve(reply.value);
    else request.reject(HumanError.fromPlain(reply.error));
  }

  private receiveError(line: string): void {
    this.intake.addLine();
    if (line === '') return;
    this.errorLines.push(boundedLine(line, 500));
    if (this.errorLines.length > keptErrorLines) this.errorLines.shift();
    this.noise(line);
  }

  private noise(line: string): void {
    if (++this.noiseLines > maximumNoiseLines) return;
    const shown = boundedLine(line, shownNoise);
    for (const listener of [...this.noiseListeners]) listener(shown);
  }

  private finish(reason: string): void {
    if (this.closedReason !== undefined) return;
    this.closedReason = reason;
    for (const request of [...this.pending.values()]) request.reject(this.flooded ? flooding(reason) : linkLost(reason));
    const listeners = [...this.closeListeners];
    this.closeListeners.clear();
    this.eventListeners.clear();
    for (const listener of listeners) listener(reason);
    this.streams.end();
  }
}

function linkLost(reason: string): HumanError {
  return new HumanError(reason, { code: 'unreachable' });
}

function flooding(reason: string): HumanError {
  return new HumanError(reason, {
    code: 'failed',
    remedy:
      'Look at the host: its agent was replaced, or something else answers. What its run began ends by its lease; then restore it with: c10m host restore',
  });
}
