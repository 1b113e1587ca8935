import type { Plan } from '../../protocol/plan.js';
import { parseMeminfo, readCgroupLimits, readConntrack, readFileNumbers, readText } from '../../linux/procfs.js';

/** Shares of a limit at which the ramp stops by itself, so that the host can still be reached. */
const cgroupShare = 0.9;
const conntrackShare = 0.9;
const fileShare = 0.95;

/** Why the ramp must not go on. `id` is a wall of `core/walls/catalogue.ts`. */
export interface GuardAlarm {
  id: 'memory' | 'cgroupMemory' | 'conntrack' | 'fileMax';
  /** In words, without a full stop. */
  evidence: string;
  /** So near the end that holding is dangerous too. */
  isCritical: boolean;
}

export interface GuardReading {
  availableBytes: number;
  cgroup: { used: number; limit: number } | undefined;
  conntrack: { used: number; limit: number } | undefined;
  files: { used: number; limit: number } | undefined;
}

export function readGuard(): GuardReading {
  const cgroup = readCgroupLimits();
  return {
    availableBytes: parseMeminfo(readText('/proc/meminfo') ?? '').MemAvailable ?? Number.POSITIVE_INFINITY,
    cgroup: cgroup.memoryMaximumBytes === null ? undefined : { used: cgroup.memoryCurrentBytes ?? 0, limit: cgroup.memoryMaximumBytes },
    conntrack: readConntrack(),
    files: readFileNumbers(),
  };
}

/** Growth is judged over at least this long: the kernel charges a group in batches. */
const trendMs = 60;
/** Until all workers have heard that the ramp stops, and what they had begun is done (measured: 60 to 110 ms at 110,000 connections a second). */
const reactionMs = 110;

/** How fast a control group fills, so that a ramp of a gigabyte a second is slowed before its end and stopped in time. */
export class GroupTrend {
  private readonly readings: { atMs: number; used: number }[] = [];

  /** Bytes that come on top until a stop has taken effect. */
  observeUse(atMs: number, used: number): number {
    this.readings.push({ atMs, used });
    while (this.readings.length > 2 && atMs - this.readings[1]!.atMs >= trendMs) this.readings.shift();
    const first = this.readings[0]!;
    const elapsedMs = atMs - first.atMs;
    return elapsedMs < trendMs ? 0 : Math.max(0, ((used - first.used) / elapsedMs) * reactionMs);
  }
}

/** What a connection is charged to its group, about (5.7 to 8.4 kB): a ramp that is slowed twice is as slow as it should be. */
const chargedBytesPerConnection = 6_000;
/** No slower: a group's last megabytes are then filled within seconds, by a megabyte before a stop takes effect. */
const slowestRate = 1_000;

/** The rate at which what comes before a stop takes effect fills half of a group's room; undefined while that is so already. Pure. */
export function slowerRate({ used, limit }: { used: number; limit: number }, coming: number): number | undefined {
  const room = limit * cgroupShare - used;
  if (room <= 0 || coming <= room / 2) return undefined;
  return Math.max(slowestRate, Math.floor((room / 2 / chargedBytesPerConnection) * (1_000 / reactionMs)));
}

/** The first alarm, or undefined while there is room. Pure. */
export function judgeGuard(reading: GuardReading, guardBytes: Plan['guardBytes']): GuardAlarm | undefined {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 1_048_576).toString()} MiB`;
  if (reading.availableBytes < guardBytes) {
    const evidence = `MemAvailable fell to ${mebibytes(reading.availableBytes)}, below the guard of ${mebibytes(guardBytes)}`;
    return { id: 'memory', evidence, isCritical: reading.availableBytes < guardBytes / 2 };
  }
  const { cgroup, conntrack, files } = reading;
  if (cgroup !== undefined && cgroup.used > cgroup.limit * cgroupShare) {
    const evidence = `the control group uses ${mebibytes(cgroup.used)} of its ${mebibytes(cgroup.limit)}`;
    return { id: 'cgroupMemory', evidence, isCritical: cgroup.used > cgroup.limit * 0.97 };
  }
  if (conntrack !== undefined && conntrack.limit > 0 && conntrack.used > conntrack.limit * conntrackShare) {
    return { id: 'conntrack', evidence: `${conntrack.used} of ${conntrack.limit} tracked connections are in use`, isCritical: false };
  }
  if (files !== undefined && files.limit > 0 && files.used > files.limit * fileShare) {
    return { id: 'fileMax', evidence: `${files.used} of ${files.limit} file structures are in use`, isCritical: false };
  }
  return undefined;
}
