/** A longer request or response head is refused (431 on a server): the usual limit of HTTP servers. */
export const maximumHeadBytes = 8 * 1024;

export const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const colon = 0x3a;
const space = 0x20;
const tab = 0x09;

/** Offset behind the empty line that ends a head, or −1. `from` may be an offset that was looked at before. */
export function endOfHead(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 3; at < end; at += 1) {
    if (bytes[at] === lineFeed && bytes[at - 1] === carriageReturn && bytes[at - 2] === lineFeed && bytes[at - 3] === carriageReturn) return at + 1;
  }
  return -1;
}

/** Case-insensitive comparison of bytes[start, end) with a text in lower case. */
export function equals(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let index = 0; index < text.length; index++) if (lower(bytes[start + index]!) !== text.charCodeAt(index)) return false;
  return true;
}

export function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Whether a comma-separated list has this token, in any case. */
export function hasToken(bytes: Uint8Array, start: number, end: number, token: string): boolean {
  let from = start;
  for (let at = start; at <= end; at++) {
    if (at < end && bytes[at] !== 0x2c) continue;
    let first = from;
    let last = at;
    while (first < last && isBlank(bytes[first]!)) first++;
    while (last > first && isBlank(bytes[last - 1]!)) last--;
    if (equals(bytes, first, last, token)) return true;
    from = at + 1;
  }
  return false;
}

function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}

/** Passes name and value of each header line between `start` and `end`; false when a line is malformed. */
export function eachHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
  take: (nameStart: number, nameEnd: number, valueStart: number, valueEnd: number) => void,
): boolean {
  let at = start;
  while (at < end - 2) {
    let lineEnd = at;
    while (bytes[lineEnd] !== carriageReturn) lineEnd++;
    if (bytes[lineEnd + 1] !== lineFeed) return false;
    let nameEnd = at;
    while (nameEnd < lineEnd && bytes[nameEnd] !== colon) nameEnd++;
    if (nameEnd === at || nameEnd === lineEnd || isBlank(bytes[nameEnd - 1]!)) return false;
    let valueStart = nameEnd + 1;
    let valueEnd = lineEnd;
    while (valueStart < valueEnd && isBlank(bytes[valueStart]!)) valueStart++;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
    take(at, nameEnd, valueStart, valueEnd);
    at = lineEnd + 2;
  }
  return true;
}
