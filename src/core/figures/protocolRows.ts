import type { Sample, Summary } from '../../protocol/events.js';
import { protocolLedger } from './protocolLedger.js';
import { protocolTitle } from './resultTexts.js';

/** TCP and WebSocket of one run, side by side, as the servers of 2014 printed them. */
export interface ProtocolRow {
  protocol: 'tcp' | 'websocket';
  title: string;
  server: number;
  client: number;
  /** null where it cannot be told apart. */
  bytesPerEnd: number | null;
  /** Echoed so far, and in the last second; null when the run is over. */
  messagesTotal: number;
  messagesPerSecond: number | null;
  bytesPerSecond: number | null;
}

/** Rows for a run of both protocols, or of one over which messages went; else none. `summary` gives the counts of a run that is over. */
export function protocolRows(spec: { protocol: string }, last: Sample | undefined, summary: Summary | undefined): ProtocolRow[] {
  if (last === undefined) return [];
  const rows = (['tcp', 'websocket'] as const).flatMap((protocol): ProtocolRow[] => {
    const now = last.byProtocol[protocol];
    if (now === undefined) return [];
    const peak = summary?.byProtocol[protocol];
    const ledger = spec.protocol === 'both' ? protocolLedger(last, protocol) : last.ledger;
    return [
      {
        protocol,
        title: protocolTitle(protocol),
        server: peak?.server ?? now.server,
        client: peak?.client ?? now.client,
        bytesPerEnd: (summary === undefined ? ledger?.bytesPerEnd : (peak?.bytesPerEnd ?? summary.bytesPerEnd)) ?? null,
        messagesTotal: now.messagesTotal,
        messagesPerSecond: summary === undefined ? now.messagesPerSecond : null,
        bytesPerSecond: summary === undefined ? now.bytesPerSecond : null,
      },
    ];
  });
  return spec.protocol === 'both' || rows.some((row) => row.messagesTotal > 0) ? rows : [];
}
