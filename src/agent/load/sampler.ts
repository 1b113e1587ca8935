import { computeLedger, ledgerCaches, type MemoryReading } from '../../core/figures/ledger.js';
import { hostClockMs } from '../../linux/clock.js';
import {
  kernelStackBytesPerThread,
  parseCpuTicks,
  parseMeminfo,
  parseNetstat,
  parsePerCpuPages,
  parseSlabinfo,
  readSockstat,
  readCgroupLimits,
  readConntrack,
  readFileNumbers,
  readPageSize,
  readText,
  slabAliases,
} from '../../linux/procfs.js';
import type { Phase, RunEventBody, Sample } from '../../protocol/events.js';
import { mergedLatency } from './mergedLatency.js';
import { ProcessShares } from './processShares.js';
import { RateReadings } from './rateReadings.js';
import { RampMeter } from './rampMeter.js';
import { tlsSample } from './tlsSample.js';
import { type Totals, totalsOf } from './totals.js';
import { type CountsByWorker, countsOf, ratePerSecond, type WorkerCounts } from './workerRates.js';
import type { WorkerPool } from './workerPool.js';
import type { Worker } from './workerProcess.js';

export type SampleBody = Extract<RunEventBody, { type: 'sample' }>;

const microsecondsPerSecond = 1_000_000;

/** What rates are computed from. */
interface Reading {
  atMs: number;
  totals: Totals;
  counts: CountsByWorker;
  ticks: { total: number; busy: number };
  own: NodeJS.CpuUsage;
}

function isStill(before: Totals, now: Totals): boolean {
  return before.opened === now.opened && before.tcp.messages === now.tcp.messages && before.websocket.messages === now.websocket.messages;
}

/** A worker reports its counts once a second at least. */
const staleAfterMs = 2_000;

/**
 * Measures the run once a second, from sources whose cost does not grow with the number of connections. Never reads
 * `/proc/PID/fd` or `/proc/net/tcp`.
 */
export class Sampler {
  private readonly pageSize = readPageSize();
  private readonly processes = new ProcessShares();
  private baseline: MemoryReading | undefined;
  /** Read once: the kernel merges caches when it makes them. */
  private slabAliases: Record<string, string> | undefined;
  /** What an attached server held before: its growth is what the connections cost. */
  private serverBefore = 0;
  private serverReadAt = 0;
  private serverReadCostMs = 0;
  private netstatBaseline: Record<string, number> = {};
  /** What was lost and failed before the drain: what our own closing does is neither. */
  private beforeDrain: Pick<Totals, 'failed' | 'lost'> | undefined;
  private readonly readings = new RateReadings<Reading>();
  private readonly meter = new RampMeter();

  constructor(
    private readonly pool: WorkerPool,
    private readonly options: { cores: number; guardBytes: number; isTracked: boolean; isStateless: boolean; isForeign: boolean; isAttached: boolean },
  ) {}

  /** Taken when the workers are ready and hold no connection. */
  takeBaseline(): void {
    if (this.options.isAttached) this.serverBefore = this.processes.privateBytes(this.processesOf('server')) ?? 0;
    this.baseline = this.readMemory();
    this.netstatBaseline = readNetstat();
    this.readings.clear();
  }

  /** Reads the share of every process at once, for a figure that must be exact. */
  refreshProcesses(): void {
    this.processes.readAll(this.livingWorkers());
  }

  /** From here on connections end because we end them. */
  beginDrain(): void {
    const { failed, lost } = totalsOf(this.pool.all);
    this.beforeDrain = { failed, lost };
  }

  /** A ramp begins; the workers' counts should be fresh. */
  beginRamp(): void {
    this.meter.begin(this.pool.all, hostClockMs());
  }

  /** A worker has reported its counts. */
  observeWorker(worker: Worker): void {
    this.meter.observeWorker(worker);
  }

  /** Workers whose counts are too old to stand for now. */
  staleWorkers(): string[] {
    const now = hostClockMs();
    return this.livingWorkers().flatMap(({ id, stats }) => (stats !== undefined && now - stats.atMs > staleAfterMs ? [id] : []));
  }

