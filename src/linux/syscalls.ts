import { libc } from './libc.js';

/** Flags of recv(2) and send(2): no waiting, and no SIGPIPE, whatever the mode of the socket is. */
const dontWait = 0x40;
const noSignal = 0x4000;

/** Receives at most `length` bytes into the beginning of the buffer, without waiting. Bytes, 0 at the end, −1 with errno. */
export function receive(fd: number, buffer: Uint8Array, length: number = buffer.length): number {
  return libc().recv(fd, buffer, length, dontWait);
}

/** Sends at most `length` bytes from the beginning of the buffer, without waiting. Bytes that were taken, or −1 with errno. */
export function send(fd: number, buffer: Uint8Array, length: number = buffer.length): number {
  return libc().send(fd, buffer, length, dontWait | noSignal);
}

export function closeDescriptor(fd: number): void {
  libc().close(fd);
}

const shutWrite = 1;

/** Sends FIN and keeps reading. */
export function finishSending(fd: number): void {
  libc().shutdown(fd, shutWrite);
}

const setStatusFlags = 4;
const nonBlockingFlag = 0o4000;

/** Only for code that reads and writes by itself, as OpenSSL does: our own calls never wait. */
export function setNonBlocking(fd: number): void {
  libc().fcntl(fd, setStatusFlags, nonBlockingFlag);
}
