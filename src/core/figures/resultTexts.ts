import { bytesPerEndIn2014 } from '../plan/costs.js';
import type { Wall } from '../../protocol/events.js';
import { text } from '../texts.js';
import { formatCount, formatKilobytesPerEnd } from '../units.js';

/** How a protocol is called: `TCP`, `WebSocket`, or both of them. */
export function protocolTitle(protocol: string): string {
  return { tcp: 'TCP', websocket: 'WebSocket' }[protocol] ?? text('TCP and WebSocket');
}

/** `none`, or how many by errno. */
export function failedText(failed: { total: number; byErrno: Record<string, number> }): string {
  if (failed.total === 0) return 'none';
  const parts = Object.entries(failed.byErrno).map(([errno, count]) => `${errno} ${formatCount(count)}`);
  return `${formatCount(failed.total)} (${parts.join(', ')})`;
}

/** The bytes per end of 2014 for a protocol, or for both. */
export function bytesPerEndIn2014Text(protocol: 'tcp' | 'websocket' | 'both'): string {
  const { tcp, websocket } = bytesPerEndIn2014;
  return protocol === 'both' ? `${formatKilobytesPerEnd(tcp)} and ${formatKilobytesPerEnd(websocket)}` : formatKilobytesPerEnd(bytesPerEndIn2014[protocol]);
}

/** One protocol's part of a run of both: its counts and bytes per end. */
export function protocolPartText(part: { server: number; client: number; bytesPerEnd?: number | null | undefined }): string {
  return `${formatCount(part.server)} on the server, ${formatCount(part.client)} on the client, ${formatKilobytesPerEnd(part.bytesPerEnd ?? null)} per end`;
}

/** A wall in one line: what stopped the run, at how many connections, how that was seen, and what moves it. */
export function wallText({ title, at, evidence, remedy }: Wall): string {
  return `${title} at ${formatCount(at)}: ${evidence}. ${remedy}`;
}

/** What is told of a run that cannot be saved, or can again. */
export function savingText(unsaved: string | undefined): string {
  return unsaved === undefined
    ? text('The run is saved again, whole.')
    : text('The run cannot be saved now: {0}. It goes on; what is missing is written as soon as there is room.', unsaved);
}
