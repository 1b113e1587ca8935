/**
 * What one relay may send. A healthy run sends a sample of some kB a second and, when it begins, a plan and an event for each worker; a hostile or
 * broken host sends without end, and must fill neither memory nor disk. Everything counts: events, replies, noise and complaints.
 */
const burstBytes = 16 * 1024 * 1024;
/** A sample of a run over 64 hosts has 12 kB. */
const bytesPerSecond = 16 * 1024;
/** Ten million connections on a host of 20,000 files a process: 500 workers with three events each, twice over, and ramps of many orders. */
const burstLines = 10_000;
const linesPerSecond = 50;

/** Counts what comes in against what a run can have to say. Pure but for its clock, in milliseconds. */
export class Intake {
  private readonly beganAt: number;
  private bytes = 0;
  private lines = 0;
  /** Seconds of a run whose events may come at once. */
  private replaySeconds = 0;

  constructor(private readonly now: () => number = () => performance.now()) {
    this.beganAt = now();
  }

  /** The run that is followed has gone on for so long already: what was missed comes at once. */
  expectReplay(seconds: number): void {
    this.replaySeconds = Math.max(this.replaySeconds, seconds);
  }

  addBytes(count: number): void {
    this.bytes += count;
  }

  addLine(): void {
    this.lines++;
  }

  /** Why no more may come, in the middle of a sentence; undefined while there is room. */
  get excess(): string | undefined {
    const seconds = (this.now() - this.beganAt) / 1_000 + this.replaySeconds;
    if (this.bytes > burstBytes + seconds * bytesPerSecond) return `${Math.round(this.bytes / 1_048_576)} MiB came where a run has far less to say`;
    return this.lines > burstLines + seconds * linesPerSecond ? `${this.lines} lines came where a run has far fewer` : undefined;
  }
}
