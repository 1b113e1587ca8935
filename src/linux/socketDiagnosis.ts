import { libc, lastErrno } from './libc.js';
import { errnoName } from './errno.js';

/**
 * Sockets as the kernel lists them over netlink (sock_diag(7)), filtered by local port in the kernel. A list of listeners costs microseconds; one
 * of established sockets walks the hash table of all TCP sockets and sends 100 bytes for each that fits: about 0.5 s for a million.
 */
const familyNetlink = 16;
const typeRaw = 3 | 0o2000000;
const protocolSocketDiagnosis = 4;
const familyInternet = 2;
const familyInternet6 = 10;
const protocolTcp = 6;

const requestType = 20;
/** NLM_F_REQUEST | NLM_F_DUMP. */
const requestFlags = 0x301;
const messageDone = 3;
const messageError = 2;
const headerBytes = 16;
const requestBytes = 56;
const messageBytes = 72;
const attributeBytecode = 1;
const attributeInternet6Only = 11;
const operationLocalAtLeast = 2;
const operationLocalAtMost = 3;
/** A dump comes in parts of at most this much. */
const receiveBytes = 256 * 1024;

/** Bits of `enum tcp_state`. */
export const tcpStates = { established: 1 << 1, finWait: (1 << 4) | (1 << 5), closeWait: 1 << 8, lastAck: 1 << 9, closing: 1 << 11, listen: 1 << 10 } as const;
/** Sockets that a process still holds or that the kernel has completed for it. */
const openStates = tcpStates.established | tcpStates.closeWait;

/** One socket of a dump. The object is used again for the next one. */
export interface DiagnosedSocket {
  isInternet6: boolean;
  localPort: number;
  remotePort: number;
  /** 0: no process has it, as in an accept queue. */
  inode: number;
  /** Of a listener: connections that wait to be accepted, and the longest queue. */
  receiveQueue: number;
  sendQueue: number;
  localAddress(): string;
  remoteAddress(): string;
  /** Of a listener at `::`: whether it refuses IPv4. */
  isInternet6Only(): boolean;
}

/** Ports to look at; absent: all. */
export interface PortRange {
  first: number;
  last: number;
}

/** Calls `onSocket` for each TCP socket of this process's network namespace in one of the states. Throws where the kernel has no sock_diag. */
export function eachSocket(states: number, range: PortRange | undefined, onSocket: (socket: DiagnosedSocket) => void): void {
  for (const family of [familyInternet, familyInternet6]) dump(family, states, range, onSocket);
}

function dump(family: number, states: number, range: PortRange | undefined, onSocket: (socket: DiagnosedSocket) => void): void {
  const calls = libc();
  const fd = calls.socket(familyNetlink, typeRaw, protocolSocketDiagnosis);
  if (fd < 0) throw new Error(`netlink socket: ${errnoName(lastErrno())}`);
  try {
    const request = requestFor(family, states, range);
    if (calls.send(fd, request, request.length, 0) !== request.length) throw new Error(`sock_diag: ${errnoName(lastErrno())}`);
    const buffer = Buffer.allocUnsafe(receiveBytes);
    const socket = new SocketView(buffer);
    for (;;) {
      const count = calls.recv(fd, buffer, buffer.length, 0);
      if (count <= 0) throw new Error(`sock_diag: ${errnoName(lastErrno())}`);
      for (let at = 0; at + headerBytes <= count;) {
        const length = buffer.readUInt32LE(at);
        const type = buffer.readUInt16LE(at + 4);
        if (type === messageDone || length < headerBytes) return;
        if (type === messageError) throw new Error(`sock_diag: ${errnoName(-buffer.readInt32LE(at + headerBytes))}`);
        socket.at = at + headerBytes;
        socket.end = at + length;
        onSocket(socket);
        at += (length + 3) & ~3;
      }
    }
  } finally {
    calls.close(fd);
  }
}

/** struct nlmsghdr, struct inet_diag_req_v2, and the filter as an attribute: two operations of eight bytes, each jumping behind the end where it fails. */
function requestFor(family: number, states: number, range: PortRange | undefined): Buffer {
  const filterBytes = range === undefined ? 0 : 4 + 16;
  const bytes = Buffer.alloc(headerBytes + requestBytes + filterBytes);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(requestType, 4);
  bytes.writeUInt16LE(requestFlags, 6);
  bytes.writeUInt8(family, 16);
  bytes.writeUInt8(protocolTcp, 17);
  bytes.writeUInt32LE(states, 20);
  if (range === undefined) return bytes;
  const at = headerBytes + requestBytes;
  bytes.writeUInt16LE(filterBytes, at);
  bytes.writeUInt16LE(attributeBytecode, at + 2);
  writeOperation(bytes, at + 4, operationLocalAtLeast, 20, range.first);
  writeOperation(bytes, at + 12, operationLocalAtMost, 12, range.last);
  return bytes;
}

