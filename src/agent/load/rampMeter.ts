import type { Sample } from '../../protocol/events.js';
import type { WorkerStats } from '../../protocol/worker.js';

const tenthMs = 100;
/** So long rates of tenths are reported: a longer ramp has enough whole seconds. */
const longestMs = 10_000;

interface Meter {
  /** Moments and counts of connections ever opened, in turn, oldest first; the first pair is from before the interval that is next. */
  points: number[];
}

/** Who is metered: a worker and what it reported last. */
export interface MeteredWorker {
  id: string;
  role: 'server' | 'client';
  stats: WorkerStats | undefined;
}

/**
 * Rates of one ramp by the moments at which its workers counted, whenever their counts arrived here. Between two counts a straight line is
 * assumed; they are a twentieth of a second apart. Bounded: what was reported is forgotten, and nothing is kept of a ramp after ten seconds.
 */
export class RampMeter {
  private readonly clients = new Map<string, Meter>();
  private readonly cpuBefore = new Map<string, number>();
  private beganAt: number | undefined;
  private openedBefore = 0;
  private opened = 0;
  private lastGrowthAt = 0;
  /** The beginning of the tenth that is reported next. */
  private nextAt = 0;

  /** `atMs`: of the host's monotonic clock. The workers' counts should be fresh. */
  begin(workers: readonly MeteredWorker[], atMs: number): void {
    this.beganAt = atMs;
    this.nextAt = atMs;
    this.lastGrowthAt = atMs;
    this.clients.clear();
    this.cpuBefore.clear();
    for (const { id, role, stats } of workers) {
      this.cpuBefore.set(id, stats?.cpuMicroseconds ?? 0);
      if (role === 'client') this.clients.set(id, { points: [atMs, openedOf(stats)] });
    }
    this.openedBefore = this.sumOpened();
    this.opened = this.openedBefore;
  }

  /** Takes new counts of a worker. */
  observeWorker({ id, stats }: MeteredWorker): void {
    const meter = this.clients.get(id);
    if (meter === undefined || stats === undefined || this.beganAt === undefined) return;
    const { marks = [] } = stats;
    for (let index = 0; index + 1 < marks.length; index += 2) this.addPoint(meter, marks[index]!, marks[index + 1]!);
    this.addPoint(meter, stats.atMs, openedOf(stats));
    this.opened = this.sumOpened();
  }

  /** Connections per second of each whole tenth that all workers have counted, and that was not reported before. */
  takeRates(): number[] {
    const { beganAt } = this;
    if (beganAt === undefined || this.clients.size === 0) return [];
    const meters = [...this.clients.values()];
    const until = Math.min(this.lastGrowthAt, beganAt + longestMs, ...meters.map(({ points }) => points[points.length - 2]!));
    const rates: number[] = [];
    for (; this.nextAt + tenthMs <= until; this.nextAt += tenthMs) {
      const opened = meters.reduce((sum, { points }) => sum + countAt(points, this.nextAt + tenthMs) - countAt(points, this.nextAt), 0);
      rates.push((opened * 1_000) / tenthMs);
    }
    for (const { points } of meters) forgetBefore(points, this.nextAt);
    return rates;
  }

  /** The ramp up to now; undefined before the first. */
  reading(workers: readonly MeteredWorker[]): Sample['ramp'] {
    if (this.beganAt === undefined) return undefined;
    const cpuMicroseconds = workers.reduce((sum, { id, stats }) => sum + (stats?.cpuMicroseconds ?? 0) - (this.cpuBefore.get(id) ?? 0), 0);
    return { seconds: (this.lastGrowthAt - this.beganAt) / 1_000, opened: this.opened - this.openedBefore, cpuMicroseconds };
  }

  private addPoint({ points }: Meter, atMs: number, opened: number): void {
    const last = points.length - 2;
    if (atMs <= points[last]!) return;
    if (opened > points[last + 1]!) this.lastGrowthAt = Math.max(this.lastGrowthAt, atMs);
    if (this.nextAt - (this.beganAt ?? 0) >= longestMs) points.length = 0;
    points.push(atMs, opened);
  }

  private sumOpened(): number {
    let sum = 0;
    for (const { points } of this.clients.values()) sum += points[points.length - 1]!;
    return sum;
  }
}

function openedOf(stats: WorkerStats | undefined): number {
  return (stats?.tcp?.opened ?? 0) + (stats?.websocket?.opened ?? 0);
}

/** The count at a moment, on the line between those before and after it. */
function countAt(points: readonly number[], atMs: number): number {
  for (let index = 2; index < points.length; index += 2) {
    if (points[index]! < atMs) continue;
    const [before, countBefore, after, countAfter] = points.slice(index - 2, index + 2) as [number, number, number, number];
    return countBefore + ((countAfter - countBefore) * (atMs - before)) / (after - before);
  }
  return points[points.length - 1]!;
}

/** Keeps the last point before the moment, and what follows. */
function forgetBefore(points: number[], atMs: number): void {
  let first = 0;
  while (first + 2 < points.length && points[first + 2]! <= atMs) first += 2;
  points.splice(0, first);
}
