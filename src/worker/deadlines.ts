/** How long a client waits for a server. */
export const patienceMs = {
  /** Until a connection must be established, the answer to the WebSocket handshake included. */
  established: 30_000,
  /** Until a TLS handshake must be done, since TCP is connected: shorter than the time after which a ramp that stands still ends. */
  tls: 10_000,
  /** Until a server must have answered our close frame. */
  closing: 2_000,
} as const;

const sweepPeriodMs = 500;

/** Until when connections may stay as they are; only those that may not stay so for ever have one. */
export class Deadlines {
  private readonly deadlines = new Map<number, number>();
  private nextSweepAt = 0;

  get size(): number {
    return this.deadlines.size;
  }

  set(fd: number, at: number): void {
    this.deadlines.set(fd, at);
  }

  delete(fd: number): void {
    if (this.deadlines.size !== 0) this.deadlines.delete(fd);
  }

  /** Notifies those whose time is over, twice a second. Returns the milliseconds until it wants to be called again. */
  sweep(now: number, onLate: (fd: number) => void): number {
    if (this.deadlines.size === 0) return Number.POSITIVE_INFINITY;
    if (now >= this.nextSweepAt) {
      this.nextSweepAt = now + sweepPeriodMs;
      for (const [fd, deadline] of this.deadlines) {
        if (now < deadline) continue;
        this.deadlines.delete(fd);
        onLate(fd);
      }
    }
    return this.nextSweepAt - now;
  }
}
