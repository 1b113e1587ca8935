import { isIPv6 } from 'node:net';
import { lastErrno, libc } from './libc.js';
import { errnoName } from './errno.js';

const familyInternet = 2;
const familyInternet6 = 10;
const typeStream = 1;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;

const levelSocket = 1;
const optionReuseAddress = 2;
const optionError = 4;
const optionLinger = 13;
const optionSendTimeout = 21;
const optionKeepAlive = 9;
const levelIp = 0;
const optionBindAddressNoPort = 24;
const levelTcp = 6;
const optionNoDelay = 1;
const optionKeepAliveIdle = 4;
const optionKeepAliveInterval = 5;

const one = new Uint8Array(new Int32Array([1]).buffer);
const zero = new Uint8Array(4);
const seconds = new Int32Array(1);
const secondsBytes = new Uint8Array(seconds.buffer);
/** struct linger {1, 0}: close() resets the connection, so that no TIME_WAIT is left. */
const lingerReset = new Uint8Array(new Int32Array([1, 0]).buffer);

/** A struct sockaddr_in or sockaddr_in6. Throws on a text that is not an IP address. */
export function socketAddress(address: string, port: number): Uint8Array {
  if (isIPv6(address)) return socketAddress6(address, port);
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) throw new Error(`not an IP address: ${address}`);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(familyInternet, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(parts, 4);
  return bytes;
}

function socketAddress6(address: string, port: number): Uint8Array {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(familyInternet6, 0);
  bytes.writeUInt16BE(port, 2);
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  front.forEach((group, index) => bytes.writeUInt16BE(group, 8 + index * 2));
  back.forEach((group, index) => bytes.writeUInt16BE(group, 24 - (back.length - index) * 2));
  return bytes;
}

/** 127.0.0.0/8 or ::1: the whole handshake then happens inside connect(). */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** A non-blocking TCP socket that listens. Accepted sockets inherit SO_LINGER {1,0} and TCP_NODELAY. Throws with the errno's name. */
export function openListener(address: string, port: number, backlog: number): number {
  const calls = libc();
  const bytes = socketAddress(address, port);
  const fd = calls.socket(isIPv6(address) ? familyInternet6 : familyInternet, typeStream | nonBlocking | closeOnExec, 0);
  const where = `${address}:${port}`;
  if (fd < 0) throw listenError('socket', where);
  calls.setsockopt(fd, levelSocket, optionReuseAddress, one, 4);
  calls.setsockopt(fd, levelSocket, optionLinger, lingerReset, 8);
  calls.setsockopt(fd, levelTcp, optionNoDelay, one, 4);
  if (calls.bind(fd, bytes, bytes.length) < 0) throw listenError('bind', where);
  if (calls.listen(fd, backlog) < 0) throw listenError('listen', where);
  return fd;
}

/** An error of the kernel with the names of the call and of the errno. */
export class SystemError extends Error {
  constructor(
    readonly call: string,
    readonly errno: number,
    where: string,
  ) {
    super(`${call} ${where}: ${errnoName(errno)}`);
  }
}

function listenError(call: string, where: string): SystemError {
  return new SystemError(call, lastErrno(), where);
}

/** accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC; −1 with errno. */
export function acceptConnection(listener: number): number {
  return libc().accept4(listener, null, null, nonBlocking | closeOnExec);
}

const peerBytes = new Uint8Array(28);
const peerLength = new Int32Array(1);
const peerLengthBytes = new Uint8Array(peerLength.buffer);

/** As acceptConnection; `peerAddress` then says whose it is. */
export function acceptWithPeer(listener: number): number {
  peerLength[0] = peerBytes.length;
  return libc().accept4(listener, peerBytes, peerLengthBytes, nonBlocking | closeOnExec);
}

/** IPv4 or IPv6 address (eight full groups) of the connection that acceptWithPeer returned last. */
export function peerAddress(): string {
  if (peerBytes[0] === familyInternet) return peerBytes.subarray(4, 8).join('.');
  const view = new DataView(peerBytes.buffer);
  return Array.from({ length: 8 }, (_, index) => view.getUint16(8 + index * 2).toString(16)).join(':');
}

/** A TCP socket for connect() to such an address, blocking or not; −1 with errno. */
export function openSocket(address: Uint8Array, isNonBlocking: boolean): number {
  return libc().socket(address[0]!, typeStream | closeOnExec | (isNonBlocking ? nonBlocking : 0), 0);
}

/** connect(2): 0, or −1 with errno (EINPROGRESS: not blocking, or the send timeout passed). */
export function connectSocket(fd: number, address: Uint8Array): number {
  return libc().connect(fd, address, address.length);
}

/**
 * Binds a source address without choosing a port yet: IP_BIND_ADDRESS_NO_PORT leaves that to connect(), which may share a
 * port among destinations. Without it each port serves one destination only. −1 with errno.
 */
export function bindSource(fd: number, source: Uint8Array): number {
  const calls = libc();
  calls.setsockopt(fd, levelIp, optionBindAddressNoPort, one, 4);
  return calls.bind(fd, source, source.length);
}

/** A struct timeval on 64-bit Linux. */
export function timeValue(milliseconds: number): Uint8Array {
  return new Uint8Array(new BigInt64Array([BigInt(Math.floor(milliseconds / 1000)), BigInt((milliseconds % 1000) * 1000)]).buffer);
}

/** SO_SNDTIMEO, which bounds a blocking connect(). */
export function setSendTimeout(fd: number, time: Uint8Array): void {
  libc().setsockopt(fd, levelSocket, optionSendTimeout, time, time.length);
}

/** SO_LINGER {1,0}: close() then resets the connection at once. */
export function resetOnClose(fd: number): void {
  libc().setsockopt(fd, levelSocket, optionLinger, lingerReset, 8);
}

const errorWord = new Int32Array(1);
const errorBytes = new Uint8Array(errorWord.buffer);
const errorLength = new Int32Array([4]);
const errorLengthBytes = new Uint8Array(errorLength.buffer);

/** The pending error of a socket (SO_ERROR), 0 when it is connected. */
export function socketError(fd: number): number {
  errorLength[0] = 4;
  return libc().getsockopt(fd, levelSocket, optionError, errorBytes, errorLengthBytes) === 0 ? errorWord[0]! : lastErrno();
}

/** SO_KEEPALIVE with TCP_KEEPIDLE and TCP_KEEPINTVL of so many seconds (at least 1); 0: no probes any more. */
export function setKeepAlive(fd: number, idleSeconds: number): void {
  const calls = libc();
  if (idleSeconds === 0) {
    calls.setsockopt(fd, levelSocket, optionKeepAlive, zero, 4);
    return;
  }
  seconds[0] = idleSeconds;
  calls.setsockopt(fd, levelTcp, optionKeepAliveIdle, secondsBytes, 4);
  calls.setsockopt(fd, levelTcp, optionKeepAliveInterval, secondsBytes, 4);
  calls.setsockopt(fd, levelSocket, optionKeepAlive, one, 4);
}
