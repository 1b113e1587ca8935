import { readFileSync } from 'node:fs';
import { countAccepted, listeners, type AcceptedCount } from '../../linux/socketDiagnosis.js';

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
  /** Sockets came or went since the last count: `open` is what their number suggests, and no proof that the server holds so many. */
  isEstimate: boolean;
}

/** Effects of `AcceptedConnections`, passed in. */
export interface AcceptedSources {
  count(ports: ReadonlySet<number>): Map<number, AcceptedCount>;
  /** Connections that wait to be accepted at each of these ports. Costs little however many connections there are. */
  waiting(ports: ReadonlySet<number>): Map<number, number>;
  /** TCP sockets of this network namespace, without TIME_WAIT; undefined where that cannot be read. */
  socketsInUse(): number | undefined;
  now(): number;
}

const kernel: AcceptedSources = { count: countAccepted, waiting: waitingAt, socketsInUse, now: () => performance.now() };

interface Count {
  at: number;
  costMs: number;
  inUse: number | undefined;
  counts: Map<number, AcceptedCount>;
}

/**
 * Counts the sockets that a server accepted at its ports. The exact count is taken as often as its cost allows; in between the number of sockets in
 * use says how many came or went since. What waits to be accepted is known at all times, and is never taken for accepted.
 */
export class AcceptedConnections {
  private readonly ports: ReadonlySet<number>;
  private readonly before: number | undefined;
  private last: Count | undefined;

  constructor(
    ports: readonly number[],
    /** Ends of one connection in this namespace: 2 where the clients are in it too. */
    private readonly ends: number,
    private readonly sources: AcceptedSources = kernel,
  ) {
    this.ports = new Set(ports);
    this.before = sources.socketsInUse();
  }

  /** `exactly`: counts now, whatever it costs. Throws where the kernel does not list its sockets. */
  read(exactly = false): Accepted {
    const { sources } = this;
    const now = sources.now();
    const inUse = sources.socketsInUse();
    const { last } = this;
    // Without the number of sockets in use nothing says what happened since the last count.
    const isRecent = last !== undefined && now - last.at < Math.max(shortestPeriodMs, last.costMs / dutyShare);
    if (exactly || !isRecent || inUse === undefined || last.inUse === undefined) {
      const counts = sources.count(this.ports);
      this.last = { at: now, costMs: sources.now() - now, inUse, counts };
      return this.accepted(counts, inUse, false);
    }
    const grown = inUse - last.inUse;
    return this.accepted(this.since(last, grown), grown === 0 ? inUse : last.inUse, grown !== 0);
  }

  private accepted(byPort: ReadonlyMap<number, AcceptedCount>, inUse: number | undefined, isEstimate: boolean): Accepted {
    const counted = isEstimate ? this.last!.counts : byPort;
    const connections = sum(counted, ({ accepted, waiting }) => accepted + waiting);
    const others = inUse === undefined || this.before === undefined ? 0 : Math.max(0, inUse - this.before - this.ends * connections);
    return { byPort, open: sum(byPort, ({ accepted }) => accepted), waiting: sum(byPort, ({ waiting }) => waiting), others, isEstimate };
  }

  /** The last count with what came or went since, shared out over the ports as they were. */
  private since({ counts, inUse }: Count, grown: number): Map<number, AcceptedCount> {
    const waiting = this.sources.waiting(this.ports);
    const known = sum(counts, (count) => count.accepted + count.waiting);
    const perConnection = known === 0 ? this.ends : Math.max(this.ends, (inUse! - (this.before ?? inUse!)) / known);
    const change = Math.round(grown / perConnection);
    const moved = new Map<number, AcceptedCount>();
    let left = change;
    let portsLeft = counts.size;
    for (const [port, count] of counts) {
      const ofPort = count.accepted + count.waiting;
      const share = portsLeft === 1 ? left : Math.round(known === 0 ? left / portsLeft : (change * ofPort) / known);
      const waitingNow = waiting.get(port) ?? 0;
      moved.set(port, { waiting: waitingNow, accepted: Math.max(0, ofPort + share - waitingNow) });
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

function waitingAt(ports: ReadonlySet<number>): Map<number, number> {
  const found = new Map<number, number>();
  for (const { port, waiting } of listeners()) if (ports.has(port)) found.set(port, (found.get(port) ?? 0) + waiting);
  return found;
}

/** TCP sockets of this network namespace, of both families, without those in TIME_WAIT; undefined where the kernel does not say. */
export function socketsInUse(): number | undefined {
  const internet = inUse('/proc/net/sockstat', /^TCP: inuse (\d+)/m);
  const internet6 = inUse('/proc/net/sockstat6', /^TCP6: inuse (\d+)/m);
  // A kernel without IPv6 has no sockets of it.
  return internet === undefined ? undefined : internet + (internet6 ?? 0);
}

function inUse(file: string, pattern: RegExp): number | undefined {
  try {
    const text = pattern.exec(readFileSync(file, 'utf8'))?.[1];
    return text === undefined ? undefined : Number(text);
  } catch {
    return undefined;
  }
}