function writeOperation(bytes: Buffer, at: number, code: number, otherwise: number, port: number): void {
  bytes.writeUInt8(code, at);
  bytes.writeUInt8(8, at + 1);
  bytes.writeUInt16LE(otherwise, at + 2);
  bytes.writeUInt16LE(port, at + 6);
}

/** struct inet_diag_msg. */
class SocketView implements DiagnosedSocket {
  at = 0;
  end = 0;

  constructor(private readonly bytes: Buffer) {}

  get isInternet6(): boolean {
    return this.bytes[this.at] === familyInternet6;
  }
  get localPort(): number {
    return this.bytes.readUInt16BE(this.at + 4);
  }
  get remotePort(): number {
    return this.bytes.readUInt16BE(this.at + 6);
  }
  get receiveQueue(): number {
    return this.bytes.readUInt32LE(this.at + 56);
  }
  get sendQueue(): number {
    return this.bytes.readUInt32LE(this.at + 60);
  }
  get inode(): number {
    return this.bytes.readUInt32LE(this.at + 68);
  }
  localAddress(): string {
    return this.address(this.at + 8);
  }
  remoteAddress(): string {
    return this.address(this.at + 24);
  }

  isInternet6Only(): boolean {
    for (let at = this.at + messageBytes; at + 4 < this.end;) {
      const length = this.bytes.readUInt16LE(at);
      if (this.bytes.readUInt16LE(at + 2) === attributeInternet6Only) return this.bytes[at + 4] === 1;
      if (length < 4) return false;
      at += (length + 3) & ~3;
    }
    return false;
  }

  private address(at: number): string {
    if (!this.isInternet6) return this.bytes.subarray(at, at + 4).join('.');
    const groups = Array.from({ length: 8 }, (_, index) => this.bytes.readUInt16BE(at + index * 2));
    // An IPv4 peer of a socket for both families.
    if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return this.bytes.subarray(at + 12, at + 16).join('.');
    return shortAddress(groups);
  }
}

/** RFC 5952: the longest run of zero groups as `::`. */
function shortAddress(groups: readonly number[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (start + length < groups.length && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

/** A socket that listens. */
export interface Listener {
  /** As written in addresses: `0.0.0.0`, `::`, `127.0.0.1`. */
  address: string;
  port: number;
  inode: number;
  /** Connections that wait to be accepted, and how many may. */
  waiting: number;
  backlog: number;
  /** At `::`, and not for IPv4. */
  isInternet6Only: boolean;
}

/** All TCP listeners of this network namespace. */
export function listeners(): Listener[] {
  const found: Listener[] = [];
  eachSocket(tcpStates.listen, undefined, (socket) =>
    found.push({
      address: socket.localAddress(),
      port: socket.localPort,
      inode: socket.inode,
      waiting: socket.receiveQueue,
      backlog: socket.sendQueue,
      isInternet6Only: socket.isInternet6Only(),
    }),
  );
  return found;
}

/** Whether a connection to this address and port reaches the listener. */
export function reaches(listener: Pick<Listener, 'address' | 'port' | 'isInternet6Only'>, address: string, port: number): boolean {
  if (listener.port !== port) return false;
  if (listener.address === address) return true;
  return address.includes(':') ? listener.address === '::' : listener.address === '0.0.0.0' || (listener.address === '::' && !listener.isInternet6Only);
}

/** `127.0.0.1:80`, `[::1]:80`. */
export function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Sockets of some local ports: those that a process accepted, and those that only the kernel has. */
export interface AcceptedCount {
  accepted: number;
  waiting: number;
}

/** Counts the server's ends of connections to these ports. Walks all TCP sockets of the namespace: not for each sample of a large run. */
export function countAccepted(ports: ReadonlySet<number>): Map<number, AcceptedCount> {
  const counts = new Map<number, AcceptedCount>();
  for (const port of ports) counts.set(port, { accepted: 0, waiting: 0 });
  if (ports.size === 0) return counts;
  const range = { first: Math.min(...ports), last: Math.max(...ports) };
  eachSocket(openStates, range, (socket) => {
    const count = counts.get(socket.localPort);
    if (count === undefined) return;
    if (socket.inode === 0) count.waiting++;
    else count.accepted++;
  });
  return counts;
}
