import { isUtf8 } from 'node:buffer';
import { applyMask, closeCodes, emptyHeader, isSendableCloseCode, maximumHeaderBytes, opcodes, readHeader } from './frames.js';

/** A longer message is refused with 1009: sixteen times the largest that a run may send. */
export const maximumMessageBytes = 1024 * 1024;
/** Incomplete frames and messages of all connections of one worker together; whoever needs more is refused with 1013. */
export const maximumPartialBytes = 64 * 1024 * 1024;

export interface MessageHandler {
  /** A whole data message lies in bytes[start, end). False: stop, the connection is gone. */
  message(fd: number, opcode: number, bytes: Uint8Array, start: number, end: number): boolean;
  ping(fd: number, payload: Uint8Array): boolean;
  pong(fd: number, payload: Uint8Array): void;
  /** The peer's close frame; `code` is 1005 when it has none. Nothing more is read from this connection. */
  close(fd: number, code: number): void;
  /** The peer broke the protocol; `code` is the close code to answer with. Nothing more is read from this connection. */
  violation(fd: number, code: number): void;
}

/** What is kept for a connection whose frame or message is incomplete. Connections between messages have none. */
interface Partial {
  bytes: Uint8Array;
  length: number;
  /** Fragments of a message so far; `opcode` is 0 while none is open. */
  opcode: number;
  fragments: Uint8Array[];
  messageBytes: number;
}

/** Turns received bytes into messages, for all connections of a worker. `expectsMask`: true on a server. */
export class MessageReader {
  private readonly partials = new Map<number, Partial>();
  private readonly header = emptyHeader();
  private heldBytes = 0;

  constructor(
    private readonly expectsMask: boolean,
    private readonly handler: MessageHandler,
  ) {}

  /** Connections with an incomplete frame or message. */
  get partialCount(): number {
    return this.partials.size;
  }

  /** Reads bytes[start, end) as the next bytes of a connection. Unmasks in place, so the array must be the caller's own. */
  receive(fd: number, bytes: Uint8Array, start: number, end: number): void {
    const partial = this.partials.size === 0 ? undefined : this.partials.get(fd);
    if (partial === undefined || partial.length === 0) {
      const consumed = this.parse(fd, bytes, start, end);
      if (consumed >= 0 && consumed < end) this.hold(fd, bytes, consumed, end);
      return;
    }
    this.append(partial, bytes, start, end);
    if (this.isOverfull(fd)) return;
    const consumed = this.parse(fd, partial.bytes, 0, partial.length);
    if (consumed <= 0) return;
    if (consumed === partial.length) {
      this.heldBytes -= partial.bytes.length;
      partial.bytes = nothing;
      partial.length = 0;
      this.dropWhenEmpty(fd, partial);
    } else {
      partial.bytes.copyWithin(0, consumed, partial.length);
      partial.length -= consumed;
    }
  }

  /** Forgets a connection that was closed. */
  forget(fd: number): void {
    const partial = this.partials.size === 0 ? undefined : this.partials.get(fd);
    if (partial === undefined) return;
    this.partials.delete(fd);
    this.heldBytes -= partial.bytes.length + partial.messageBytes;
  }

  /** Returns how far it came, or −1 when nothing more is to be read from this connection. */
  private parse(fd: number, bytes: Uint8Array, start: number, end: number): number {
    const { header } = this;
    let at = start;
    while (at < end) {
      const size = readHeader(bytes, at, end, this.expectsMask, maximumMessageBytes, header);
      if (size === 0) break;
      if (size < 0) {
        this.refuse(fd, -size);
        return -1;
      }
      const payload = at + size;
      const next = payload + header.length;
      if (next > end) break;
      if (header.isMasked) applyMask(bytes, payload, next, bytes, payload - 4);
      const goOn = header.opcode >= opcodes.close ? this.control(fd, bytes, payload, next) : this.data(fd, bytes, payload, next);
      if (!goOn) return -1;
      at = next;
    }
    return at;
  }

