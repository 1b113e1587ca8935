import type { ReconnectPolicy } from '../protocol/worker.js';
import type { Answers } from './opening/answers.js';
import type { Stats } from './stats.js';

/** Between attempts while the server refuses: its answers to those before are seen first. */
export const rowPauseMs = 10;

/** A connection that the server ends this soon was never wanted by it. */
const earlyMs = 2_000;
/** Failures and early ends in a row, as a share of the target, after which the ramp stops: all workers together then tried 2 % more than was asked for. */
const rowShare = 0.02;
const shortestRow = 20;
const longestRow = 1_000;
/** While a row lasts, so many attempts are made between two pauses: the storm grows slower than the pauses. */
const attemptsInRow = 4;
/** Nearly all ages within so much of the median are one timeout of the server. */
const ageTolerance = 0.15;
const ageToleranceMs = 1_500;
const oneAgeShare = 0.9;
/** Fewer lost connections than this are no pattern. */
const fewestLost = 20;

/** Why no more connections are opened. */
export interface Refused {
  kind: 'refused' | 'serverTimeout';
  text: string;
}

/**
 * Decides whether connections that the server refused or ended are opened again. A server that says no is asked a bounded number of times:
 * after a row of failures without success the ramp stops and says why, and one that ends all connections at one age is recognised by that.
 */
export class Refusals {
  private target = 0;
  private row = 0;
  private rowOpen = 0;
  private readonly kinds = new Map<string, number>();
  private retries = 0;
  private lostCount = 0;
  /** Lost connections by age, in steps of 3.5 %. */
  readonly lifetimes: Record<string, number> = {};
  /** Connections that are not opened again. */
  givenUp = 0;
  stop: Refused | undefined;

  constructor(private readonly policy: ReconnectPolicy) {}

  /** A new order tries again. */
  setTarget(connections: number): void {
    this.target = connections;
    this.row = 0;
    this.kinds.clear();
    this.retries = 0;
    this.givenUp = 0;
    this.stop = undefined;
  }

  /** How many of `wanted` connections may be tried before the next pause. */
  allowance(wanted: number): number {
    return this.row === 0 ? wanted : Math.min(wanted, attemptsInRow);
  }

  /** An attempt failed before the connection was established. `kind`: errno, `handshake`, `opening 2`. */
  failed(kind: string, open: number): void {
    this.countRow(kind, open);
    this.countRetry();
  }

  /** The server ended an established connection of this age. */
  lost(ageMs: number, open: number): void {
    const bucket = String(Math.round(20 * Math.log2(1 + ageMs / 100)));
    this.lifetimes[bucket] = (this.lifetimes[bucket] ?? 0) + 1;
    this.lostCount++;
    this.countRetry();
    if (ageMs < earlyMs) this.countRow('closed at once', open);
    else if (this.lostCount >= Math.max(fewestLost, this.target * rowShare) && this.lostCount % fewestLost === 0) this.judgeAges();
  }

  private countRow(kind: string, open: number): void {
    // More connections stayed than failed since the row began: the server works.
    if (this.row === 0 || open - this.rowOpen > this.row) {
      this.row = 0;
      this.rowOpen = open;
      this.kinds.clear();
    }
    this.row++;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    if (this.row < Math.min(longestRow, Math.max(shortestRow, Math.ceil(this.target * rowShare)))) return;
    const kinds = [...this.kinds].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${count} ${name}`);
    this.stop ??= { kind: 'refused', text: `${this.row} attempts in a row without a connection that stayed: ${kinds.join(', ')}` };
  }

  private countRetry(): void {
    this.retries++;
    if (this.policy === 'none' || (this.policy === 'once' && this.retries > this.target)) this.givenUp++;
  }

  private judgeAges(): void {
    const ages = this.ages();
    if (ages === undefined || ages.p50 < earlyMs) return;
    const tolerance = Math.max(ageToleranceMs, ages.p50 * ageTolerance);
    let near = 0;
    for (const [bucket, count] of Object.entries(this.lifetimes)) if (Math.abs(ageOf(bucket) - ages.p50) <= tolerance) near += count;
    if (near < this.lostCount * oneAgeShare) return;
    this.stop ??= {
      kind: 'serverTimeout',
      text: `the server closed ${this.lostCount} connections, nearly all ${(ages.p50 / 1_000).toFixed(1)} s after they were opened`,
    };
  }

  private ages(): { p50: number } | undefined {
    let left = this.lostCount / 2;
    for (const [bucket, count] of Object.entries(this.lifetimes).sort((a, b) => Number(a[0]) - Number(b[0]))) {
      left -= count;
      if (left <= 0) return { p50: ageOf(bucket) };
    }
    return undefined;
  }
}

/** Stops the ramp of a client whose server has said no often enough, with the server's words. */
export function blockIfRefused({ stop }: Refusals, answers: Answers, stats: Stats): void {
  if (stop === undefined) return;
  const said = answers.all[0];
  const words = said === undefined ? '' : `; the server said: ${said.text}`;
  stats.blocked ??= { errno: stop.kind, call: 'connection', text: `${stop.text}${words}` };
}

/** Milliseconds of a bucket of `lifetimes`. */
function ageOf(bucket: string): number {
  return 100 * (2 ** (Number(bucket) / 20) - 1);
}
