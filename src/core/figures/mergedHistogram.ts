import { decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** Histograms (base64, compressed) as one: percentiles cannot be added, but what they are of can. Undefined: there is none. */
export function mergedHistogram(encoded: readonly string[]): Histogram | undefined {
  const [first, ...others] = encoded.map((text) => decodeFromCompressedBase64(text));
  for (const other of others) first!.add(other);
  return first;
}
