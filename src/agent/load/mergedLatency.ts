import { decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';
import { latencyOf } from '../../core/figures/latency.js';
import type { Sample } from '../../protocol/events.js';
import type { ClientMessages } from '../../protocol/worker.js';

/** Percentiles of the messages of all clients together. `isPart`: those of other hosts are still to be added, so the histogram is reported too. */
export function mergedLatency(clients: readonly { messages: ClientMessages | undefined }[], isPart: boolean): Sample['latency'] {
  let merged: Histogram | undefined;
  let unanswered = 0;
  for (const { messages } of clients) {
    if (messages === undefined || messages.histogram === '') continue;
    const histogram = decodeFromCompressedBase64(messages.histogram);
    if (merged === undefined) merged = histogram;
    else merged.add(histogram);
    for (const { planned, echoed } of [messages.tcp, messages.websocket]) unanswered += planned - echoed;
  }
  if (merged === undefined || merged.totalCount === 0) return undefined;
  return { ...latencyOf(merged, unanswered), ...(isPart ? { histogram: encodeIntoCompressedBase64(merged) } : {}) };
}
