import { constants } from 'node:os';
import koffi from 'koffi';
import { errnoName } from './errno.js';

/**
 * The few libc calls of the agent that Node does not offer: advisory file locks, descriptor flags, interface flags, process descriptors.
 * Loaded at the first use, so that a probe still works where koffi has no library for the architecture.
 */
interface HostCalls {
  flock(fd: number, operation: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  syscall(number: number, first: number, second: number, third: number, fourth: number): number;
}

const lockExclusive = 2;
const lockNonBlocking = 4;
const setDescriptorFlags = 2;
const closeOnExecFlag = 1;
const addressFamilyInternet = 2;
const socketDatagramCloseOnExec = 2 | 0o2000000;
const getInterfaceFlags = 0x8913;
const setInterfaceFlags = 0x8914;
const interfaceUp = 1;
const interfaceNameBytes = 16;
/** sizeof(struct ifreq) on 64-bit Linux. */
const interfaceRequestBytes = 40;

let calls: HostCalls | undefined;

function load(): HostCalls {
  if (calls === undefined) {
    // null: the symbols of this process, so that glibc and musl need no names of their own.
    const library = koffi.load(null);
    calls = {
      flock: library.func('int flock(int fd, int operation)') as HostCalls['flock'],
      fcntl: library.func('int fcntl(int fd, int command, long argument)') as HostCalls['fcntl'],
      ioctl: library.func('int ioctl(int fd, unsigned long request, void *argument)') as HostCalls['ioctl'],
      socket: library.func('int socket(int domain, int type, int protocol)') as HostCalls['socket'],
      close: library.func('int close(int fd)') as HostCalls['close'],
      // Declared with the arguments that our calls have: integers travel alike in a variadic call on x64 and arm64.
      syscall: library.func('long syscall(long number, long first, long second, long third, long fourth)') as HostCalls['syscall'],
    };
  }
  return calls;
}

/**
 * Takes the flock(2) of an open file. False when another open file description holds it. It goes with the last duplicate of the
 * descriptor. Throws where the file system has no locks.
 */
export function tryLockFile(fd: number): boolean {
  if (load().flock(fd, lockExclusive | lockNonBlocking) === 0) return true;
  const errno = koffi.errno();
  if (errno === constants.errno.EWOULDBLOCK || errno === constants.errno.EINTR) return false;
  throw Object.assign(new Error(`flock: ${errnoName(errno)}`), { code: errnoName(errno) });
}

/** The same numbers on all architectures (kernel 5.1 and 5.3). */
const pidfdSendSignal = 424;
const pidfdOpen = 434;

/**
 * Sends a signal to the process that had this pid when `isMeant` looked: a descriptor holds the process, so that no other can take
 * its pid in between. False when it is gone, not meant, or may not be signalled.
 */
export function signalExactly(pid: number, signal: NodeJS.Signals, isMeant: () => boolean): boolean {
  const libc = load();
  const fd = libc.syscall(pidfdOpen, pid, 0, 0, 0);
  if (fd < 0) {
    // Kernels before 5.3, and filters that know no better: pid and start time are looked at right before.
    if (koffi.errno() !== constants.errno.ENOSYS && koffi.errno() !== constants.errno.EPERM) return false;
    return isMeant() && signalByNumber(pid, signal);
  }
  try {
    return isMeant() && libc.syscall(pidfdSendSignal, fd, constants.signals[signal], 0, 0) === 0;
  } finally {
    libc.close(fd);
  }
}

function signalByNumber(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Keeps a descriptor that was inherited out of the programs this process starts. */
export function setCloseOnExec(fd: number): void {
  load().fcntl(fd, setDescriptorFlags, closeOnExecFlag);
}

/** Brings an interface of the current network namespace up, as `ip link set NAME up` does; throws where the rights are missing. */
export function bringInterfaceUp(name: string): void {
  const libc = load();
  const fd = libc.socket(addressFamilyInternet, socketDatagramCloseOnExec, 0);
  if (fd < 0) throw new Error(`no socket to set ${name} up (${errnoName(koffi.errno())})`);
  try {
    const request = Buffer.alloc(interfaceRequestBytes);
    request.write(name, 0, interfaceNameBytes - 1, 'latin1');
    if (libc.ioctl(fd, getInterfaceFlags, request) !== 0) throw new Error(`the flags of ${name} cannot be read (${errnoName(koffi.errno())})`);
    const flags = request.readInt16LE(interfaceNameBytes);
    if ((flags & interfaceUp) !== 0) return;
    request.writeInt16LE(flags | interfaceUp, interfaceNameBytes);
    if (libc.ioctl(fd, setInterfaceFlags, request) !== 0) throw new Error(`${name} cannot be brought up (${errnoName(koffi.errno())})`);
  } finally {
    libc.close(fd);
  }
}

const limitNofile = 7;
const limitProcesses = 6;
/** RLIM_INFINITY. */
const noLimit = 2n ** 64n - 1n;

/** How many processes and threads this user may have (RLIMIT_NPROC, soft); undefined where there is no limit. */
export function readProcessLimit(): number | undefined {
  const limits = new BigUint64Array(2);
  if (loadLimits().getrlimit(limitProcesses, new Uint8Array(limits.buffer)) !== 0 || limits[0] === noLimit) return undefined;
  return Number(limits[0]);
}

/** The limits of open files of this process. Infinity cannot occur: the kernel caps them at `fs.nr_open`. */
export function readNofile(): { soft: number; hard: number } {
  const limits = new BigUint64Array(2);
  if (loadLimits().getrlimit(limitNofile, new Uint8Array(limits.buffer)) !== 0) return { soft: 0, hard: 0 };
  return { soft: Number(limits[0]), hard: Number(limits[1]) };
}

/** Tries whether the hard limit of open files could be `hard`, and puts it back: root alone says nothing (CAP_SYS_RESOURCE may be missing). */
export function couldSetNofile(hard: number): boolean {
  const before = readNofile();
  const libc = loadLimits();
  const wanted = new BigUint64Array([BigInt(before.soft), BigInt(hard)]);
  if (libc.setrlimit(limitNofile, new Uint8Array(wanted.buffer)) !== 0) return false;
  const original = new BigUint64Array([BigInt(before.soft), BigInt(before.hard)]);
  libc.setrlimit(limitNofile, new Uint8Array(original.buffer));
  return true;
}

interface LimitCalls {
  getrlimit(resource: number, limits: Uint8Array): number;
  setrlimit(resource: number, limits: Uint8Array): number;
}

let limitCalls: LimitCalls | undefined;

function loadLimits(): LimitCalls {
  if (limitCalls === undefined) {
    const library = koffi.load(null);
    limitCalls = {
      getrlimit: library.func('int getrlimit(int resource, void *limits)') as LimitCalls['getrlimit'],
      setrlimit: library.func('int setrlimit(int resource, void *limits)') as LimitCalls['setrlimit'],
    };
  }
  return limitCalls;
}
