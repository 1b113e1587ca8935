import { acceptLength, keyLength, writeAccept } from './accept.js';
import { carriageReturn, eachHeader, equals, hasToken, lower } from './head.js';

/** The response of our own server, with blanks in the place of the accept value. */
export const switching = Buffer.from(
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${' '.repeat(acceptLength)}\r\n\r\n`,
  'latin1',
);
/** Where in `switching` the accept value stands. */
export const acceptAt = switching.length - 4 - acceptLength;

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
