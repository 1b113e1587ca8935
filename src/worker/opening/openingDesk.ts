import type { KeepAliveCounts } from './keepAlive.js';
import type { Opening } from '../../protocol/opening.js';
import { KeepAlives } from './keepAlive.js';
import { Opener } from './opener.js';
import { fixedBytes, Template, type ConnectionNames } from './template.js';

/** What openings need of the client that holds the connections. */
export interface OpeningHost {
  has(fd: number): boolean;
  send(fd: number, bytes: Uint8Array): boolean;
  ping(fd: number): boolean;
  names(fd: number): ConnectionNames;
  opened(fd: number): void;
  setDeadline(fd: number, at: number): void;
  failed(fd: number, step: number, answer: Uint8Array): void;
}

/** What clients say over their connections beside messages: how each is opened, kept alive, and what answers the server's own questions. */
export class OpeningDesk {
  readonly opener: Opener;
  private readonly keepAlives: KeepAlives | undefined;
  private readonly replies: { when: Uint8Array; send: Template; before: Uint8Array; after: Uint8Array; takesRest: boolean }[];

  /** Throws a HumanError (usage) that names the step. */
  constructor(
    opening: Opening,
    secrets: Readonly<Record<string, string>>,
    private readonly host: OpeningHost,
  ) {
    this.opener = new Opener(opening, secrets, host, (fd, bytes, start, end) => this.reply(fd, bytes, start, end));
    this.keepAlives = opening.keepAlive === undefined ? undefined : new KeepAlives(opening.keepAlive, secrets, host);
    this.replies = (opening.replies ?? []).map(({ when, send }) => {
      const [before, after] = typeof send === 'string' ? send.split('{rest}') : [undefined, undefined];
      const takesRest = after !== undefined;
      const template = new Template(takesRest ? '' : send, secrets, 'A reply of the opening');
      const fixed = (text: string | undefined) => Buffer.from(takesRest ? (text ?? '') : '', 'utf8');
      return { when: fixedBytes(when, secrets, 'A reply of the opening'), send: template, before: fixed(before), after: fixed(after), takesRest };
    });
  }

  get keepAliveCounts(): KeepAliveCounts | undefined {
    return this.keepAlives?.counts;
  }

  established(fd: number): void {
    this.keepAlives?.opened(fd);
  }

  onTurn(now: number): number {
    return this.keepAlives?.onTurn(now) ?? Number.POSITIVE_INFINITY;
  }

  /** Bytes or a message of the server after the opening. True: they were asked for, or were answered. */
  received(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    return this.reply(fd, bytes, start, end) || (this.keepAlives?.received(fd, bytes, start, end) ?? false);
  }

  forget(fd: number): void {
    this.opener.forget(fd);
  }

  private reply(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    for (const reply of this.replies) {
      if (!beginsWith(bytes, start, end, reply.when)) continue;
      this.host.send(fd, reply.takesRest ? withRest(bytes, start + reply.when.length, end, reply) : reply.send.render(this.host.names(fd)));
      return true;
    }
    return false;
  }
}

/** A server's line is at most this long; what is longer is cut. */
const longestRestBytes = 512;

function withRest(bytes: Uint8Array, from: number, end: number, { before, after }: { before: Uint8Array; after: Uint8Array }): Uint8Array {
  let to = from;
  while (to < end && to - from < longestRestBytes && bytes[to] !== 0x0d && bytes[to] !== 0x0a) to++;
  return Buffer.concat([before, bytes.subarray(from, to), after]);
}

function beginsWith(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  if (end - start < wanted.length) return false;
  for (let index = 0; index < wanted.length; index++) if (bytes[start + index] !== wanted[index]) return false;
  return true;
}
