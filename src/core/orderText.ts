import type { RunEvent } from '../protocol/events.js';
import { text } from './texts.js';
import { formatBytes, formatCount } from './units.js';

/** What became of an order, in a line: `1 message of 64 bytes over each connection: done in 1.20 s, 100,000 messages echoed, 6.10 MiB`. */
export function orderText(order: Extract<RunEvent, { type: 'order' }>): string {
  const { state, elapsedMs, messages, bytes, lost } = order;
  if (state === 'replaced') return `${order.text}: ${text('replaced by a later order after {0} s', ((elapsedMs ?? 0) / 1000).toFixed(2))}`;
  const took = elapsedMs === undefined ? '' : ` ${text('in {0} s', (elapsedMs / 1000).toFixed(2))}`;
  const echoed = messages === undefined ? '' : `, ${text('{0} messages echoed', formatCount(messages))}, ${formatBytes(bytes ?? 0)}`;
  return `${order.text}: ${state}${took}${echoed}${lost === undefined || lost === 0 ? '' : `, ${text('{0} lost', formatCount(lost))}`}`;
}
