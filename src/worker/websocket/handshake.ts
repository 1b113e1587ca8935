import { randomFillSync } from 'node:crypto';
import { acceptLength, keyLength, writeAccept, writeBase64 } from './accept.js';

/** A longer request or response head is refused (431 on a server): the usual limit of HTTP servers. */
export const maximumHeadBytes = 8 * 1024;

const carriageReturn = 0x0d;
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
function equals(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let index = 0; index < text.length; index++) if (lower(bytes[start + index]!) !== text.charCodeAt(index)) return false;
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Whether a comma-separated list has this token, in any case. */
function hasToken(bytes: Uint8Array, start: number, end: number, token: string): boolean {
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
function eachHeader(
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

const switching = Buffer.from(
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${' '.repeat(acceptLength)}\r\n\r\n`,
  'latin1',
);
const acceptAt = switching.length - 4 - acceptLength;

const refusals: Record<number, Buffer> = {
  400: refusal('400 Bad Request'),
  404: refusal('404 Not Found'),
  405: refusal('405 Method Not Allowed', 'Allow: GET\r\n'),
  426: refusal('426 Upgrade Required', 'Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n'),
  431: refusal('431 Request Header Fields Too Large'),
};

function refusal(status: string, headers = ''): Buffer {
  const connection = headers.includes('Connection:') ? '' : 'Connection: close\r\n';
  return Buffer.from(`HTTP/1.1 ${status}\r\n${headers}${connection}Content-Length: 0\r\n\r\n`, 'latin1');
}

/** The answer to a request that is refused. */
export function refusalOf(status: number): Uint8Array {
  return refusals[status] ?? refusals[400]!;
}

/** The server's half of the handshake (RFC 6455, section 4.2). One path only. */
export class ServerHandshake {
  /** The response to the last request that `judge` accepted; reused. */
  readonly response: Uint8Array = Buffer.from(switching);
  private isUpgrade = false;
  private isConnection = false;
  private hasHost = false;
  private versions = 0;
  private isVersion13 = false;
  private keys = 0;
  private keyAt = 0;
  private lastHead = new Uint8Array(0);
  private lastKeyAt = 0;
  private bytes: Uint8Array = switching;

  constructor(private readonly path: string) {}

  /**
   * Judges the head bytes[start, end): 101 with `response` filled in, or the status to refuse it with.
   * Clients of one program differ in their keys only, so the last good head is remembered and compared first.
   */
  judge(bytes: Uint8Array, start: number, end: number): number {
    if (this.isLastGoodHead(bytes, start, end)) {
      writeAccept(bytes, start + this.lastKeyAt, this.response, acceptAt);
      return 101;
    }
    const status = this.judgeAnew(bytes, start, end);
    if (status === 101) {
      this.lastHead = Uint8Array.from(bytes.subarray(start, end));
      this.lastKeyAt = this.keyAt - start;
    }
    return status;
  }

  private isLastGoodHead(bytes: Uint8Array, start: number, end: number): boolean {
    const { lastHead, lastKeyAt } = this;
    if (end - start !== lastHead.length) return false;
    const keyEnd = lastKeyAt + keyLength;
    for (let index = 0; index < lastHead.length; index++) {
      if (index === lastKeyAt) index = keyEnd;
      if (bytes[start + index] !== lastHead[index]) return false;
    }
    return isKey(bytes, start + lastKeyAt, start + keyEnd);
  }

  private judgeAnew(bytes: Uint8Array, start: number, end: number): number {
    let lineEnd = start;
    while (bytes[lineEnd] !== carriageReturn) lineEnd++;
    const line = Buffer.from(bytes.buffer, bytes.byteOffset + start, lineEnd - start).toString('latin1');
    const match = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(line);
    if (match === null) return 400;
    if (match[1] !== 'GET') return 405;
    const target = match[2]!;
    const query = target.indexOf('?');
    if ((query === -1 ? target : target.slice(0, query)) !== this.path) return 404;
    this.begin(bytes);
    if (!eachHeader(bytes, lineEnd + 2, end, this.take)) return 400;
    if (!this.hasHost) return 400;
    if (!this.isUpgrade || !this.isConnection) return 426;
    if (this.versions !== 1 || !this.isVersion13) return 426;
    if (this.keys !== 1) return 400;
    writeAccept(bytes, this.keyAt, this.response, acceptAt);
    return 101;
  }

  private begin(bytes: Uint8Array): void {
    this.isUpgrade = this.isConnection = this.hasHost = this.isVersion13 = false;
    this.versions = this.keys = 0;
    this.bytes = bytes;
  }

  private readonly take = (nameStart: number, nameEnd: number, start: number, end: number): void => {
    const { bytes } = this;
    switch (nameEnd - nameStart) {
      case 4:
        if (equals(bytes, nameStart, nameEnd, 'host')) this.hasHost = true;
        return;
      case 7:
        if (equals(bytes, nameStart, nameEnd, 'upgrade')) this.isUpgrade = hasToken(bytes, start, end, 'websocket');
        return;
      case 10:
        if (equals(bytes, nameStart, nameEnd, 'connection')) this.isConnection ||= hasToken(bytes, start, end, 'upgrade');
        return;
      case 17:
        if (!equals(bytes, nameStart, nameEnd, 'sec-websocket-key')) return;
        this.keys += isKey(bytes, start, end) ? 1 : 2;
        this.keyAt = start;
        return;
      case 21:
        if (!equals(bytes, nameStart, nameEnd, 'sec-websocket-version')) return;
        this.versions++;
        this.isVersion13 = equals(bytes, start, end, '13');
        return;
    }
  };
}

/** Base64 of 16 bytes: 22 characters of the alphabet and two of padding. */
function isKey(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== keyLength || bytes[end - 1] !== 0x3d || bytes[end - 2] !== 0x3d) return false;
  for (let at = start; at < end - 2; at++) {
    const byte = bytes[at]!;
    const isLetter = lower(byte) >= 0x61 && lower(byte) <= 0x7a;
    if (!isLetter && !(byte >= 0x30 && byte <= 0x39) && byte !== 0x2b && byte !== 0x2f) return false;
  }
  return true;
}

/** Nonces are drawn 256 at a time: one call of the random generator in 256 connections. */
const noncesPerDraw = 256;
const nonceBytes = 16;

/** The client's half of the handshake (RFC 6455, section 4.1). */
export class ClientHandshake {
  /** Bytes of expected accept values, 28 for each descriptor that waits for its response. */
  private readonly expected = new Map<number, Uint8Array>();
  private readonly free: Uint8Array[] = [];
  private readonly nonces = new Uint8Array(noncesPerDraw * nonceBytes);
  private readonly nonce = new Uint8Array(nonceBytes + 2);
  private nextNonce = noncesPerDraw;
  private isUpgrade = false;
  private isConnection = false;
  private hasExtension = false;
  private accepts = 0;
  private bytes: Uint8Array = switching;
  private wanted: Uint8Array = switching;

  /** Fills the request's key in for a descriptor and remembers what the answer must be. `request` is from `requestOf`. */
  prepare(fd: number, request: HandshakeRequest): Uint8Array {
    if (this.nextNonce === noncesPerDraw) {
      randomFillSync(this.nonces);
      this.nextNonce = 0;
    }
    const from = this.nextNonce++ * nonceBytes;
    for (let index = 0; index < nonceBytes; index++) this.nonce[index] = this.nonces[from + index]!;
    writeBase64(this.nonce, nonceBytes, request.bytes, request.keyAt);
    const expected = this.free.pop() ?? new Uint8Array(acceptLength);
    writeAccept(request.bytes, request.keyAt, expected, 0);
    this.expected.set(fd, expected);
    return request.bytes;
  }

  /** Whether the head bytes[start, end) is the right answer for this descriptor. It is forgotten in any case. */
  verify(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    const expected = this.expected.get(fd);
    this.forget(fd);
    if (expected === undefined) return false;
    if (isOwnResponse(bytes, start, end, expected)) return true;
    if (!startsWith101(bytes, start)) return false;
    let lineEnd = start;
    while (bytes[lineEnd] !== carriageReturn) lineEnd++;
    this.begin(bytes, expected);
    return eachHeader(bytes, lineEnd + 2, end, this.take) && this.isUpgrade && this.isConnection && this.accepts === 1 && !this.hasExtension;
  }

  private begin(bytes: Uint8Array, expected: Uint8Array): void {
    this.isUpgrade = this.isConnection = this.hasExtension = false;
    this.accepts = 0;
    this.bytes = bytes;
    this.wanted = expected;
  }

  forget(fd: number): void {
    const expected = this.expected.get(fd);
    if (expected === undefined) return;
    this.expected.delete(fd);
    this.free.push(expected);
  }

  private readonly take = (nameStart: number, nameEnd: number, start: number, end: number): void => {
    const { bytes } = this;
    switch (nameEnd - nameStart) {
      case 7:
        if (equals(bytes, nameStart, nameEnd, 'upgrade')) this.isUpgrade = equals(bytes, start, end, 'websocket');
        return;
      case 10:
        if (equals(bytes, nameStart, nameEnd, 'connection')) this.isConnection ||= hasToken(bytes, start, end, 'upgrade');
        return;
      case 20:
        if (!equals(bytes, nameStart, nameEnd, 'sec-websocket-accept')) return;
        this.accepts += this.isExpected(start, end) ? 1 : 2;
        return;
      // None was asked for, so any extension or subprotocol is a breach (section 4.1, points 5 and 6).
      case 22:
        if (equals(bytes, nameStart, nameEnd, 'sec-websocket-protocol')) this.hasExtension = true;
        return;
      case 24:
        if (equals(bytes, nameStart, nameEnd, 'sec-websocket-extensions')) this.hasExtension = true;
        return;
    }
  };

  private isExpected(start: number, end: number): boolean {
    if (end - start !== acceptLength) return false;
    for (let index = 0; index < acceptLength; index++) if (this.bytes[start + index] !== this.wanted[index]) return false;
    return true;
  }
}

/** Whether this is, byte for byte, what our own server answers: most often it is, and needs no parsing. */
function isOwnResponse(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== switching.length) return false;
  for (let index = 0; index < switching.length; index++) {
    if (index === acceptAt) index += acceptLength;
    if (bytes[start + index] !== switching[index]) return false;
  }
  for (let index = 0; index < acceptLength; index++) if (bytes[start + acceptAt + index] !== expected[index]) return false;
  return true;
}

const status101 = Buffer.from('HTTP/1.1 101 ', 'latin1');

function startsWith101(bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < status101.length; index++) if (bytes[start + index] !== status101[index]) return false;
  return true;
}

/** A request whose key is filled in for each connection. */
export interface HandshakeRequest {
  bytes: Uint8Array;
  keyAt: number;
}

/** The request for one destination. */
export function requestOf(address: string, port: number, path: string): HandshakeRequest {
  const host = address.includes(':') ? `[${address}]` : address;
  const head = `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: `;
  return { bytes: Buffer.from(`${head}${' '.repeat(keyLength)}\r\n\r\n`, 'latin1'), keyAt: head.length };
}
