import { computeLedger, type MemoryReading } from '../../src/core/figures/ledger.js';
import {
  parseCpuTicks,
  parseMeminfo,
  parsePerCpuPages,
  parseSlabinfo,
  parseSockstat,
  readPageSize,
  readProcessTables,
  readProportionalSetSize,
  readText,
} from '../../src/linux/procfs.js';
import type { Ledger } from '../../src/protocol/events.js';

export interface Processes {
  server: readonly number[];
  client: readonly number[];
}

/** One slot of a descriptor table. */
const pointerBytes = 8;

const proportionalSize = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + (readProportionalSetSize(pid) ?? 0), 0);

/** The machine's memory at one moment, as the supervisor reads it. */
export function readMemory(processes: Processes): MemoryReading {
  const slab = readText('/proc/slabinfo');
  const tables = [...processes.server, ...processes.client].map(readProcessTables);
  const sockstat = parseSockstat(readText('/proc/net/sockstat') ?? '');
  return {
    slab: slab === undefined ? null : parseSlabinfo(slab),
    meminfo: parseMeminfo(readText('/proc/meminfo') ?? ''),
    perCpuFreeBytes: parsePerCpuPages(readText('/proc/zoneinfo') ?? '') * readPageSize(),
    processes: { server: proportionalSize(processes.server), client: proportionalSize(processes.client), supervisor: 0 },
    fileTableBytes: tables.reduce((sum, { descriptorSlots }) => sum + descriptorSlots * pointerBytes, 0),
    pageTableBytes: tables.reduce((sum, { pageTableBytes }) => sum + pageTableBytes, 0),
    sockstatMemoryPages: sockstat.memoryPages,
    tcpAllocated: sockstat.allocated,
    timeWait: sockstat.timeWait,
  };
}

export function ledgerOf(before: MemoryReading, now: MemoryReading, connections: number): Ledger {
  return computeLedger(before, now, { server: connections, client: connections });
}

const ticksPerSecond = 100;

/** Seconds of CPU: of the whole machine, and of some processes. */
export function busySeconds(): number {
  return parseCpuTicks(readText('/proc/stat') ?? '').busy / ticksPerSecond;
}

export function ownSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const text = readText(`/proc/${pid}/stat`) ?? '';
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / ticksPerSecond;
}

export function allocatedSockets(): number {
  return parseSockstat(readText('/proc/net/sockstat') ?? '').allocated;
}
