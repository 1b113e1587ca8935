import type { Output } from '../output.js';
import { ClientHandshake, type HandshakeRequest, type Offered } from './clientHandshake.js';
import { closeCodes, closePayload, frame, opcodes } from './frames.js';
import { endOfHead, maximumHeadBytes } from './head.js';
import { looksLikeTls } from '../../core/walls/tlsFailures.js';
import { MaskSource } from './mask.js';
import { MessageReader, type MessageHandler } from './messages.js';

/** What happens to a connection, reported to its owner. */
export interface WebSocketClientOwner {
  upgraded(fd: number, hasCompression: boolean): void;
  /** `answer`: what the server said instead. */
  fail(fd: number, name: string, answer?: Uint8Array): void;
  /** A message during the opening of a connection. False: the connection is gone. */
  opening(fd: number, bytes: Uint8Array, start: number, end: number): boolean;
  lose(fd: number): void;
  closed(fd: number): void;
  isWebSocket(fd: number): boolean;
}

/** The WebSocket side of the epoll client: handshake, messages, close. One object for all connections of a worker. */
export class WebSocketClient implements MessageHandler {
  private readonly handshake: ClientHandshake;
  private readonly reader = new MessageReader(false, this);
  private readonly masks = new MaskSource();
  private readonly heads = new Map<number, Buffer>();
  private owner: WebSocketClientOwner | undefined;

  constructor(
    private readonly output: Pick<Output, 'send'>,
    private readonly onMessage: (fd: number, bytes: Uint8Array, start: number, end: number) => void,
    offered?: Offered,
    private readonly onPong: (fd: number, payload: Uint8Array) => void = () => undefined,
  ) {
    this.handshake = new ClientHandshake(offered);
  }

  setOwner(owner: WebSocketClientOwner): void {
    this.owner = owner;
  }

  /** Sends the request. The owner learns when that fails. */
  begin(fd: number, request: HandshakeRequest): void {
    const bytes = this.handshake.prepare(fd, request);
    if (this.output.send(fd, bytes, bytes.length) === 'gone') this.owner?.fail(fd, 'handshake');
  }

  received(fd: number, bytes: Buffer, length: number, isHandshake: boolean): void {
    if (isHandshake) this.readHead(fd, bytes, length);
    else this.reader.receive(fd, bytes, 0, length);
  }

  /** Sends a close frame. False: the connection is broken. */
  beginClosing(fd: number): boolean {
    return this.transmit(fd, opcodes.close, closePayload(closeCodes.normal));
  }

  forget(fd: number): void {
    this.reader.forget(fd);
    this.handshake.forget(fd);
    if (this.heads.size !== 0) this.heads.delete(fd);
  }

  /** Sends one message: as text where it is ASCII, else as bytes. False: the connection is broken. */
  send(fd: number, bytes: Uint8Array): boolean {
    return this.transmit(fd, bytes.every((byte) => byte >= 0x09 && byte < 0x7f) ? opcodes.text : opcodes.binary, bytes);
  }

  sendPing(fd: number): boolean {
    return this.transmit(fd, opcodes.ping, Buffer.alloc(0));
  }

  message(fd: number, _opcode: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.owner?.isWebSocket(fd) !== true) return this.owner?.opening(fd, bytes, start, end) ?? true;
    this.onMessage(fd, bytes, start, end);
    return this.owner.isWebSocket(fd);
  }

  ping(fd: number, payload: Uint8Array): boolean {
    if (this.transmit(fd, opcodes.pong, payload)) return true;
    this.end(fd);
    return false;
  }

  /** An unsolicited pong means nothing (RFC 6455, section 5.5.3); one to a keep-alive does. */
  pong(fd: number, payload: Uint8Array): void {
    this.onPong(fd, payload);
  }

  close(fd: number, code: number): void {
    if (this.owner?.isWebSocket(fd) === true) this.transmit(fd, opcodes.close, closePayload(code));
    this.end(fd);
  }

  violation(fd: number, code: number): void {
    this.transmit(fd, opcodes.close, closePayload(code));
    this.end(fd);
  }

  /** The connection is over: lost when it was wanted, closed when it was closing. */
  private end(fd: number): void {
    if (this.owner?.isWebSocket(fd) === true) this.owner.lose(fd);
    else this.owner?.closed(fd);
  }

  private transmit(fd: number, opcode: number, payload: Uint8Array): boolean {
    const bytes = frame(opcode, payload, this.masks.next());
    return this.output.send(fd, bytes, bytes.length) !== 'gone';
  }

  private readHead(fd: number, bytes: Buffer, length: number): void {
    const before = this.heads.size === 0 ? undefined : this.heads.get(fd);
    const head = before === undefined ? bytes.subarray(0, length) : Buffer.concat([before, bytes.subarray(0, length)]);
    const end = endOfHead(head, 0, Math.min(head.length, maximumHeadBytes));
    if (end === -1) {
      if (looksLikeTls(head, head.length)) this.owner?.fail(fd, 'tls.needed', head);
      else if (head.length >= maximumHeadBytes) this.owner?.fail(fd, 'handshake', head);
      else this.heads.set(fd, before === undefined ? Buffer.from(head) : head);
      return;
    }
    if (before !== undefined) this.heads.delete(fd);
    if (!this.handshake.verify(fd, head, 0, end)) {
      this.owner?.fail(fd, looksLikeTls(head, head.length) ? 'tls.needed' : 'handshake', head);
      return;
    }
    this.owner?.upgraded(fd, this.handshake.hasCompression);
    if (head.length > end) this.reader.receive(fd, head, end, head.length);
  }
}
