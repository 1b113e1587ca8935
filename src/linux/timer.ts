import { lastErrno, libc } from './libc.js';
import { errnoName } from './errno.js';

const clockMonotonic = 1;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;
const counter = new Uint8Array(8);

/** A descriptor that becomes readable each `periodMs`, to some 50 µs; the waits of epoll know whole milliseconds only. */
export function openTimer(periodMs: number): number {
  const calls = libc();
  const fd = calls.timerCreate(clockMonotonic, nonBlocking | closeOnExec);
  if (fd < 0) throw new Error(`timerfd_create: ${errnoName(lastErrno())}`);
  const nanoseconds = BigInt(Math.round(periodMs * 1e6));
  const period = [nanoseconds / 1_000_000_000n, nanoseconds % 1_000_000_000n] as const;
  const time = new BigInt64Array([...period, ...period]);
  if (calls.timerSet(fd, 0, new Uint8Array(time.buffer), null) < 0) throw new Error(`timerfd_settime: ${errnoName(lastErrno())}`);
  return fd;
}

/** Takes the expirations, so that the descriptor becomes readable at the next one only. */
export function readTimer(fd: number): void {
  libc().read(fd, counter, counter.length);
}

export function closeTimer(fd: number): void {
  libc().close(fd);
}
