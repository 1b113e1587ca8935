/** Rates over less than this are noise: workers report their counts some times a second, so a fraction of one report would be divided by next to nothing. */
const shortestRateMs = 500;

/**
 * Chooses the earlier reading that a rate is computed from. Samples are taken once a second and besides where a phase begins; one
 * that comes right after another is measured from the reading before that, and the next one too.
 */
export class RateReadings<T extends { atMs: number }> {
  private latest: T | undefined;
  private earlier: T | undefined;

  /** The reading to compare `current` with; undefined: there is none yet. `isSame`: nothing was counted since a reading. */
  before(current: T, isSame: (reading: T) => boolean): T | undefined {
    const { latest } = this;
    if (latest === undefined) {
      this.latest = current;
      return undefined;
    }
    if (current.atMs - latest.atMs >= shortestRateMs) {
      this.latest = current;
      this.earlier = latest;
      return latest;
    }
    if (isSame(latest)) {
      // A standstill ends here: what comes next is measured from its end, however soon it is over.
      this.latest = current;
      this.earlier = undefined;
      return latest;
    }
    return this.earlier ?? latest;
  }

  clear(): void {
    this.latest = undefined;
    this.earlier = undefined;
  }
}
