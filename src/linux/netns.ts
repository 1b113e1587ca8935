import { closeSync, fstatSync, openSync, readlinkSync, statSync } from 'node:fs';
import { errnoName } from './errno.js';
import { bringInterfaceUp } from './hostCalls.js';
import { lastErrno, libc } from './libc.js';

/** How a process gets a network namespace of its own: as root, or as root of a user namespace of its own. */
export type NamespaceKind = 'netns' | 'userns';

/** The command and the leading arguments that run a program in a new network namespace. util-linux and BusyBox both have `unshare`. */
export function unshareCommand(kind: NamespaceKind): { command: string; args: string[] } {
  return kind === 'netns' ? { command: 'unshare', args: ['--net', '--'] } : { command: 'unshare', args: ['--user', '--map-root-user', '--net', '--'] };
}

/** A new namespace begins with `lo` down: without this even 127.0.0.1 is unreachable. Throws where the rights are missing. */
export function bringLoopbackUp(): void {
  bringInterfaceUp('lo');
}

/**
 * Names the network namespace of a process (`net:[4026531840]`); undefined when it is gone or may not be seen. For people: the
 * kernel gives the number of a namespace that vanished to the next one.
 */
export function networkNamespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** A network namespace held open: until it is released it cannot vanish, so its number cannot become another's. */
export class HeldNamespace {
  private readonly device: bigint;
  private readonly inode: bigint;

  private constructor(private readonly fd: number) {
    const stat = fstatSync(fd, { bigint: true });
    this.device = stat.dev;
    this.inode = stat.ino;
  }

  /** Undefined when the process is gone or may not be seen. The caller checks afterwards that the pid is still whom it meant. */
  static of(pid: number | 'self'): HeldNamespace | undefined {
    try {
      return new HeldNamespace(openSync(`/proc/${pid}/ns/net`, 'r'));
    } catch {
      return undefined;
    }
  }

  holds(pid: number | 'self'): boolean {
    try {
      const stat = statSync(`/proc/${pid}/ns/net`, { bigint: true });
      return stat.dev === this.device && stat.ino === this.inode;
    } catch {
      return false;
    }
  }

  release(): void {
    closeSync(this.fd);
  }
}

const newNetworkNamespace = 0x4000_0000;

/**
 * Does something inside the network namespace of another process and returns to our own. For this thread only, so nothing that waits may be done
 * there. Throws without the rights (CAP_SYS_ADMIN).
 */
export function inNetworkNamespaceOf<T>(pid: number, work: () => T): T {
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const other = openSync(`/proc/${pid}/ns/net`, 'r');
    try {
      enterNamespace(other);
    } finally {
      closeSync(other);
    }
    try {
      return work();
    } finally {
      enterNamespace(own);
    }
  } finally {
    closeSync(own);
  }
}

function enterNamespace(fd: number): void {
  if (libc().setns(fd, newNetworkNamespace) !== 0) throw new Error(`setns: ${errnoName(lastErrno())}`);
}

/** The command and the leading arguments that run a program in the network namespace of a process (util-linux and BusyBox). */
export function enterCommand(pid: number): { command: string; args: string[] } {
  return { command: 'nsenter', args: [`--net=/proc/${pid}/ns/net`, '--'] };
}
