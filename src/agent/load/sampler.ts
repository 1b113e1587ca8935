import { decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js';
import { computeLedger, type MemoryReading } from '../../core/figures/ledger.js';
import {
  parseCpuTicks,
  parseMeminfo,
  parseNetstat,
  parsePerCpuPages,
  parseSlabinfo,
  parseSockstat,
  readCgroupLimits,
  readConntrack,
  readProcessTables,
  readFileNumbers,
  readPageSize,
  readProportionalSetSize,
  readText,
} from '../../linux/procfs.js';
import type { Phase, RunEventBody, Sample } from '../../protocol/events.js';
import type { WorkerStats } from '../../protocol/worker.js';
import { RateReadings } from './rateReadings.js';
import type { WorkerPool } from './workerPool.js';
import type { Worker } from './workerProcess.js';

export type SampleBody = Extract<RunEventBody, { type: 'sample' }>;

/** The proportional share of each process is read once in this many samples: it costs a walk of its page tables. */
const processSharePeriod = 5;
/** A descriptor table above this many bytes is not in the slabs but in pages of its own. */
const largestSlabBytes = 8_192;
const microsecondsPerSecond = 1_000_000;

interface ProtocolTotals {
  server: number;
  client: number;
  opened: number;
  messages: number;
  bytes: number;
}

/** Counts of all workers at one moment. */
export interface Totals {
  tcp: ProtocolTotals;
  websocket: ProtocolTotals;
  established: { server: number; client: number };
  opened: number;
  connecting: number;
  failed: { total: number; byErrno: Record<string, number> };
  lost: number;
  messagesLost: number;
  cpuMicroseconds: { server: number; client: number };
}

export function totalsOf(pool: WorkerPool): Totals {
  const emptyProtocol = (): ProtocolTotals => ({ server: 0, client: 0, opened: 0, messages: 0, bytes: 0 });
  const totals: Totals = {
    tcp: emptyProtocol(),
    websocket: emptyProtocol(),
    established: { server: 0, client: 0 },
    opened: 0,
    connecting: 0,
    failed: { total: 0, byErrno: {} },
    lost: 0,
    messagesLost: 0,
    cpuMicroseconds: { server: 0, client: 0 },
  };
  for (const worker of pool.all) if (worker.stats !== undefined) addWorker(totals, worker.role, worker.stats, worker.hasEnded);
  totals.established = { server: totals.tcp.server + totals.websocket.server, client: totals.tcp.client + totals.websocket.client };
  return totals;
}

function addWorker(totals: Totals, role: 'server' | 'client', stats: WorkerStats, hasEnded: boolean): void {
  for (const protocol of ['tcp', 'websocket'] as const) {
    const counters = stats[protocol];
    if (counters === undefined) continue;
    if (!hasEnded) totals[protocol][role] += counters.open;
    if (role === 'client') totals[protocol].opened += counters.opened;
  }
  totals.cpuMicroseconds[role] += stats.cpuMicroseconds;
  if (role === 'server') return;
  totals.opened = totals.tcp.opened + totals.websocket.opened;
  totals.tcp.messages += stats.tcpMessages;
  totals.tcp.bytes += stats.tcpBytes;
  totals.websocket.messages += stats.websocketMessages;
  totals.websocket.bytes += stats.websocketBytes;
  if (!hasEnded) totals.connecting += stats.connecting;
  totals.lost += stats.lost;
  totals.messagesLost += stats.messagesLost;
  for (const [errno, count] of Object.entries(stats.failed)) {
    totals.failed.byErrno[errno] = (totals.failed.byErrno[errno] ?? 0) + count;
    totals.failed.total += count;
  }
}

/** What rates are computed from. */
interface Reading {
  atMs: number;
  totals: Totals;
  ticks: { total: number; busy: number };
  own: NodeJS.CpuUsage;
}

function isStill(before: Totals, now: Totals): boolean {
  return before.opened === now.opened && before.tcp.messages === now.tcp.messages && before.websocket.messages === now.websocket.messages;
}

/**
 * Measures the run once a second, from sources whose cost does not grow with the number of connections. Never reads
 * `/proc/PID/fd` or `/proc/net/tcp`.
 */
export class Sampler {
  private readonly pageSize = readPageSize();
  private readonly shares = new Map<number, number>();
  private readonly descriptorTables = new Map<number, number>();
  private readonly pageTables = new Map<number, number>();
  private turn = 0;
  private baseline: MemoryReading | undefined;
  private netstatBaseline: Record<string, number> = {};
  /** What was lost and failed before the drain: what our own closing does is neither. */
  private beforeDrain: Pick<Totals, 'failed' | 'lost' | 'messagesLost'> | undefined;
  private readonly readings = new RateReadings<Reading>();

  constructor(
    private readonly pool: WorkerPool,
    private readonly options: { cores: number; guardBytes: number; isTracked: boolean },
  ) {}

  /** Taken when the workers are ready and hold no connection. */
  takeBaseline(): void {
    this.baseline = this.readMemory();
    this.netstatBaseline = readNetstat();
    this.readings.clear();
  }

  /** Reads the share of every process at once, for a figure that must be exact. */
  refreshProcesses(): void {
    this.turn = 0;
    for (const worker of this.pool.all) if (!worker.hasEnded) this.readShares(worker);
    // Without it the baseline would take this process for one that others started later.
    this.readOwnShare();
  }

  /** From here on connections end because we end them. */
  beginDrain(): void {
    const { failed, lost, messagesLost } = totalsOf(this.pool);
    this.beforeDrain = { failed, lost, messagesLost };
  }

  sample(phase: Phase, target: number): SampleBody {
    const totals = { ...totalsOf(this.pool), ...this.beforeDrain };
    const now = performance.now();
    const ticks = parseCpuTicks(readText('/proc/stat') ?? '');
    const own = process.cpuUsage();
    const current: Reading = { atMs: now, totals, ticks, own };
    const previous = this.readings.before(current, (before) => isStill(before.totals, totals)) ?? { ...current, atMs: now - 1_000 };
    const seconds = Math.max(0.001, (now - previous.atMs) / 1_000);
    const perSecond = (current: number, before: number) => Math.max(0, current - before) / seconds;
    const cores = (current: number, before: number) => perSecond(current, before) / microsecondsPerSecond;

    this.readSomeShares();
    const reading = this.readMemory();
    const sockstat = readSockstat();
    const latency = this.latency();
    const tickTotal = ticks.total - previous.ticks.total;
    const protocolCounts = (protocol: 'tcp' | 'websocket') => ({
      server: totals[protocol].server,
      client: totals[protocol].client,
      messagesPerSecond: perSecond(totals[protocol].messages, previous.totals[protocol].messages),
      bytesPerSecond: perSecond(totals[protocol].bytes, previous.totals[protocol].bytes),
      messagesTotal: totals[protocol].messages,
      bytesTotal: totals[protocol].bytes,
      processBytes: this.processBytes(protocol),
    });
    const uses = (protocol: 'tcp' | 'websocket') => this.pool.all.some((worker) => worker.stats?.[protocol] !== undefined);
    return {
      type: 'sample',
      phase,
      target,
      established: totals.established,
      byProtocol: { ...(uses('tcp') ? { tcp: protocolCounts('tcp') } : {}), ...(uses('websocket') ? { websocket: protocolCounts('websocket') } : {}) },
      connecting: totals.connecting,
      failed: totals.failed,
      lost: totals.lost,
      messagesLost: totals.messagesLost,
      connectRate: perSecond(totals.opened, previous.totals.opened),
      ledger: computeLedger(this.baseline ?? reading, reading, totals.established),
      memory: {
        availableBytes: reading.meminfo.MemAvailable ?? 0,
        totalBytes: reading.meminfo.MemTotal ?? 0,
        guardBytes: this.options.guardBytes,
        cgroupCurrentBytes: readCgroupLimits().memoryCurrentBytes,
      },
      cpu: {
        server: cores(totals.cpuMicroseconds.server, previous.totals.cpuMicroseconds.server),
        client: cores(totals.cpuMicroseconds.client, previous.totals.cpuMicroseconds.client),
        supervisor: cores(own.user + own.system, previous.own.user + previous.own.system),
        host: tickTotal === 0 ? 0 : ((ticks.busy - previous.ticks.busy) / tickTotal) * this.options.cores,
        cores: this.options.cores,
      },
      sockstat,
      netstat: this.netstatGrowth(),
      limits: readLimits(this.options.isTracked),
      ...(latency === undefined ? {} : { latency }),
    };
  }

  private readMemory(): MemoryReading {
    const slabText = readText('/proc/slabinfo');
    const sockstat = readSockstat();
    const workers = [...this.processesOf('server'), ...this.processesOf('client')];
    const shareOf = (role: 'server' | 'client') => sum(this.processesOf(role).map((pid) => this.shares.get(pid) ?? 0));
    return {
      slab: slabText === undefined ? null : parseSlabinfo(slabText),
      meminfo: parseMeminfo(readText('/proc/meminfo') ?? ''),
      perCpuFreeBytes: parsePerCpuPages(readText('/proc/zoneinfo') ?? '') * this.pageSize,
      processes: { server: shareOf('server'), client: shareOf('client'), supervisor: this.shares.get(process.pid) ?? 0 },
      fileTableBytes: sum(workers.map((pid) => this.descriptorTables.get(pid) ?? 0)),
      pageTableBytes: sum(workers.map((pid) => this.pageTables.get(pid) ?? 0)),
      sockstatMemoryPages: sockstat.memoryPages,
      tcpAllocated: sockstat.allocated,
      timeWait: sockstat.timeWait,
    };
  }

  /** What the workers that serve only this protocol hold (PSS); null where one process serves both. */
  private processBytes(protocol: 'tcp' | 'websocket'): { server: number | null; client: number | null } {
    const other = protocol === 'tcp' ? 'websocket' : 'tcp';
    const ofRole = (role: 'server' | 'client') => {
      const workers = this.pool.all.filter((worker) => worker.role === role && !worker.hasEnded && worker.stats?.[protocol] !== undefined);
      if (workers.some((worker) => worker.stats?.[other] !== undefined)) return null;
      return sum(workers.flatMap((worker) => worker.pids).map((pid) => this.shares.get(pid) ?? 0));
    };
    return { server: ofRole('server'), client: ofRole('client') };
  }

  private processesOf(role: 'server' | 'client'): number[] {
    return this.pool.all.filter((worker) => worker.role === role && !worker.hasEnded).flatMap((worker) => worker.pids);
  }

  private readSomeShares(): void {
    const workers = this.pool.all.filter((worker) => !worker.hasEnded);
    workers.forEach((worker, index) => {
      if (index % processSharePeriod === this.turn % processSharePeriod || !this.shares.has(worker.pids[0] ?? 0)) this.readShares(worker);
    });
    if (this.turn % processSharePeriod === 0) this.readOwnShare();
    this.turn++;
  }

  private readOwnShare(): void {
    this.shares.set(process.pid, readProportionalSetSize(process.pid) ?? 0);
  }

  private readShares(worker: Worker): void {
    for (const pid of worker.pids) {
      this.shares.set(pid, readProportionalSetSize(pid) ?? 0);
      const { descriptorSlots, pageTableBytes } = readProcessTables(pid);
      this.pageTables.set(pid, pageTableBytes);
      // A pointer and two bits for each slot.
      const bytes = descriptorSlots * 8.25;
      this.descriptorTables.set(pid, bytes > largestSlabBytes ? bytes : 0);
    }
  }

  private netstatGrowth(): Record<string, number> {
    const growth: Record<string, number> = {};
    for (const [key, value] of Object.entries(readNetstat())) {
      const difference = value - (this.netstatBaseline[key] ?? 0);
      if (difference !== 0) growth[key] = difference;
    }
    return growth;
  }

  private latency(): Sample['latency'] {
    let merged: Histogram | undefined;
    for (const worker of this.pool.clients) {
      const encoded = worker.stats?.histogram;
      if (encoded === undefined) continue;
      const histogram = decodeFromCompressedBase64(encoded);
      if (merged === undefined) merged = histogram;
      else merged.add(histogram);
    }
    if (merged === undefined || merged.totalCount === 0) return undefined;
    const milliseconds = (percentile: number) => merged.getValueAtPercentile(percentile) / 1_000;
    return {
      count: merged.totalCount,
      p50: milliseconds(50),
      p90: milliseconds(90),
      p99: milliseconds(99),
      p999: milliseconds(99.9),
      max: merged.maxValue / 1_000,
    };
  }
}

function readSockstat(): ReturnType<typeof parseSockstat> {
  return parseSockstat(readText('/proc/net/sockstat') ?? '', readText('/proc/net/sockstat6') ?? '');
}

function readNetstat(): Record<string, number> {
  return { ...parseNetstat(readText('/proc/net/netstat') ?? ''), ...parseNetstat(readText('/proc/net/snmp') ?? '') };
}

/** Limits of the whole host or namespace, and how much of each is used. */
export function readLimits(isTracked: boolean): Sample['limits'] {
  const limits: Sample['limits'] = { fileMax: readFileNumbers() };
  const conntrack = isTracked ? readConntrack() : undefined;
  if (conntrack !== undefined) limits.conntrack = conntrack;
  const cgroup = readCgroupLimits();
  if (cgroup.memoryMaximumBytes !== null) limits.cgroupMemory = { used: cgroup.memoryCurrentBytes ?? 0, limit: cgroup.memoryMaximumBytes };
  if (cgroup.pidsMaximum !== null) limits.cgroupPids = { used: cgroup.pidsCurrent ?? 0, limit: cgroup.pidsMaximum };
  return limits;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