  sample(phase: Phase, target: number): SampleBody {
    const totals = { ...totalsOf(this.pool.all), ...this.beforeDrain };
    const now = performance.now();
    const ticks = parseCpuTicks(readText('/proc/stat') ?? '');
    const own = process.cpuUsage();
    const counts = countsOf(this.pool.all);
    const current: Reading = { atMs: now, totals, counts, ticks, own };
    const previous = this.readings.before(current, (before) => isStill(before.totals, totals)) ?? { ...current, atMs: now - 1_000 };
    const seconds = Math.max(0.001, (now - previous.atMs) / 1_000);
    const perSecond = (current: number, before: number) => Math.max(0, current - before) / seconds;
    const rate = (role: 'server' | 'client', value: (counts: WorkerCounts) => number) => ratePerSecond(previous.counts, counts, role, value);
    const cores = (role: 'server' | 'client') => rate(role, ({ cpuMicroseconds }) => cpuMicroseconds) / microsecondsPerSecond;
    const stale = this.staleWorkers();
    const ramp = phase === 'ramping' || phase === 'holding' ? this.meter.reading(this.pool.all) : undefined;
    const connectRates = ramp === undefined ? [] : this.meter.takeRates();

    this.readProcesses();
    const reading = this.readMemory();
    const sockstat = readSockstat();
    const latency = mergedLatency(this.pool.clients, this.pool.servers.length === 0);
    const tickTotal = ticks.total - previous.ticks.total;
    const protocolCounts = (protocol: 'tcp' | 'websocket') => ({
      server: totals[protocol].server,
      client: totals[protocol].client,
      messagesPerSecond: rate('client', (of) => of[protocol].messages),
      bytesPerSecond: rate('client', (of) => of[protocol].bytes),
      messagesTotal: totals[protocol].messages,
      bytesTotal: totals[protocol].bytes,
      ...messagesOf(totals[protocol]),
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
      connectRate: rate('client', ({ opened }) => opened),
      ...(connectRates.length === 0 ? {} : { connectRates }),
      ...(ramp === undefined ? {} : { ramp }),
      ...(stale.length === 0 ? {} : { staleWorkers: stale }),
      ledger: this.ledger(reading, totals),
      memory: {
        availableBytes: reading.meminfo.MemAvailable ?? 0,
        totalBytes: reading.meminfo.MemTotal ?? 0,
        guardBytes: this.options.guardBytes,
        cgroupCurrentBytes: readCgroupLimits().memoryCurrentBytes,
      },
      cpu: {
        server: cores('server'),
        client: cores('client'),
        supervisor: perSecond(own.user + own.system, previous.own.user + previous.own.system) / microsecondsPerSecond,
        host: tickTotal === 0 ? 0 : ((ticks.busy - previous.ticks.busy) / tickTotal) * this.options.cores,
        cores: this.options.cores,
      },
      sockstat,
      netstat: this.netstatGrowth(),
      limits: readLimits(this.options.isTracked),
      ...(latency === undefined ? {} : { latency }),
      ...(totals.tls === undefined ? {} : { tls: tlsSample(totals.tls, previous.totals.tls, seconds, this.pool.clients) }),
    };
  }

  /** A server of the user is one worker here, and its processes are read with each sample, unless that takes a tenth of the time. */
  private readProcesses(): void {
    const { isForeign } = this.options;
    const begin = performance.now();
    const isDue = begin - this.serverReadAt > this.serverReadCostMs * 10;
    this.processes.readSome(this.livingWorkers(), (worker) => isForeign && isDue && 'role' in worker && worker.role === 'server');
    if (!isDue) return;
    this.serverReadAt = performance.now();
    this.serverReadCostMs = this.serverReadAt - begin;
  }

  private readMemory(): MemoryReading {
    const slabText = readText('/proc/slabinfo');
    const slab = slabText === undefined ? null : parseSlabinfo(slabText);
    const sockstat = readSockstat();
    const meminfo = parseMeminfo(readText('/proc/meminfo') ?? '');
    const { processes } = this;
    const servers = this.processesOf('server');
    const clients = this.processesOf('client');
    const workers = [...servers, ...clients];
    const threads = processes.threads(workers);
    const stackBytes = kernelStackBytesPerThread(meminfo, readText('/proc/loadavg') ?? '');
    if (slab !== null) this.slabAliases ??= slabAliases(ledgerCaches, Object.keys(slab));
    const { tls } = totalsOf(this.pool.all);
    return {
      slab,
      pageBytes: this.pageSize,
      slabAliases: this.slabAliases ?? {},
      meminfo,
      perCpuFreeBytes: parsePerCpuPages(readText('/proc/zoneinfo') ?? '') * this.pageSize,
      processes: {
        server: growthOf(processes.privateBytes(servers), this.serverBefore),
        client: processes.privateBytes(clients),
        supervisor: processes.ownPrivateBytes,
      },
      programBytes: processes.programBytes(workers),
      ...(tls === undefined ? {} : { tls: tls.sessionBytes }),
      fileTableBytes: processes.descriptorTableBytes(workers),
      pageTableBytes: processes.pageTableBytes(workers),
      kernelStackBytes: threads === null || stackBytes === null ? null : threads * stackBytes,
      sockstatMemoryPages: sockstat?.memoryPages ?? null,
      tcpAllocated: sockstat?.allocated ?? null,
    };
  }

  /** Anonymous memory of the workers that serve only this protocol; null where one process serves both. */
  private processBytes(protocol: 'tcp' | 'websocket'): { server: number | null; client: number | null } {
    const other = protocol === 'tcp' ? 'websocket' : 'tcp';
    const ofRole = (role: 'server' | 'client') => {
      const workers = this.livingWorkers().filter((worker) => worker.role === role && worker.stats?.[protocol] !== undefined);
      if (workers.some((worker) => worker.stats?.[other] !== undefined)) return null;
      return this.processes.privateBytes(workers.flatMap((worker) => worker.pids));
    };
    return { server: ofRole('server'), client: ofRole('client') };
  }

  private processesOf(role: 'server' | 'client'): number[] {
    return this.livingWorkers()
      .filter((worker) => worker.role === role)
      .flatMap((worker) => worker.pids);
  }

  /** Clients without sockets have no ends: the bytes are those of the server's ends, and there are no pairs. */
  private ledger(reading: MemoryReading, { established }: Totals): Sample['ledger'] {
    const { isStateless } = this.options;
    const ledger = computeLedger(this.baseline ?? reading, reading, isStateless ? { ...established, client: 0 } : established);
    return isStateless ? { ...ledger, bytesPerPair: null } : ledger;
  }

  private livingWorkers(): Worker[] {
    return this.pool.all.filter((worker) => !worker.hasEnded);
  }

  private netstatGrowth(): Record<string, number> {
    const growth: Record<string, number> = {};
    for (const [key, value] of Object.entries(readNetstat())) {
      const difference = value - (this.netstatBaseline[key] ?? 0);
      if (difference !== 0) growth[key] = difference;
    }
    return growth;
  }
}

/** Nothing without planned messages. */
function messagesOf({ planned, messages, lostMessages }: Totals['tcp']): { messages?: { planned: number; unanswered: number; lost: number } } {
  return planned === 0 ? {} : { messages: { planned, unanswered: planned - messages - lostMessages, lost: lostMessages } };
}

function readNetstat(): Record<string, number> {
  return { ...parseNetstat(readText('/proc/net/netstat') ?? ''), ...parseNetstat(readText('/proc/net/snmp') ?? '') };
}

/** Limits of the whole host or namespace, and how much of each is used. */
export function readLimits(isTracked: boolean): Sample['limits'] {
  const files = readFileNumbers();
  const limits: Sample['limits'] = files === undefined ? {} : { fileMax: files };
  const conntrack = isTracked ? readConntrack() : undefined;
  if (conntrack !== undefined) limits.conntrack = conntrack;
  const cgroup = readCgroupLimits();
  if (cgroup.memoryMaximumBytes !== null && cgroup.memoryCurrentBytes !== null)
    limits.cgroupMemory = { used: cgroup.memoryCurrentBytes, limit: cgroup.memoryMaximumBytes };
  if (cgroup.pidsMaximum !== null && cgroup.pidsCurrent !== null) limits.cgroupPids = { used: cgroup.pidsCurrent, limit: cgroup.pidsMaximum };
  return limits;
}

/** Unknown stays unknown. */
function growthOf(bytes: number | null, before: number): number | null {
  return bytes === null ? null : Math.max(0, bytes - before);
}
