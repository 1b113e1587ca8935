import type { WorkerStats } from '../../protocol/worker.js';

/** What one worker had counted at a moment of its own clock. */
export interface WorkerCounts {
  role: 'server' | 'client';
  atMs: number;
  opened: number;
  tcp: { messages: number; bytes: number };
  websocket: { messages: number; bytes: number };
  cpuMicroseconds: number;
}

/** Counts of all workers, by their ids. */
export type CountsByWorker = ReadonlyMap<string, WorkerCounts>;

export interface RateSource {
  id: string;
  role: 'server' | 'client';
  stats: WorkerStats | undefined;
}

export function countsOf(workers: readonly RateSource[]): CountsByWorker {
  const counts = new Map<string, WorkerCounts>();
  for (const { id, role, stats } of workers) {
    if (stats === undefined) continue;
    const opened = (stats.tcp?.opened ?? 0) + (stats.websocket?.opened ?? 0);
    const tcp = { messages: stats.tcpMessages, bytes: stats.tcpBytes };
    const websocket = { messages: stats.websocketMessages, bytes: stats.websocketBytes };
    counts.set(id, { role, atMs: stats.atMs, opened, tcp, websocket, cpuMicroseconds: stats.cpuMicroseconds });
  }
  return counts;
}

/**
 * Per second, of all workers of a role together: each one's growth over its own time between its two counts, since they are not of the same
 * moment. One that has reported nothing since adds nothing.
 */
export function ratePerSecond(before: CountsByWorker, now: CountsByWorker, role: 'server' | 'client', value: (counts: WorkerCounts) => number): number {
  let rate = 0;
  for (const [id, counts] of now) {
    const earlier = before.get(id);
    if (counts.role !== role || earlier === undefined || counts.atMs <= earlier.atMs) continue;
    rate += (Math.max(0, value(counts) - value(earlier)) * 1_000) / (counts.atMs - earlier.atMs);
  }
  return rate;
}
