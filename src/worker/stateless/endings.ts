import type { ReconnectPolicy } from '../../protocol/worker.js';
import { LastWords } from '../lastWords.js';
import type { Answers } from '../opening/answers.js';
import { blockIfRefused, Refusals } from '../refusals.js';
import type { Stats } from '../stats.js';

/** Ages are kept in steps of this many milliseconds, up to 109 minutes: two bytes a connection. */
const ageStepMs = 100;
const oldestAge = 0xffff;

/** How connections without sockets end: their ages, the server's last words, and whether they are opened again. */
export class Endings {
  private readonly births: Uint16Array;
  private readonly beganAt = performance.now();
  private readonly words = new LastWords();
  private readonly refusals: Refusals;

  constructor(
    capacity: number,
    policy: ReconnectPolicy,
    private readonly answers: Answers,
    private readonly stats: Stats,
  ) {
    this.births = new Uint16Array(capacity);
    this.refusals = new Refusals(policy);
    stats.answers = answers.all;
    stats.lifetimes = this.refusals.lifetimes;
  }

  /** Connections that are not opened again. */
  get givenUp(): number {
    return this.refusals.givenUp;
  }

  setTarget(connections: number): void {
    this.refusals.setTarget(connections);
  }

  /** How many of `wanted` connections may be tried before the next pause. */
  allowance(wanted: number): number {
    return this.refusals.allowance(wanted);
  }

  opened(number: number, now: number): void {
    this.births[number] = this.stepOf(now);
  }

  /** Bytes that nobody waits for: perhaps why the server is about to close. */
  remember(number: number, bytes: Uint8Array, start: number, end: number): void {
    this.words.remember(number, bytes, start, end);
  }

  forget(number: number): void {
    this.words.forget(number);
  }

  /** The server ended an established connection; `open` are left. */
  lost(number: number, open: number, now: number): void {
    const said = this.words.of(number);
    if (said !== undefined) this.answers.add('closed', said);
    const steps = (this.stepOf(now) - this.births[number]! + oldestAge + 1) % (oldestAge + 1);
    this.refusals.lost(steps * ageStepMs, open);
    blockIfRefused(this.refusals, this.answers, this.stats);
  }

  /** An attempt failed before the connection was established. `name`: errno or `handshake`. */
  failed(name: string, open: number, answer: Uint8Array | undefined): void {
    if (answer !== undefined && answer.length > 0) this.answers.add(name, answer);
    this.refusals.failed(name, open);
    blockIfRefused(this.refusals, this.answers, this.stats);
  }

  private stepOf(now: number): number {
    return Math.floor((now - this.beganAt) / ageStepMs) & oldestAge;
  }
}
