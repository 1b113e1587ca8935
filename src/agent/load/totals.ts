import type { TlsStats } from '../../protocol/tls.js';
import type { WorkerStats } from '../../protocol/worker.js';
import type { Worker } from './workerProcess.js';

/** Connections, messages and bytes of one protocol. */
interface ProtocolTotals {
  /** Open now, on this side. */
  server: number;
  client: number;
  /** Ever, by the clients. */
  opened: number;
  /** Echoed, planned, and lost with their connections. */
  messages: number;
  planned: number;
  lostMessages: number;
  bytes: number;
}

/** Counts of all workers at one moment: `established` and `connecting` are of now, the others since the run began. */
export interface Totals {
  tcp: ProtocolTotals;
  websocket: ProtocolTotals;
  established: { server: number; client: number };
  opened: number;
  connecting: number;
  failed: { total: number; byErrno: Record<string, number> };
  lost: number;
  cpuMicroseconds: { server: number; client: number };
  /** Undefined without TLS. */
  tls: TlsTotals | undefined;
}

/** `cpuMicroseconds`: of the handshakes alone, where the engine knows; `sessionBytes`: of living workers. */
export interface TlsTotals {
  handshakes: { server: number; client: number };
  resumed: number;
  cpuMicroseconds: { server: number | null; client: number | null };
  sessionBytes: { server: number; client: number };
  negotiated: string | undefined;
}

/** One worker as it is counted: what it reported last. */
export type CountedWorker = Pick<Worker, 'role' | 'stats' | 'hasEnded'> & Partial<Pick<Worker, 'messages' | 'hasDied'>>;

/** Adds up what the workers reported last. One that has ended holds nothing any more, but what it did stays done; what one that died held is lost. */
export function totalsOf(workers: readonly CountedWorker[]): Totals {
  const emptyProtocol = (): ProtocolTotals => ({ server: 0, client: 0, opened: 0, messages: 0, planned: 0, lostMessages: 0, bytes: 0 });
  const totals: Totals = {
    tcp: emptyProtocol(),
    websocket: emptyProtocol(),
    established: { server: 0, client: 0 },
    opened: 0,
    connecting: 0,
    failed: { total: 0, byErrno: {} },
    lost: 0,
    cpuMicroseconds: { server: 0, client: 0 },
    tls: undefined,
  };
  for (const worker of workers) if (worker.stats !== undefined) addWorker(totals, worker, worker.stats);
  totals.established = { server: totals.tcp.server + totals.websocket.server, client: totals.tcp.client + totals.websocket.client };
  return totals;
}

function addWorker(totals: Totals, worker: CountedWorker, stats: WorkerStats): void {
  const { role, hasEnded } = worker;
  for (const protocol of ['tcp', 'websocket'] as const) {
    const counters = stats[protocol];
    if (counters === undefined) continue;
    if (!hasEnded) totals[protocol][role] += counters.open;
    if (role === 'client') totals[protocol].opened += counters.opened;
    // What it held died with it.
    if (role === 'client' && worker.hasDied === true) totals.lost += counters.open;
  }
  totals.cpuMicroseconds[role] += stats.cpuMicroseconds;
  if (stats.tls !== undefined) addTls(totals, role, stats.tls, hasEnded);
  if (role === 'server') return;
  totals.opened = totals.tcp.opened + totals.websocket.opened;
  addMessages(totals, worker, stats);
  totals.tcp.bytes += stats.tcpBytes;
  totals.websocket.bytes += stats.websocketBytes;
  if (!hasEnded) totals.connecting += stats.connecting;
  totals.lost += stats.lost;
  for (const [errno, count] of Object.entries(stats.failed)) {
    totals.failed.byErrno[errno] = (totals.failed.byErrno[errno] ?? 0) + count;
    totals.failed.total += count;
  }
}

/** What a worker that died owed is lost. Without planned messages nothing but echoes is counted. */
function addMessages(totals: Totals, { messages, hasDied }: CountedWorker, stats: WorkerStats): void {
  if (messages === undefined) {
    totals.tcp.messages += stats.tcpMessages;
    totals.websocket.messages += stats.websocketMessages;
    return;
  }
  for (const protocol of ['tcp', 'websocket'] as const) {
    const { planned, echoed, lost } = messages[protocol];
    totals[protocol].planned += planned;
    totals[protocol].messages += echoed;
    totals[protocol].lostMessages += hasDied === true ? planned - echoed : lost;
  }
}

function addTls(totals: Totals, role: 'server' | 'client', stats: TlsStats, hasEnded: boolean): void {
  totals.tls ??= {
    handshakes: { server: 0, client: 0 },
    resumed: 0,
    cpuMicroseconds: { server: 0, client: 0 },
    sessionBytes: { server: 0, client: 0 },
    negotiated: undefined,
  };
  const { tls } = totals;
  const cpuBefore = tls.cpuMicroseconds[role];
  tls.handshakes[role] += stats.handshakes;
  tls.cpuMicroseconds[role] = cpuBefore === null || stats.cpuMicroseconds === null ? null : cpuBefore + stats.cpuMicroseconds;
  if (!hasEnded) tls.sessionBytes[role] += stats.sessionBytes ?? 0;
  if (role === 'server') return;
  tls.resumed += stats.resumed;
  tls.negotiated ??= stats.negotiated;
}
