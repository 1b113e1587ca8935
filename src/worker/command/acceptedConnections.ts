import { readFileSync } from 'node:fs';
import { countAccepted, type AcceptedCount } from '../../linux/socketDiagnosis.js';

/** Share of the time that counting may take: counting walks all TCP sockets, so with very many of them it is done seldom. */
const dutyShare = 0.02;
const shortestPeriodMs = 200;

/** What the server holds by the kernel's count. */
export interface Accepted {
  byPort: ReadonlyMap<number, AcceptedCount>;
  /** Sum of `accepted`. */
  open: number;
  /** In the accept queues: the kernel has them, the server has not. */
  waiting: number;
  /** TCP sockets in the namespace beyond both ends of the clients' connections, since the beginning: a proxy's towards its upstream servers. */
  others: number;
}

/** Effects of `AcceptedConnections`, passed in. */
export interface AcceptedSources {
  count(ports: ReadonlySet<number>): Map<number, AcceptedCount>;
  /** TCP sockets of this network namespace, without TIME_WAIT. */
  socketsInUse(): number;
  now(): number;
}

const kernel: AcceptedSources = { count: countAccepted, socketsInUse, now: () => performance.now() };

/**
 * Counts the sockets that a server accepted at its ports. The exact count is taken as often as its cost allows; in between the number of sockets in
 * use says how many came or went since.
 */
export class AcceptedConnections {
  private readonly ports: ReadonlySet<number>;
  private readonly before: number;
  private exact: { at: number; costMs: number; inUse: number; counts: Map<number, AcceptedCount> } | undefined;

  constructor(
    ports: readonly number[],
    /** Ends of one connection in this namespace: 2 where the clients are in it too. */
    private readonly ends: number,
    private readonly sources: AcceptedSources = kernel,
  ) {
    this.ports = new Set(ports);
    this.before = sources.socketsInUse();
  }

  read(): Accepted {
    const { sources } = this;
    const now = sources.now();
    const inUse = sources.socketsInUse();
    if (this.exact === undefined || now - this.exact.at >= Math.max(shortestPeriodMs, this.exact.costMs / dutyShare)) {
      const counts = sources.count(this.ports);
      this.exact = { at: now, costMs: sources.now() - now, inUse, counts };
    }
    const { counts } = this.exact;
    const open = sum(counts, ({ accepted }) => accepted);
    const waiting = sum(counts, (count) => count.waiting);
    const grown = inUse - this.exact.inUse;
    if (grown === 0) return { byPort: counts, open, waiting, others: this.othersOf(inUse, open + waiting) };
    const moved = this.moved(counts, open, grown);
    const movedOpen = sum(moved, ({ accepted }) => accepted);
    return { byPort: moved, open: movedOpen, waiting, others: this.othersOf(this.exact.inUse, open + waiting) };
  }

  private othersOf(inUse: number, connections: number): number {
    return Math.max(0, inUse - this.before - this.ends * connections);
  }

  /** The exact counts with what came or went since, shared out over the ports as they were. */
  private moved(counts: ReadonlyMap<number, AcceptedCount>, open: number, grown: number): Map<number, AcceptedCount> {
    const perConnection = open === 0 ? this.ends : Math.max(this.ends, (this.exact!.inUse - this.before) / open);
    const change = Math.round(grown / perConnection);
    const moved = new Map<number, AcceptedCount>();
    let left = change;
    let portsLeft = counts.size;
    for (const [port, count] of counts) {
      const share = portsLeft === 1 ? left : Math.round(open === 0 ? left / portsLeft : (change * count.accepted) / open);
      moved.set(port, { ...count, accepted: Math.max(0, count.accepted + share) });
      left -= share;
      portsLeft--;
    }
    return moved;
  }
}

function sum(counts: ReadonlyMap<number, AcceptedCount>, of: (count: AcceptedCount) => number): number {
  let total = 0;
  for (const count of counts.values()) total += of(count);
  return total;
}

/** TCP sockets of this network namespace, of both families, without those in TIME_WAIT. */
export function socketsInUse(): number {
  return inUse('/proc/net/sockstat', /^TCP: inuse (\d+)/m) + inUse('/proc/net/sockstat6', /^TCP6: inuse (\d+)/m);
}

function inUse(file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