  private data(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { opcode, isFinal } = this.header;
    const open = this.partials.size === 0 ? undefined : this.partials.get(fd);
    const isContinued = open !== undefined && open.opcode !== 0;
    if ((opcode === opcodes.continuation) !== isContinued) return this.refuse(fd, closeCodes.protocolError);
    if (isFinal && !isContinued) {
      if (opcode === opcodes.text && !isUtf8(bytes.subarray(start, end))) return this.refuse(fd, closeCodes.invalidPayload);
      return this.handler.message(fd, opcode, bytes, start, end);
    }
    const partial = open ?? this.create(fd);
    if (partial.messageBytes + end - start > maximumMessageBytes) return this.refuse(fd, closeCodes.tooBig);
    if (partial.opcode === 0) partial.opcode = opcode;
    if (end > start) {
      partial.fragments.push(copyOf(bytes, start, end));
      partial.messageBytes += end - start;
      this.heldBytes += end - start;
      if (this.isOverfull(fd)) return false;
    }
    return !isFinal || this.finish(fd, partial);
  }

  private finish(fd: number, partial: Partial): boolean {
    const message = Buffer.concat(partial.fragments, partial.messageBytes);
    const { opcode } = partial;
    this.heldBytes -= partial.messageBytes;
    partial.fragments = [];
    partial.messageBytes = 0;
    partial.opcode = 0;
    this.dropWhenEmpty(fd, partial);
    if (opcode === opcodes.text && !isUtf8(message)) return this.refuse(fd, closeCodes.invalidPayload);
    return this.handler.message(fd, opcode, message, 0, message.length);
  }

  private control(fd: number, bytes: Uint8Array, start: number, end: number): boolean {
    const payload = copyOf(bytes, start, end);
    if (this.header.opcode === opcodes.ping) return this.handler.ping(fd, payload);
    if (this.header.opcode === opcodes.pong) {
      this.handler.pong(fd, payload);
      return true;
    }
    if (payload.length === 1) return this.refuse(fd, closeCodes.protocolError);
    const code = payload.length === 0 ? closeCodes.noStatus : (payload[0]! << 8) | payload[1]!;
    if (payload.length > 0 && !isSendableCloseCode(code)) return this.refuse(fd, closeCodes.protocolError);
    if (!isUtf8(payload.subarray(2))) return this.refuse(fd, closeCodes.invalidPayload);
    this.forget(fd);
    this.handler.close(fd, code);
    return false;
  }

  /** Always false: nothing more is read. */
  private refuse(fd: number, code: number): false {
    this.forget(fd);
    this.handler.violation(fd, code);
    return false;
  }

  private hold(fd: number, bytes: Uint8Array, start: number, end: number): void {
    this.append(this.partials.get(fd) ?? this.create(fd), bytes, start, end);
    this.isOverfull(fd);
  }

  private create(fd: number): Partial {
    const partial: Partial = { bytes: nothing, length: 0, opcode: 0, fragments: [], messageBytes: 0 };
    this.partials.set(fd, partial);
    return partial;
  }

  /** Doubles the held array, so that a peer that sends single bytes costs no more than twice its bytes in copies. */
  private append(partial: Partial, bytes: Uint8Array, start: number, end: number): void {
    const needed = partial.length + end - start;
    if (needed > partial.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(partial.bytes.length * 2, maximumMessageBytes + maximumHeaderBytes)));
      grown.set(partial.bytes.subarray(0, partial.length));
      this.heldBytes += grown.length - partial.bytes.length;
      partial.bytes = grown;
    }
    partial.bytes.set(bytes.subarray(start, end), partial.length);
    partial.length = needed;
  }

  private isOverfull(fd: number): boolean {
    if (this.heldBytes <= maximumPartialBytes) return false;
    this.refuse(fd, closeCodes.tryAgainLater);
    return true;
  }

  private dropWhenEmpty(fd: number, partial: Partial): void {
    if (partial.length === 0 && partial.opcode === 0 && this.partials.get(fd) === partial) this.partials.delete(fd);
  }
}

const nothing = new Uint8Array(0);

/** Never `slice`: that of a Buffer shares its memory, which the next read overwrites. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return Uint8Array.from(bytes.subarray(start, end));
}
