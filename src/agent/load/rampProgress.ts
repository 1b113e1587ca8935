/** Without coming nearer to the target for this long, the ramp has found its end. */
export const stallMs = 15_000;
/** So many attempts in `stallMs` say something about the server. */
const attemptsWorthJudging = 20;
/** A ramp that keeps less than this share of what it opens is being refused: backing off, it would go on like that for ever. */
const keptShareWorthGoingOn = 0.05;

/** Counts at one moment of a ramp. `opened` and `failed` only grow. */
export interface RampCounts {
  target: number;
  established: { server: number; client: number };
  opened: number;
  failed: number;
}

interface Window {
  beganAt: number;
  distance: number;
  attempts: number;
}

/** Judges whether a ramp still comes nearer to its target: counts that only go up and down are no progress. Times are in milliseconds. */
export class RampProgress {
  private target = Number.NaN;
  private nearest = 0;
  private nearestClient = 0;
  private nearerAt = 0;
  private window: Window = { beganAt: 0, distance: 0, attempts: 0 };

  /** How long the ramp has not come nearer. */
  idleMs(now: number): number {
    return now - this.nearerAt;
  }

  /** In words why the ramp has come to its end, or undefined while it goes on. */
  observeCounts(now: number, { target, established, opened, failed }: RampCounts): string | undefined {
    const clientDistance = Math.abs(target - established.client);
    const distance = clientDistance + Math.abs(target - established.server);
    const attempts = opened + failed;
    if (target !== this.target) {
      this.target = target;
      this.nearest = Number.POSITIVE_INFINITY;
      this.nearestClient = clientDistance;
      this.window = { beganAt: now, distance: clientDistance, attempts };
    }
    if (distance < this.nearest) {
      this.nearest = distance;
      this.nearerAt = now;
    }
    this.nearestClient = Math.min(this.nearestClient, clientDistance);
    const seconds = stallMs / 1_000;
    if (this.idleMs(now) > stallMs) return `it came no nearer to its target for ${seconds} s`;
    if (now - this.window.beganAt < stallMs) return undefined;
    const tried = attempts - this.window.attempts;
    const kept = this.window.distance - this.nearestClient;
    this.window = { beganAt: now, distance: this.nearestClient, attempts };
    if (tried < attemptsWorthJudging || kept >= tried * keptShareWorthGoingOn) return undefined;
    return `only ${kept} of ${tried} connections tried in ${seconds} s stayed open`;
  }
}
