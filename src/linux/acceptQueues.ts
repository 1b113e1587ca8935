import { endianness } from 'node:os';
import { libc } from './libc.js';
import { closeDescriptor, receive, send } from './syscalls.js';

/** sock_diag(7), netlink(7): `struct nlmsghdr`, `struct inet_diag_req_v2`, `struct inet_diag_msg` of linux/inet_diag.h. */
const familyNetlink = 16;
const typeRaw = 3;
const closeOnExec = 0o2000000;
const protocolSockDiag = 4;
const headerBytes = 16;
const requestBytes = headerBytes + 56;
const messageBytes = headerBytes + 72;
const sockDiagByFamily = 20;
const flagsRequestDump = 0x301;
const typeError = 2;
const typeDone = 3;
const protocolTcp = 6;
const stateListen = 10;
const families = [2, 10];
/** A dump comes in parts of at most 32 KiB. */
const answer = Buffer.alloc(64 * 1024);
const isLittle = endianness() === 'LE';

/** What waits in the accept queues of listening ports. */
export interface AcceptQueue {
  /** Connections that the kernel has established and nobody has accepted. */
  waiting: number;
  /** What the queues hold at most. */
  limit: number;
}

/**
 * The accept queues of these ports together, in this network namespace. Costs a look at each listening socket, however many connections there
 * are: never a walk over them, as `/proc/net/tcp` would be. Undefined where the kernel has no sock_diag.
 */
export function acceptQueueOf(ports: ReadonlySet<number>): AcceptQueue | undefined {
  const fd = libc().socket(familyNetlink, typeRaw | closeOnExec, protocolSockDiag);
  if (fd < 0) return undefined;
  try {
    const total = { waiting: 0, limit: 0 };
    for (const family of families) if (!addListeners(fd, family, ports, total)) return family === families[0] ? undefined : total;
    return total;
  } finally {
    closeDescriptor(fd);
  }
}

/** False: refused. */
function addListeners(fd: number, family: number, ports: ReadonlySet<number>, total: AcceptQueue): boolean {
  const request = Buffer.alloc(requestBytes);
  write32(request, requestBytes, 0);
  write16(request, sockDiagByFamily, 4);
  write16(request, flagsRequestDump, 6);
  request[headerBytes] = family;
  request[headerBytes + 1] = protocolTcp;
  write32(request, 1 << stateListen, headerBytes + 4);
  if (send(fd, request) !== request.length) return false;
  for (;;) {
    const length = receive(fd, answer);
    if (length < headerBytes) return false;
    for (let at = 0; at + headerBytes <= length;) {
      const size = read32(at);
      const type = isLittle ? answer.readUInt16LE(at + 4) : answer.readUInt16BE(at + 4);
      if (type === typeDone) return true;
      if (type === typeError || size < headerBytes) return false;
      if (size >= messageBytes && ports.has(answer.readUInt16BE(at + headerBytes + 4))) {
        total.waiting += read32(at + headerBytes + 56);
        total.limit += read32(at + headerBytes + 60);
      }
      at += (size + 3) & ~3;
    }
  }
}

function read32(offset: number): number {
  return isLittle ? answer.readUInt32LE(offset) : answer.readUInt32BE(offset);
}

function write32(buffer: Buffer, value: number, offset: number): void {
  if (isLittle) buffer.writeUInt32LE(value, offset);
  else buffer.writeUInt32BE(value, offset);
}

function write16(buffer: Buffer, value: number, offset: number): void {
  if (isLittle) buffer.writeUInt16LE(value, offset);
  else buffer.writeUInt16BE(value, offset);
}
