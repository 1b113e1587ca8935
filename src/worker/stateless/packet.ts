/**
 * IPv4 packets with one TCP segment each, as bytes: RFC 791 and RFC 9293. Pure: no I/O, no state but reused buffers.
 * Sequence numbers are unsigned 32-bit numbers.
 */

export const flagFin = 0x01;
export const flagSyn = 0x02;
export const flagReset = 0x04;
export const flagPush = 0x08;
export const flagAck = 0x10;

const ipHeaderBytes = 20;
const tcpHeaderBytes = 20;
/** The option "maximum segment size" of a SYN (RFC 9293, 3.7.1). */
const sizeOptionBytes = 4;
/** Payload of one segment at most: an MTU of 1,500 less both headers. */
export const maximumSegmentBytes = 1_460;
/** Receive window without scaling: as much as 16 bits can say. */
const windowBytes = 65_535;
const timeToLive = 64;
const protocolTcp = 6;
const dontFragment = 0x40;

/** One segment that came in. Reused: a reader changes it at each packet. */
export interface Segment {
  source: number;
  destination: number;
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  /** The payload is bytes[payloadAt, payloadAt + payloadBytes) of the packet. */
  payloadAt: number;
  payloadBytes: number;
}

export function emptySegment(): Segment {
  return { source: 0, destination: 0, sourcePort: 0, destinationPort: 0, sequence: 0, acknowledgement: 0, flags: 0, payloadAt: 0, payloadBytes: 0 };
}

/** An IPv4 address such as `198.18.0.1` as an unsigned number. */
export function addressNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function read32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function write16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

function write32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/**
 * Reads a packet of `length` bytes into `segment`. False for whatever is no whole, unfragmented IPv4 packet with TCP in it.
 * Checksums are not looked at: the packets come from the kernel of this machine, which leaves them to a device.
 */
export function parseSegment(bytes: Uint8Array, length: number, segment: Segment): boolean {
  if (length < ipHeaderBytes + tcpHeaderBytes || length > bytes.length || bytes[0]! >>> 4 !== 4 || bytes[9] !== protocolTcp) return false;
  const ipBytes = (bytes[0]! & 0x0f) * 4;
  const total = read16(bytes, 2);
  const isFragment = ((bytes[6]! & 0x3f) | bytes[7]!) !== 0;
  if (ipBytes < ipHeaderBytes || total > length || total < ipBytes + tcpHeaderBytes || isFragment) return false;
  const tcpBytes = (bytes[ipBytes + 12]! >>> 4) * 4;
  if (tcpBytes < tcpHeaderBytes || ipBytes + tcpBytes > total) return false;
  segment.source = read32(bytes, 12);
  segment.destination = read32(bytes, 16);
  segment.sourcePort = read16(bytes, ipBytes);
  segment.destinationPort = read16(bytes, ipBytes + 2);
  segment.sequence = read32(bytes, ipBytes + 4);
  segment.acknowledgement = read32(bytes, ipBytes + 8);
  segment.flags = bytes[ipBytes + 13]! & 0x3f;
  segment.payloadAt = ipBytes + tcpBytes;
  segment.payloadBytes = total - ipBytes - tcpBytes;
  return true;
}

/** Sum of big-endian 16-bit words of bytes[from, to); an odd last byte is padded with zero (RFC 1071). */
function sumOf(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let at = from;
  for (; at + 1 < to; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  return at < to ? sum + (bytes[at]! << 8) : sum;
}

/** The Internet checksum of a sum of words (RFC 1071). */
function checksumOf(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** Whether both checksums of a packet are right; for tests, and for packets that did not come from this kernel. */
export function hasRightChecksums(bytes: Uint8Array, length: number): boolean {
  const ipBytes = (bytes[0]! & 0x0f) * 4;
  const pseudo = sumOf(bytes, 12, 20) + protocolTcp + (length - ipBytes);
  return checksumOf(sumOf(bytes, 0, ipBytes)) === 0 && checksumOf(pseudo + sumOf(bytes, ipBytes, length)) === 0;
}

/** Builds segments from clients to one server address in a buffer of its own. */
export class PacketBuilder {
  readonly bytes = new Uint8Array(ipHeaderBytes + tcpHeaderBytes + sizeOptionBytes + maximumSegmentBytes);
  private readonly constantIpSum: number;
  private readonly constantTcpSum: number;

  constructor(server: number) {
    const { bytes } = this;
    bytes[0] = 0x45;
    bytes[6] = dontFragment;
    bytes[8] = timeToLive;
    bytes[9] = protocolTcp;
    write32(bytes, 16, server);
    this.constantIpSum = sumOf(bytes, 0, ipHeaderBytes);
    write16(bytes, ipHeaderBytes + 14, windowBytes);
    this.constantTcpSum = sumOf(bytes, 16, 20) + protocolTcp + windowBytes;
  }

  /** Writes one segment and returns the packet's length. `payload`: bytes[from, to) of it go along; a SYN names the largest segment instead. */
  build(
    source: number,
    sourcePort: number,
    port: number,
    sequence: number,
    acknowledgement: number,
    flags: number,
    payload?: Uint8Array,
    from = 0,
    to = 0,
  ): number {
    const { bytes } = this;
    const isSyn = (flags & flagSyn) !== 0;
    const headerBytes = tcpHeaderBytes + (isSyn ? sizeOptionBytes : 0);
    const payloadAt = ipHeaderBytes + headerBytes;
    const payloadBytes = payload === undefined ? 0 : to - from;
    const length = payloadAt + payloadBytes;
    write16(bytes, 2, length);
    write32(bytes, 12, source);
    const sourceSum = (source >>> 16) + (source & 0xffff);
    write16(bytes, 10, checksumOf(this.constantIpSum + length + sourceSum));
    write16(bytes, 20, sourcePort);
    write16(bytes, 22, port);
    write32(bytes, 24, sequence);
    write32(bytes, 28, acknowledgement);
    bytes[32] = (headerBytes / 4) << 4;
    bytes[33] = flags;
    let sum = this.constantTcpSum + sourceSum + (length - ipHeaderBytes) + sourcePort + port;
    sum += (sequence >>> 16) + (sequence & 0xffff) + (acknowledgement >>> 16) + (acknowledgement & 0xffff) + ((headerBytes << 10) | flags);
    if (isSyn) {
      bytes[40] = 2;
      bytes[41] = sizeOptionBytes;
      write16(bytes, 42, maximumSegmentBytes);
      sum += 0x0204 + maximumSegmentBytes;
    }
    if (payload !== undefined) {
      for (let index = 0; index < payloadBytes; index++) bytes[payloadAt + index] = payload[from + index]!;
      sum += sumOf(bytes, payloadAt, length);
    }
    write16(bytes, 36, checksumOf(sum));
    return length;
  }
}
