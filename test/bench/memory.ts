import { computeLedger, ledgerCaches, type MemoryReading } from '../../src/core/figures/ledger.js';
import {
  kernelStackBytesPerThread,
  parseCpuTicks,
  parseMeminfo,
  parsePerCpuPages,
  parseSlabinfo,
  parseSockstat,
  readPageSize,
  readProcessMemory,
  readText,
  slabAliases,
} from '../../src/linux/procfs.js';
import type { Ledger } from '../../src/protocol/events.js';

export interface Processes {
  server: readonly number[];
  client: readonly number[];
}

/** One slot of a descriptor table. */
const pointerBytes = 8;

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** The machine's memory at one moment, as the supervisor reads it. */
export function readMemory(processes: Processes): MemoryReading {
  const slabText = readText('/proc/slabinfo');
  const slab = slabText === undefined ? null : parseSlabinfo(slabText);
  const meminfo = parseMeminfo(readText('/proc/meminfo') ?? '');
  const of = (pids: readonly number[]) => pids.flatMap((pid) => readProcessMemory(pid) ?? []);
  const server = of(processes.server);
  const client = of(processes.client);
  const all = [...server, ...client];
  const programs = new Map(all.map(({ program }) => [program, Math.max(...all.map((one) => (one.program === program ? (one.mappedFileBytes ?? 0) : 0)))]));
  const sockstat = parseSockstat(readText('/proc/net/sockstat') ?? '');
  return {
    slab,
    pageBytes: readPageSize(),
    slabAliases: slab === null ? {} : slabAliases(ledgerCaches, Object.keys(slab)),
    meminfo,
    perCpuFreeBytes: parsePerCpuPages(readText('/proc/zoneinfo') ?? '') * readPageSize(),
    processes: {
      server: sumOf(server.map(({ privateBytes }) => privateBytes ?? 0)),
      client: sumOf(client.map(({ privateBytes }) => privateBytes ?? 0)),
      supervisor: 0,
    },
    programBytes: sumOf([...programs.values()]),
    fileTableBytes: sumOf(all.map(({ descriptorSlots }) => (descriptorSlots ?? 0) * pointerBytes)),
    pageTableBytes: sumOf(all.map(({ pageTableBytes }) => pageTableBytes ?? 0)),
    kernelStackBytes: sumOf(all.map(({ threads }) => threads ?? 0)) * (kernelStackBytesPerThread(meminfo, readText('/proc/loadavg') ?? '') ?? 0),
    sockstatMemoryPages: sockstat?.memoryPages ?? null,
    tcpAllocated: sockstat?.allocated ?? null,
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

/** TCP sockets of the host; NaN where the kernel does not show them, so that no wait for a number of them ends by mistake. */
export function allocatedSockets(): number {
  return parseSockstat(readText('/proc/net/sockstat') ?? '')?.allocated ?? Number.NaN;
}
