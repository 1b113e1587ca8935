/** A tenth of a second's tokens may gather, so that a loop that comes late catches up without a burst that anybody would notice. */
const gatheredSeconds = 0.1;

/** Allows `rate` things per second, 0: any number. Times are in milliseconds of one monotonic clock. */
export class TokenBucket {
  private tokens = 0;
  private filledAt: number;

  constructor(
    private rate: number,
    now: number,
  ) {
    this.filledAt = now;
  }

  setRate(rate: number, now: number): void {
    this.fill(now);
    this.rate = rate;
    this.tokens = Math.min(this.tokens, this.capacity);
  }

  /** Takes up to `wanted` tokens and returns how many there were. */
  takeTokens(wanted: number, now: number): number {
    if (this.rate === 0) return wanted;
    this.fill(now);
    // A token is whole at 1 − 10⁻⁹: sums of fractions of milliseconds come out just below.
    const taken = Math.min(wanted, Math.floor(this.tokens + 1e-9));
    this.tokens = Math.max(0, this.tokens - taken);
    return taken;
  }

  /** Milliseconds until the next token, 0 when there is one. */
  dueIn(now: number): number {
    if (this.rate === 0) return 0;
    this.fill(now);
    return this.tokens >= 1 ? 0 : ((1 - this.tokens) / this.rate) * 1000;
  }

  private get capacity(): number {
    return Math.max(1, this.rate * gatheredSeconds);
  }

  private fill(now: number): void {
    this.tokens = Math.min(this.capacity, this.tokens + ((now - this.filledAt) / 1000) * this.rate);
    this.filledAt = now;
  }
}

const firstDelayMs = 10;
const longestDelayMs = 1_000;
/** Successes in a row until the delay is forgotten: a server that accepts and then closes must not be hammered. */
const successesToForget = 64;

/** Doubles the pause after each failure up to a second, so that no error is repeated in a hot loop. */
export class Backoff {
  private delayMs = 0;
  private until = 0;
  private successes = 0;

  fail(now: number): void {
    this.successes = 0;
    // Failures of attempts that were made before the pause began are of the same cause.
    if (now < this.until) return;
    this.delayMs = this.delayMs === 0 ? firstDelayMs : Math.min(longestDelayMs, this.delayMs * 2);
    this.until = now + this.delayMs;
  }

  succeed(): void {
    if (this.delayMs !== 0 && ++this.successes >= successesToForget) this.delayMs = 0;
  }

  forget(): void {
    this.delayMs = 0;
    this.until = 0;
  }

  /** Milliseconds until the next attempt may be made, 0: now. */
  dueIn(now: number): number {
    return Math.max(0, this.until - now);
  }
}
