/** How long connections are still held. It stands still while an order ramps: what was left is held afterwards. */
export class HoldTime {
  /** By the clock; undefined while it stands still. */
  private until: number | undefined;
  /** While it stands still; undefined: nothing is held, and none was interrupted. */
  private stoppedAtMs: number | undefined;

  constructor(private readonly clock: { now(): number }) {}

  begin(seconds: number): void {
    this.until = this.clock.now() + seconds * 1_000;
  }

  pause(): void {
    this.stoppedAtMs = this.leftMs;
    this.until = undefined;
  }

  resume(): void {
    this.until = this.clock.now() + this.leftMs;
  }

  end(): void {
    this.until = undefined;
    this.stoppedAtMs = undefined;
  }

  get leftMs(): number {
    return this.until === undefined ? (this.stoppedAtMs ?? 0) : Math.max(0, this.until - this.clock.now());
  }

  /** Null: no hold has begun. */
  get leftSeconds(): number | null {
    return this.until === undefined && this.stoppedAtMs === undefined ? null : this.leftMs / 1_000;
  }
}
