import { LogHistogram } from '../../core/figures/logHistogram.js';
import type { TlsSample } from '../../protocol/events.js';
import type { CountedWorker, TlsTotals } from './totals.js';

/** What a sample says of TLS. `before`: the totals that rates are computed from. */
export function tlsSample(now: TlsTotals, before: TlsTotals | undefined, seconds: number, clients: readonly CountedWorker[]): TlsSample {
  const each = (role: 'server' | 'client') => {
    const microseconds = now.cpuMicroseconds[role];
    return microseconds === null || now.handshakes[role] === 0 ? null : microseconds / now.handshakes[role];
  };
  const latency = latencyOf(clients);
  return {
    handshakes: now.handshakes,
    resumed: now.resumed,
    rate: Math.max(0, now.handshakes.client - (before?.handshakes.client ?? 0)) / seconds,
    cpuMicroseconds: { server: each('server'), client: each('client') },
    ...(latency === undefined ? {} : { latency }),
    ...(now.negotiated === undefined ? {} : { negotiated: now.negotiated }),
  };
}

function latencyOf(clients: readonly CountedWorker[]): TlsSample['latency'] {
  const merged = new LogHistogram();
  for (const { stats } of clients) if (stats?.tls?.latency !== undefined) merged.add(stats.tls.latency);
  if (merged.count === 0) return undefined;
  const milliseconds = (share: number) => merged.quantile(share) / 1_000;
  return {
    count: merged.count,
    p50: milliseconds(0.5),
    p90: milliseconds(0.9),
    p99: milliseconds(0.99),
    p999: milliseconds(0.999),
    max: merged.maximum / 1_000,
  };
}
