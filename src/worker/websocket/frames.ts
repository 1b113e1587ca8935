/** Frames of RFC 6455, section 5. Pure functions over byte arrays; no state is kept here. */

export const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** Status codes of RFC 6455, section 7.4.1, and 1013 of its registry. */
export const closeCodes = {
  normal: 1000,
  protocolError: 1002,
  /** Never sent: stands for a close frame without a code. */
  noStatus: 1005,
  invalidPayload: 1007,
  tooBig: 1009,
  tryAgainLater: 1013,
} as const;

/** Longest header: 2 bytes, 8 of length, 4 of mask. */
export const maximumHeaderBytes = 14;
const maximumControlPayloadBytes = 125;

/** Filled by readHeader; one object is reused for all frames. */
export interface FrameHeader {
  isFinal: boolean;
  opcode: number;
  isMasked: boolean;
  /** Payload bytes. */
  length: number;
}

export function emptyHeader(): FrameHeader {
  return { isFinal: false, opcode: 0, isMasked: false, length: 0 };
}

/**
 * Reads the header at `start`. Returns its bytes (the mask included), 0 when `end` cuts it, or a negative close code when it is
 * malformed: reserved bits or opcodes, fragmented or long control frames, a length not in its shortest form (1002), a mask
 * where `expectsMask` says otherwise (1002, section 5.1), more payload than `maximumPayloadBytes` (1009).
 */
export function readHeader(bytes: Uint8Array, start: number, end: number, expectsMask: boolean, maximumPayloadBytes: number, header: FrameHeader): number {
  if (end - start < 2) return 0;
  const first = bytes[start]!;
  const second = bytes[start + 1]!;
  const opcode = first & 0x0f;
  if ((first & 0x70) !== 0) return -closeCodes.protocolError;
  if (opcode > 0x2 && (opcode < 0x8 || opcode > 0xa)) return -closeCodes.protocolError;
  const isMasked = (second & 0x80) !== 0;
  if (isMasked !== expectsMask) return -closeCodes.protocolError;
  const isFinal = (first & 0x80) !== 0;
  let length = second & 0x7f;
  if (opcode >= 0x8 && (!isFinal || length > maximumControlPayloadBytes)) return -closeCodes.protocolError;
  let size = 2;
  if (length === 126) {
    if (end - start < 4) return 0;
    length = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    if (length < 126) return -closeCodes.protocolError;
    size = 4;
  } else if (length === 127) {
    if (end - start < 10) return 0;
    const high = readUInt32(bytes, start + 2);
    length = high * 0x1_0000_0000 + readUInt32(bytes, start + 6);
    if (high >= 0x8000_0000 || length < 0x1_0000) return -closeCodes.protocolError;
    size = 10;
  }
  if (length > maximumPayloadBytes) return -closeCodes.tooBig;
  if (isMasked) {
    size += 4;
    if (end - start < size) return 0;
  }
  header.isFinal = isFinal;
  header.opcode = opcode;
  header.isMasked = isMasked;
  header.length = length;
  return size;
}

function readUInt32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Bytes that writeHeader writes for such a frame. */
export function headerBytes(length: number, isMasked: boolean): number {
  return (length < 126 ? 2 : length < 0x1_0000 ? 4 : 10) + (isMasked ? 4 : 0);
}

/** Writes the header of a final frame at `at`, with the mask when there is one; returns the offset of the payload. */
export function writeHeader(bytes: Uint8Array, at: number, opcode: number, length: number, mask: Uint8Array | null): number {
  const maskBit = mask === null ? 0 : 0x80;
  bytes[at] = 0x80 | opcode;
  let next = at + 2;
  if (length < 126) {
    bytes[at + 1] = maskBit | length;
  } else if (length < 0x1_0000) {
    bytes[at + 1] = maskBit | 126;
    bytes[at + 2] = length >>> 8;
    bytes[at + 3] = length & 0xff;
    next = at + 4;
  } else {
    bytes[at + 1] = maskBit | 127;
    const high = Math.floor(length / 0x1_0000_0000);
    for (let index = 0; index < 4; index++) {
      bytes[at + 2 + index] = (high >>> (24 - index * 8)) & 0xff;
      bytes[at + 6 + index] = (length >>> (24 - index * 8)) & 0xff;
    }
    next = at + 10;
  }
  if (mask !== null) {
    bytes.set(mask, next);
    next += 4;
  }
  return next;
}

/** Masks or unmasks bytes in place with the four bytes at `mask` (section 5.3). */
export function applyMask(bytes: Uint8Array, start: number, end: number, mask: Uint8Array, maskAt: number): void {
  const a = mask[maskAt]!;
  const b = mask[maskAt + 1]!;
  const c = mask[maskAt + 2]!;
  const d = mask[maskAt + 3]!;
  let index = start;
  for (; index + 4 <= end; index += 4) {
    bytes[index] = bytes[index]! ^ a;
    bytes[index + 1] = bytes[index + 1]! ^ b;
    bytes[index + 2] = bytes[index + 2]! ^ c;
    bytes[index + 3] = bytes[index + 3]! ^ d;
  }
  for (let rest = 0; index < end; index++, rest++) bytes[index] = bytes[index]! ^ mask[maskAt + rest]!;
}

/** One whole frame as its own bytes; for control frames and tests, not for hot paths. */
export function frame(opcode: number, payload: Uint8Array, mask: Uint8Array | null): Uint8Array {
  const bytes = new Uint8Array(headerBytes(payload.length, mask !== null) + payload.length);
  const at = writeHeader(bytes, 0, opcode, payload.length, mask);
  bytes.set(payload, at);
  if (mask !== null) applyMask(bytes, at, bytes.length, mask, 0);
  return bytes;
}

/** Whether a code may stand in a close frame (section 7.4.1 and 7.4.2). */
export function isSendableCloseCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}

/** Payload of a close frame; without a code it is empty. */
export function closePayload(code: number): Uint8Array {
  return code === closeCodes.noStatus ? new Uint8Array(0) : new Uint8Array([code >>> 8, code & 0xff]);
}
