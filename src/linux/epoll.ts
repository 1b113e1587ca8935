import { lastErrno, libc } from './libc.js';
import { errnoName, errnos } from './errno.js';

export const epollIn = 0x1;
export const epollOut = 0x4;

const closeOnExec = 0x80000;
const operationAdd = 1;
const operationDelete = 2;
const operationModify = 3;

/** Events taken by one wait: 12 KiB, and enough to share the cost of the wait among a thousand sockets. */
const largestEventsPerWait = 1024;

/** struct epoll_event is packed on x86-64 only: {u32 events; u64 data} there, with 4 bytes of padding between them elsewhere. */
const wordsPerEvent = process.arch === 'x64' ? 3 : 4;
const dataWord = process.arch === 'x64' ? 1 : 2;

/** One epoll instance with one reused event buffer. The data of each event is its descriptor. */
export class Epoll {
  private readonly calls = libc();
  private readonly fd: number;
  private readonly words = new Int32Array(largestEventsPerWait * wordsPerEvent);
  private readonly bytes = new Uint8Array(this.words.buffer);
  private readonly change = new Int32Array(wordsPerEvent);
  private readonly changeBytes = new Uint8Array(this.change.buffer);

  /** `eventsPerWait`: events taken by one wait at most. */
  constructor(private readonly eventsPerWait: number = largestEventsPerWait) {
    this.fd = this.calls.epollCreate(closeOnExec);
    if (this.fd < 0) throw new Error(`epoll_create1: ${errnoName(lastErrno())}`);
  }

  /** Waits at most `timeoutMs` (0: not at all) and returns the number of events, 0 when a signal came between. */
  wait(timeoutMs: number): number {
    const count = this.calls.epollWait(this.fd, this.bytes, this.eventsPerWait, timeoutMs);
    if (count >= 0) return count;
    const errno = lastErrno();
    if (errno === errnos.EINTR) return 0;
    throw new Error(`epoll_wait: ${errnoName(errno)}`);
  }

  /** The descriptor of event `index` of the last wait. */
  descriptor(index: number): number {
    return this.words[index * wordsPerEvent + dataWord]!;
  }

  /** The flags of event `index` of the last wait. */
  flags(index: number): number {
    return this.words[index * wordsPerEvent]!;
  }

  /** Watches a descriptor, level-triggered. False with errno set (ENOSPC: fs.epoll.max_user_watches is reached). */
  add(fd: number, flags: number): boolean {
    return this.control(operationAdd, fd, flags);
  }

  modify(fd: number, flags: number): boolean {
    return this.control(operationModify, fd, flags);
  }

  remove(fd: number): boolean {
    return this.control(operationDelete, fd, 0);
  }

  private control(operation: number, fd: number, flags: number): boolean {
    this.change[0] = flags;
    this.change[dataWord] = fd;
    return this.calls.epollControl(this.fd, operation, fd, this.changeBytes) === 0;
  }
}
