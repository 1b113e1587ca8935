import { unlessCancelled } from '../core/cancellation.js';
import type { HostConnection, RelayChannel } from '../transport/transport.js';

/** A host that nothing uses keeps its login this long: a plan is read and confirmed, a run is repeated. */
const idleMs = 5 * 60_000;

/** The use of a host: one of several that share one authenticated connection. */
export interface HostLease {
  /**
   * Reaches the host where it is not reached yet, and starts a relay there. Throws HumanErrors. Aborting gives up this attempt only, and the connecting
   * once nobody waits for it.
   */
  openRelay(signal: AbortSignal): Promise<RelayChannel>;
  release(): void;
}

/** Reaches and equips a host, asking a person where it must. `progress`: what is being done, for a person who waits. */
export type ConnectHost = (name: string, options: { signal: AbortSignal; progress: (text: string) => void }) => Promise<HostConnection>;

interface PooledHost {
  link: { connection: Promise<HostConnection>; abort: AbortController; isReady: boolean } | undefined;
  readonly watchers: Set<(text: string) => void>;
  waiting: number;
  leases: number;
  idle: NodeJS.Timeout | undefined;
}

/**
 * One authenticated connection per host, shared by check, test, start, follow and restore. A host that nothing uses for five minutes is logged out;
 * what a person typed for it is kept in memory until the pool is disposed, so that each secret is asked for once per host and window.
 */
export class HostPool {
  private readonly hosts = new Map<string, PooledHost>();

  constructor(private readonly connect: ConnectHost) {}

  /** `progress` hears what is done for the host while this lease lasts. */
  lease(name: string, progress: (text: string) => void = () => undefined): HostLease {
    const host = this.hosts.get(name) ?? { link: undefined, watchers: new Set(), waiting: 0, leases: 0, idle: undefined };
    this.hosts.set(name, host);
    // Each lease is a watcher of its own, even with the same function.
    const watch = (text: string) => progress(text);
    host.watchers.add(watch);
    host.leases++;
    clearTimeout(host.idle);
    return {
      openRelay: async (signal) => (await this.reach(name, host, signal)).openRelay(signal),
      release: () => {
        if (host.watchers.delete(watch)) this.giveBack(name, host);
      },
    };
  }

  /** For a host whose settings changed: the next lease connects anew and asks anew. Whoever uses the host now goes on over the old connection. */
  async forget(name: string): Promise<void> {
    const host = this.hosts.get(name);
    this.hosts.delete(name);
    if (host?.leases === 0) await close(host);
  }

  /** Closes all connections. Runs on the hosts live on under their leases. */
  async dispose(): Promise<void> {
    const hosts = [...this.hosts.values()];
    this.hosts.clear();
    await Promise.all(hosts.map(close));
  }

  private async reach(name: string, host: PooledHost, signal: AbortSignal): Promise<HostConnection> {
    const link = (host.link ??= this.open(name, host));
    host.waiting++;
    try {
      return await unlessCancelled(link.connection, signal);
    } finally {
      host.waiting--;
      if (host.waiting === 0 && !link.isReady) link.abort.abort();
    }
  }

  private open(name: string, host: PooledHost): NonNullable<PooledHost['link']> {
    const abort = new AbortController();
    const progress = (text: string) => {
      for (const watch of host.watchers) watch(text);
    };
    const link = { connection: this.connect(name, { signal: abort.signal, progress }), abort, isReady: false };
    link.connection.then(
      () => (link.isReady = true),
      // What failed is tried anew by the next who asks.
      () => (host.link = undefined),
    );
    return link;
  }

  private giveBack(name: string, host: PooledHost): void {
    host.leases--;
    if (host.leases > 0) return;
    if (this.hosts.get(name) !== host) {
      void close(host);
      return;
    }
    host.idle = setTimeout(() => void host.link?.connection.then((connection) => connection.rest()).catch(() => undefined), idleMs);
    host.idle.unref();
  }
}

async function close({ link, idle }: PooledHost): Promise<void> {
  clearTimeout(idle);
  link?.abort.abort();
  const connection = await link?.connection.catch(() => undefined);
  await connection?.dispose();
}
