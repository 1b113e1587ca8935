import { closeSync, constants, existsSync, fstatSync, ftruncateSync, lstatSync, openSync, readFileSync, unlinkSync, writeSync, fchmodSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { tryLockFile } from '../linux/hostCalls.js';
import { identityOf, isAlive } from '../linux/process.js';

const holderSchema = v.object({ runId: v.string(), owner: v.string(), pid: v.number(), startTime: v.number() });
/** Who holds a host. */
export type LockHolder = v.InferOutput<typeof holderSchema>;

/**
 * Where all users of a machine meet. With a state directory of one's own (tests, several simulated hosts on one machine) the lock
 * lies there instead.
 */
export function lockPath(variables: NodeJS.ProcessEnv): string {
  const own = variables.C10M_STATE_DIRECTORY;
  return own === undefined || own === '' ? '/tmp/c10m.lock' : join(own, 'host.lock');
}

/** One run at a time on a host: a flock(2), which the kernel itself releases when the last process that holds it is gone. */
export class HostLock {
  private constructor(
    private readonly path: string,
    readonly fd: number,
  ) {}

  /** The lock, or who holds it. Throws only when the file can be neither made nor opened. */
  static tryAcquire(path: string): HostLock | { holder: LockHolder | undefined } {
    // The file may be removed by its holder between our open and our lock: then the lock is of a file that nobody else will see.
    for (let attempt = 0; attempt < 10; attempt++) {
      const fd = openLockFile(path);
      if (!tryLockFile(fd)) {
        closeSync(fd);
        return { holder: readHolder(path) };
      }
      if (isSameFile(path, fd)) return new HostLock(path, fd);
      closeSync(fd);
    }
    return { holder: undefined };
  }

  /** Removes the file that a dead run left, unless somebody holds it again. */
  static sweep(path: string): void {
    if (!existsSync(path)) return;
    try {
      const lock = HostLock.tryAcquire(path);
      if (lock instanceof HostLock) lock.release();
    } catch {
      // Another user's file: it is no lock any more, and its owner may remove it.
    }
  }

  /** The lock that a parent handed down as an open descriptor. */
  static inherited(path: string, fd: number): HostLock {
    return new HostLock(path, fd);
  }

  /** Tells everybody who holds it. */
  describe(runId: string, owner: string, pid: number): void {
    const holder: LockHolder = { runId, owner, pid, startTime: identityOf(pid)?.startTime ?? 0 };
    try {
      ftruncateSync(this.fd, 0);
      writeSync(this.fd, JSON.stringify(holder), 0);
    } catch {
      // A full disk: the lock holds, only its owner stays unnamed.
    }
  }

  /** Removes the file and lets go. Only for the last holder, at its end. */
  release(): void {
    try {
      if (isSameFile(this.path, this.fd)) unlinkSync(this.path);
    } catch {
      // Another user's file in /tmp cannot be removed; the lock is free all the same.
    }
    closeSync(this.fd);
  }

  /** Closes this process's descriptor; others that hold a duplicate keep the lock. */
  hand(): void {
    closeSync(this.fd);
  }
}

function openLockFile(path: string): number {
  // Without O_CREAT first: in a sticky directory the kernel refuses O_CREAT on another user's file (fs.protected_regular).
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EACCES') return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    if (code !== 'ENOENT') throw error;
  }
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666);
  try {
    // Past the umask: every user of the host must be able to lock it and to say so.
    fchmodSync(fd, 0o666);
  } catch {
    // Another user made it at the same moment.
  }
  return fd;
}

function isSameFile(path: string, fd: number): boolean {
  try {
    const byPath = lstatSync(path);
    const open = fstatSync(fd);
    return byPath.ino === open.ino && byPath.dev === open.dev;
  } catch {
    return false;
  }
}

/** Who holds the lock, as far as that can be told: what a dead process left in the file is not believed. */
function readHolder(path: string): LockHolder | undefined {
  try {
    const parsed = v.safeParse(holderSchema, JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success && isAlive(parsed.output) ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

export function describeHolder(holder: LockHolder | undefined): string {
  return holder === undefined ? 'another run on this host' : `the run ${holder.runId} of ${holder.owner}`;
}
