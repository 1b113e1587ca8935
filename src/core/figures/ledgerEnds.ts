import type { Ledger } from '../../protocol/events.js';

interface Established {
  server: number;
  client: number;
}

/** Whether only the server's ends are in a ledger: the client has no sockets. Read from its own ratio, to which they are nearer than both are. */
export function hasServerEndsOnly({ explainedBytes, bytesPerEnd }: Pick<Ledger, 'explainedBytes' | 'bytesPerEnd'>, { server, client }: Established): boolean {
  if (bytesPerEnd === null || bytesPerEnd <= 0 || client === 0) return false;
  const ends = explainedBytes / bytesPerEnd;
  return Math.abs(ends - server) < Math.abs(ends - server - client);
}

/** The ends that a ledger's bytes are divided by. */
export function ledgerEnds(ledger: Pick<Ledger, 'explainedBytes' | 'bytesPerEnd'>, established: Established): number {
  return hasServerEndsOnly(ledger, established) ? established.server : established.server + established.client;
}
