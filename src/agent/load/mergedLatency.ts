import { encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { latencyOf } from '../../core/figures/latency.js';
import { mergedHistogram } from '../../core/figures/mergedHistogram.js';
import type { Sample } from '../../protocol/events.js';
import type { ClientMessages } from '../../protocol/worker.js';

/** Percentiles of the messages of all clients together. `isPart`: those of other hosts are still to be added, so the histogram is reported too. */
export function mergedLatency(clients: readonly { messages: ClientMessages | undefined }[], isPart: boolean): Sample['latency'] {
  const all = clients.flatMap(({ messages }) => (messages === undefined || messages.histogram === '' ? [] : [messages]));
  const merged = mergedHistogram(all.map(({ histogram }) => histogram));
  if (merged === undefined || merged.totalCount === 0) return undefined;
  const unanswered = all.flatMap(({ tcp, websocket }) => [tcp, websocket]).reduce((sum, { planned, echoed }) => sum + planned - echoed, 0);
  return { ...latencyOf(merged, unanswered), ...(isPart ? { histogram: encodeIntoCompressedBase64(merged) } : {}) };
}
