import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { errnoName } from './errno.js';
import { lastErrno, libc } from './libc.js';

/** Requests of netdevice(7) and of linux/if_tun.h. */
const setTunInterface = 0x400454ca;
const setAddress = 0x8916;
const setNetmask = 0x891c;
const getFlags = 0x8913;
const setFlags = 0x8914;
const setMtu = 0x8922;
const setQueueLength = 0x8943;

const flagTun = 0x0001;
const flagNoPacketInformation = 0x1000;
const flagUp = 0x1;
const familyInternet = 2;
const datagram = 2;
const closeOnExec = 0o2000000;
const nameBytes = 16;
/** sizeof(struct ifreq) on 64-bit Linux. */
const requestBytes = 40;
const devicePath = '/dev/net/tun';

/** Wanted length of the queue towards us; what does not fit is dropped and sent again by TCP. */
const wantedQueuePackets = 10_000;
/** The kernel's own (TUN_READQ_SIZE of drivers/net/tun.c), where root of a user namespace may not change it. */
const defaultQueuePackets = 500;
/** Of Ethernet: a segment of 1,460 bytes fits. */
const mtuBytes = 1_500;

/** A TUN device of this process: raw IPv4 packets without any header before them. It is gone with its descriptor. */
export class TunDevice {
  private constructor(
    readonly fd: number,
    readonly name: string,
    /** Packets that the kernel keeps for a reader that is behind; what does not fit is dropped. */
    readonly queuePackets: number,
  ) {}

  /**
   * Makes the device in the current network namespace, brings it up with `address` and routes the whole prefix to it.
   * Throws an Error with the step and the errno's name (ENOENT: no /dev/net/tun; EPERM: no CAP_NET_ADMIN in the namespace).
   */
  static open(name: string, address: string, prefixLength: number): TunDevice {
    const fd = openDevice(name);
    try {
      configure(name, [
        [setMtu, (request) => request.writeInt32LE(mtuBytes, nameBytes), 'the MTU'],
        [setAddress, (request) => writeAddress(request, address), 'the address'],
        [setNetmask, (request) => writeAddress(request, netmaskOf(prefixLength)), 'the netmask'],
      ]);
      bringUp(name);
      // Replies to addresses of the prefix leave by this device, so a strict filter would let them in too; a filter on `all` of another kind would not.
      for (const scope of ['all', name]) writeFileSync(`/proc/sys/net/ipv4/conf/${scope}/rp_filter`, '0');
      return new TunDevice(fd, name, tryQueueLength(name));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** One packet into the buffer: its bytes, 0 when none waits. */
  read(buffer: Uint8Array): number {
    const count = libc().read(this.fd, buffer, buffer.length);
    return count > 0 ? count : 0;
  }

  /** Hands one packet to the kernel, which works through it before this returns. False when it was not taken. */
  write(packet: Uint8Array, length: number): boolean {
    return libc().write(this.fd, packet, length) === length;
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Why no TUN device can be made in the current network namespace; undefined when one can (tried with one that is gone at once). */
export function tunObstacle(): string | undefined {
  try {
    closeSync(openDevice('c10mprobe'));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Adds an address of this machine to `lo` in the current network namespace, beside 127.0.0.1. Throws an Error with the errno's name. */
export function addLoopbackAddress(address: string): void {
  configure('lo:c10m', [
    [setAddress, (request) => writeAddress(request, address), 'the address'],
    [setNetmask, (request) => writeAddress(request, netmaskOf(32)), 'the netmask'],
  ]);
}

function openDevice(name: string): number {
  let fd: number;
  try {
    fd = openSync(devicePath, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    throw new Error(`${devicePath} cannot be opened (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause: error });
  }
  const request = requestFor(name);
  request.writeInt16LE(flagTun | flagNoPacketInformation, nameBytes);
  if (libc().ioctl(fd, setTunInterface, request) === 0) return fd;
  const errno = lastErrno();
  closeSync(fd);
  throw new Error(`no TUN device can be made in this network namespace (${errnoName(errno)})`);
}

function configure(name: string, steps: readonly [request: number, fill: (request: Buffer) => void, what: string][]): void {
  withSocket((fd) => {
    for (const [code, fill, what] of steps) {
      const request = requestFor(name);
      fill(request);
      if (libc().ioctl(fd, code, request) !== 0) throw new Error(`${what} of ${name} cannot be set (${errnoName(lastErrno())})`);
    }
  });
}

/** The length that holds afterwards: SIOCSIFTXQLEN asks for CAP_NET_ADMIN on the machine, not in the namespace. */
function tryQueueLength(name: string): number {
  return withSocket((fd) => {
    const request = requestFor(name);
    request.writeInt32LE(wantedQueuePackets, nameBytes);
    return libc().ioctl(fd, setQueueLength, request) === 0 ? wantedQueuePackets : defaultQueuePackets;
  });
}

function bringUp(name: string): void {
  withSocket((fd) => {
    const request = requestFor(name);
    if (libc().ioctl(fd, getFlags, request) !== 0) throw new Error(`the flags of ${name} cannot be read (${errnoName(lastErrno())})`);
    request.writeInt16LE(request.readInt16LE(nameBytes) | flagUp, nameBytes);
    if (libc().ioctl(fd, setFlags, request) !== 0) throw new Error(`${name} cannot be brought up (${errnoName(lastErrno())})`);
  });
}

function withSocket<T>(use: (fd: number) => T): T {
  const fd = libc().socket(familyInternet, datagram | closeOnExec, 0);
  if (fd < 0) throw new Error(`no socket to set up a network device (${errnoName(lastErrno())})`);
  try {
    return use(fd);
  } finally {
    libc().close(fd);
  }
}

function requestFor(name: string): Buffer {
  const request = Buffer.alloc(requestBytes);
  request.write(name, 0, nameBytes - 1, 'latin1');
  return request;
}

function writeAddress(request: Buffer, address: string): void {
  request.writeInt16LE(familyInternet, nameBytes);
  request.set(address.split('.').map(Number), nameBytes + 4);
}

function netmaskOf(prefixLength: number): string {
  const mask = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join('.');
}
