import type { Opening } from '../../protocol/opening.js';
import { grown } from '../connectionTable.js';
import { fixedBytes, Template, type ConnectionNames } from './template.js';

/** An answer to a step is waited for so long where the step says nothing. */
const defaultWithinSeconds = 10;
/** Of what came, so much is kept for a person to read. */
const keptBytes = 64;

type Expectation = { kind: 'prefix' | 'contains'; bytes: Uint8Array } | { kind: 'bytes'; count: number };
type CompiledStep = { send: Template } | { expect: Expectation; withinMs: number };

/** What the opener needs of the client. */
export interface OpenerHost {
  /** Sends bytes, over WebSocket as one message. False: the connection is gone, and its owner knows. */
  send(fd: number, bytes: Uint8Array): boolean;
  names(fd: number): ConnectionNames;
  /** All steps are done: the connection is established. */
  opened(fd: number): void;
  /** Until when the answer of the present step must have come, in ms of `performance.now()`. */
  setDeadline(fd: number, at: number): void;
  /** The server answered otherwise than expected at this step (from 1), with these first bytes. */
  failed(fd: number, step: number, answer: Uint8Array): void;
}

/** Takes the connections of a worker through the steps of an opening. What it keeps of each is two numbers, in arrays by descriptor. */
export class Opener {
  private readonly steps: CompiledStep[];
  private step = new Uint8Array(1024);
  /** Bytes of the present expectation that have come. */
  private progress = new Int32Array(1024);
  /** The beginning of the last answers, of connections that are being opened only. */
  private readonly answers = new Map<number, Uint8Array>();

  /** Throws a HumanError (usage) that names the step. */
  constructor(
    opening: Opening,
    secrets: Readonly<Record<string, string>>,
    private readonly host: OpenerHost,
    /** Whether these bytes are a question of the server's own, which was answered. */
    private readonly isAnswered: (fd: number, bytes: Uint8Array, start: number, end: number) => boolean = () => false,
  ) {
    this.steps = opening.steps.map((step, index): CompiledStep => {
      const where = `Step ${index + 1} of the opening`;
      if ('send' in step) return { send: new Template(step.send, secrets, where) };
      const { expect, withinSeconds = defaultWithinSeconds } = step;
      const withinMs = withinSeconds * 1_000;
      if ('bytes' in expect) return { expect: { kind: 'bytes', count: expect.bytes }, withinMs };
      if ('prefix' in expect) return { expect: { kind: 'prefix', bytes: fixedBytes(expect.prefix, secrets, where) }, withinMs };
      return { expect: { kind: 'contains', bytes: fixedBytes(expect.contains, secrets, where) }, withinMs };
    });
  }

  /** The connection can carry bytes. */
  begin(fd: number, now: number): void {
    if (fd >= this.step.length) {
      this.step = grown(this.step, fd, Uint8Array);
      this.progress = grown(this.progress, fd, Int32Array);
    }
    this.step[fd] = 0;
    this.progress[fd] = 0;
    this.proceed(fd, now);
  }

  /** Bytes of the server came; over WebSocket each message is a part of the same stream. Returns how many of them belong to the opening. */
  received(fd: number, bytes: Uint8Array, start: number, end: number, now: number): number {
    let at = start;
    if (!this.answers.has(fd)) this.answers.set(fd, Uint8Array.from(bytes.subarray(start, Math.min(end, start + keptBytes))));
    while (at < end) {
      const step = this.steps[this.step[fd]!];
      if (step === undefined || !('expect' in step)) return at - start;
      // A server may ask before it has welcomed the client (IRC's PING, RFC 2812, section 3.7.2).
      if (step.expect.kind === 'contains' && at === start) this.isAnswered(fd, bytes, at, end);
      const taken = this.match(fd, step.expect, bytes, at, end);
      if (taken < 0) {
        if (at === start && this.isAnswered(fd, bytes, at, end)) return end - start;
        const answer = Uint8Array.from(bytes.subarray(start, Math.min(end, start + keptBytes)));
        this.answers.delete(fd);
        this.host.failed(fd, this.step[fd]! + 1, answer);
        return end - start;
      }
      at += taken;
      if (!this.isMatched(fd, step.expect)) continue;
      this.step[fd]!++;
      this.progress[fd] = 0;
      const isAsking = 'send' in (this.steps[this.step[fd]!] ?? {});
      if (!this.proceed(fd, now)) return at - start;
      // What came before a question is no part of its answer.
      if (isAsking) return end - start;
    }
    return at - start;
  }

  /** The step at which a connection is (from 1), and what came last. For one that ended or took too long. */
  standing(fd: number): { step: number; answer: Uint8Array } {
    return { step: this.step[fd]! + 1, answer: this.answers.get(fd) ?? new Uint8Array(0) };
  }

  forget(fd: number): void {
    if (this.answers.size !== 0) this.answers.delete(fd);
  }

  /** Sends what is to be sent next. False: nothing more is expected on this connection. */
  private proceed(fd: number, now: number): boolean {
    for (;;) {
      const step = this.steps[this.step[fd]!];
      if (step === undefined) {
        this.answers.delete(fd);
        this.host.opened(fd);
        return false;
      }
      if ('expect' in step) {
        this.host.setDeadline(fd, now + step.withinMs);
        return true;
      }
      if (!this.host.send(fd, step.send.render(this.host.names(fd)))) return false;
      this.answers.delete(fd);
      this.step[fd]!++;
    }
  }

  /** Bytes taken, or −1 where they are others than expected. */
  private match(fd: number, expect: Expectation, bytes: Uint8Array, start: number, end: number): number {
    let done = this.progress[fd]!;
    let at = start;
    if (expect.kind === 'bytes') {
      const taken = Math.min(expect.count - done, end - start);
      this.progress[fd] = done + taken;
      return taken;
    }
    const wanted = expect.bytes;
    for (; at < end && done < wanted.length; at++) {
      if (bytes[at] === wanted[done]) done++;
      else if (expect.kind === 'prefix') return -1;
      else done = continued(wanted, done, bytes[at]!);
    }
    this.progress[fd] = done;
    return at - start;
  }

  private isMatched(fd: number, expect: Expectation): boolean {
    return this.progress[fd]! >= (expect.kind === 'bytes' ? expect.count : expect.bytes.length);
  }
}

/** How much of the wanted bytes is matched after `done` of them and another byte than the next: the longest end that is a beginning. */
function continued(wanted: Uint8Array, done: number, byte: number): number {
  for (let length = done; length > 0; length--) {
    if (wanted[length - 1] !== byte) continue;
    let index = 0;
    while (index < length - 1 && wanted[index] === wanted[done - (length - 1) + index]) index++;
    if (index === length - 1) return length;
  }
  return 0;
}
