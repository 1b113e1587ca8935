import type { Sample } from '../../protocol/events.js';
import { hasServerEndsOnly, ledgerEnds } from './ledgerEnds.js';

/** Entries of the ledger that are measured by process; all others are objects of the kernel, which are the same for both protocols. */
const processEntries = { serverProcesses: 'server', clientProcesses: 'client' } as const;
/** Sessions of TLS are a part of the processes, and the same for both protocols. */
const tlsEntries = { server: 'serverTls', client: 'clientTls' } as const;

/** One protocol's part of the ledger of a run of both. */
export interface ProtocolLedger {
  /** Bytes by the ids of the ledger's items. */
  entries: Record<string, number>;
  /** null while nothing is established, or where one process serves both protocols. */
  bytesPerEnd: number | null;
}

/**
 * The ledger of one protocol. What the kernel holds for a socket does not depend on what is said over it, so its items are divided by
 * sockets; processes are measured one by one, each of our workers serving one protocol only. null: the protocol has no part in the sample.
 */
export function protocolLedger(sample: Pick<Sample, 'byProtocol' | 'established' | 'ledger'>, protocol: 'tcp' | 'websocket'): ProtocolLedger | null {
  const counts = sample.byProtocol[protocol];
  if (counts === undefined) return null;
  const ends = counts.server + (hasServerEndsOnly(sample.ledger, sample.established) ? 0 : counts.client);
  const share = ends / Math.max(1, ledgerEnds(sample.ledger, sample.established));
  const entries: Record<string, number> = {};
  let isWhole = true;
  for (const [id, bytes] of Object.entries(sample.ledger.entries)) {
    const role = Object.hasOwn(processEntries, id) ? processEntries[id as keyof typeof processEntries] : undefined;
    if (role === undefined) {
      entries[id] = bytes * share;
      continue;
    }
    const own = counts.processBytes?.[role];
    if (typeof own === 'number') entries[id] = Math.max(0, own - (sample.ledger.entries[tlsEntries[role]] ?? 0) * share);
    else isWhole = false;
  }
  const sum = Object.values(entries).reduce((total, bytes) => total + bytes, 0);
  return { entries, bytesPerEnd: ends === 0 || !isWhole ? null : sum / ends };
}
