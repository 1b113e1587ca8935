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
