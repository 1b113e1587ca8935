import { randomFillSync } from 'node:crypto';
import { acceptLength, keyLength, writeAccept, writeBase64 } from './accept.js';
import { carriageReturn, eachHeader, equals, hasToken } from './head.js';
import { acceptAt, switching } from './serverHandshake.js';

/** Nonces are drawn 256 at a time: one call of the random generator in 256 connections. */
const noncesPerDraw = 256;
const nonceBytes = 16;

/** What a client offered, and so may be answered. */
export interface Offered {
  subprotocols: boolean;
  compression: boolean;
}

/** The client's half of the handshake (RFC 6455, section 4.1). */
export class ClientHandshake {
  /** What the last right answer chose. */
  hasCompression = false;

  /** Bytes of expected accept values, 28 for each descriptor that waits for its response. */
  private readonly expected = new Map<number, Uint8Array>();
  private readonly free: Uint8Array[] = [];
  private readonly nonces = new Uint8Array(noncesPerDraw * nonceBytes);
  private readonly nonce = new Uint8Array(nonceBytes + 2);
  private nextNonce = noncesPerDraw;
  private isUpgrade = false;
  private isConnection = false;
  private isUnasked = false;
  private accepts = 0;
  private bytes: Uint8Array = switching;
  private wanted: Uint8Array = switching;

  constructor(private readonly offered: Offered = { subprotocols: false, compression: false }) {}

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
    this.hasCompression = false;
    if (isOwnResponse(bytes, start, end, expected)) return true;
    if (!startsWith101(bytes, start)) return false;
    let lineEnd = start;
    while (bytes[lineEnd] !== carriageReturn) lineEnd++;
    this.begin(bytes, expected);
    return eachHeader(bytes, lineEnd + 2, end, this.take) && this.isUpgrade && this.isConnection && this.accepts === 1 && !this.isUnasked;
  }

  private begin(bytes: Uint8Array, expected: Uint8Array): void {
    this.isUpgrade = this.isConnection = this.isUnasked = false;
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
      // What was not asked for is a breach (section 4.1, points 5 and 6).
      case 22:
        if (equals(bytes, nameStart, nameEnd, 'sec-websocket-protocol')) this.isUnasked ||= !this.offered.subprotocols;
        return;
      case 24:
        if (!equals(bytes, nameStart, nameEnd, 'sec-websocket-extensions')) return;
        this.isUnasked ||= !this.offered.compression;
        this.hasCompression = this.offered.compression;
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

/** The request for one destination, without headers and subprotocols of the user. */
export function requestOf(address: string, port: number, path: string): HandshakeRequest {
  const head = `GET ${path} HTTP/1.1\r\nHost: ${hostHeader(address, port)}\r\n${upgradeHeaders}`;
  return { bytes: Buffer.from(`${head}${' '.repeat(keyLength)}\r\n\r\n`, 'latin1'), keyAt: head.length };
}

export const upgradeHeaders = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ';

/** The Host header for an address and a port. */
export function hostHeader(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
