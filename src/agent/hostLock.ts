import { chmodSync, closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readlinkSync, rmdirSync, unlinkSync, type Stats } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { HumanError, messageOf } from '../core/errors.js';
import { replaceFile } from '../files/durableFile.js';
import { readRegular } from '../files/regularFile.js';
import { tryLockFile } from '../linux/hostCalls.js';
import { identityOf, isAlive } from '../linux/process.js';

const holderSchema = v.object({ runId: v.string(), owner: v.string(), pid: v.number(), startTime: v.number() });
/** Who holds a host. */
export type LockHolder = v.InferOutput<typeof holderSchema>;

/** Only root can make anything in /run, and only root opens the lock; everybody may read who holds it. */
const rootDirectory = '/run/c10m';
const lockName = 'host.lock';
/** Who holds the lock, beside it: the lock itself can be opened by its owner only. */
const holderName = 'holder.json';
/** An owner is `name@laptop`, as the laptop says it. */
const maximumHolderBytes = 64 * 1024;
const privateMode = 0o700;
const publicMode = 0o755;
const writableByOthers = 0o022;

/**
 * Where this user's lock lies: root's in /run, which only root can write; a user's in the runtime directory, which only that user
 * can; where there is none, in `ownDirectory`, which is this user's alone. With a state directory of one's own (tests, several
 * simulated hosts on one machine) it lies there. Throws a HumanError with path, owner and remedy when somebody else has the place.
 */
export function findLockPath(variables: NodeJS.ProcessEnv, userId: number, ownDirectory: string): string {
  if (!sharesHost(variables)) return join(ownDirectory, lockName);
  const runtime = variables.XDG_RUNTIME_DIR ?? '';
  // The system's name for it comes first, so that sessions with and without the variable meet.
  const places = userId === 0 ? [rootDirectory] : [`/run/user/${userId}/c10m`, ...(isAbsolute(runtime) ? [join(runtime, 'c10m')] : [])];
  const place = places.find((directory) => isPrivate(lstatOf(dirname(directory)), userId) && canMake(directory, userId));
  return join(place ?? ownDirectory, lockName);
}

/** False for a run whose state directory was named: it takes its directory for a host of its own. */
export function sharesHost(variables: NodeJS.ProcessEnv): boolean {
  return (variables.C10M_STATE_DIRECTORY ?? '') === '';
}

function isPrivate(stat: Stats | undefined, userId: number): boolean {
  return stat?.isDirectory() === true && stat.uid === userId && (stat.mode & writableByOthers) === 0;
}

/** False where a directory cannot be made: a read-only /run, say. What is there already must be ours alone. */
function canMake(directory: string, userId: number): boolean {
  try {
    makeDirectory(directory);
  } catch {
    return false;
  }
  const stat = lstatOf(directory);
  if (stat !== undefined && !isPrivate(stat, userId)) throw unusable(directory, stat, 'the directory of the lock');
  return true;
}

function makeDirectory(directory: string): void {
  // Undefined when it was there.
  if (mkdirSync(directory, { recursive: true, mode: privateMode }) === undefined) return;
  // Past the umask: in /run every user may know that the host is taken.
  if (directory === rootDirectory) chmodSync(directory, publicMode);
}

/** One run at a time for those who share a lock: a flock(2), which the kernel itself releases when the last process that holds it is gone. */
export class HostLock {
  private constructor(
    private readonly path: string,
    readonly fd: number,
  ) {}

  /** The lock, or who holds it. Throws a HumanError when the file is not what only we can have made. */
  static tryAcquire(path: string): HostLock | { holder: LockHolder | undefined } {
    // The file may be removed by its holder between our open and our lock: then the lock is of a file that nobody else will see.
    for (let attempt = 0; attempt < 10; attempt++) {
      const fd = openLockFile(path);
      if (fd === undefined) continue;
      let isOurs = false;
      try {
        isOurs = tryLockFile(fd);
      } catch (cause) {
        closeSync(fd);
        throw new HumanError(`The lock ${path} cannot be taken: ${messageOf(cause)}. Nothing was changed.`, {
          remedy: 'Its file system must support locks: set C10M_STATE_DIRECTORY to a directory of a local one.',
          cause,
        });
      }
      if (!isOurs) {
        closeSync(fd);
        return { holder: readHolder(join(dirname(path), holderName)) };
      }
      if (isSameFile(path, fd)) return new HostLock(path, fd);
      closeSync(fd);
    }
    return { holder: undefined };
  }

  /** Removes the file that a dead run left, unless somebody holds it again. */
  static sweep(path: string): void {
    if (lstatOf(path) === undefined) return;
    try {
      const lock = HostLock.tryAcquire(path);
      if (lock instanceof HostLock) lock.release();
    } catch {
      // Not what we made: whoever starts a run here is told.
    }
  }

  /** The lock that a parent handed down as an open descriptor. */
  static inherited(fd: number): HostLock {
    return new HostLock(readlinkSync(`/proc/self/fd/${fd}`), fd);
  }

  /** Says to everybody who may read it who holds the lock. */
  describe(runId: string, owner: string, pid: number): void {
    const holder: LockHolder = { runId, owner, pid, startTime: identityOf(pid)?.startTime ?? 0 };
    const path = join(dirname(this.path), holderName);
    try {
      replaceFile(path, JSON.stringify(holder), { isDurable: false });
      // Past the umask, for those who can come so far.
      chmodSync(path, 0o644);
    } catch {
      // A full disk: the lock holds, only its owner stays unnamed.
    }
  }

  /** Removes the file and lets go. Only for the last holder, at its end. */
  release(): void {
    try {
      if (isSameFile(this.path, this.fd)) {
        const directory = dirname(this.path);
        removeFile(join(directory, holderName));
        removeFile(this.path);
        if (basename(directory) === 'c10m') rmdirSync(directory);
      }
    } catch {
      // Another run takes its place already, or other files lie there.
    }
    closeSync(this.fd);
  }

  /** Closes this process's descriptor; others that hold a duplicate keep the lock. */
  hand(): void {
    closeSync(this.fd);
  }
}

/** Undefined when the directory vanished meanwhile, with the run that held the lock. */
function openLockFile(path: string): number | undefined {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let fd: number;
  try {
    makeDirectory(dirname(path));
    fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(path, lstatOf(path), 'the lock', cause);
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.uid === process.getuid?.() && stat.nlink <= 1) return fd;
  closeSync(fd);
  throw unusable(path, stat, 'the lock');
}

/** What lies in the way, whose it is, and what to do about it. */
function unusable(path: string, stat: Stats | undefined, purpose: string, cause?: unknown): HumanError {
  const why =
    stat === undefined ? messageOf(cause) : `it is ${kindOf(stat)} of user ${stat.uid} with mode ${(stat.mode & 0o7777).toString(8).padStart(3, '0')}`;
  return new HumanError(`${path} cannot be used as ${purpose} of this host: ${why}. Nothing was changed.`, {
    code: 'unsupported',
    remedy:
      stat === undefined
        ? `Make ${dirname(path)} a directory that only you can write, or set C10M_STATE_DIRECTORY to one.`
        : `Remove ${path} when no run is under way (or have its owner do it), and start again.`,
    cause,
  });
}

function kindOf(stat: Stats): string {
  if (stat.isSymbolicLink()) return 'a symbolic link';
  if (stat.isDirectory()) return 'a directory';
  if (stat.isFIFO()) return 'a FIFO';
  if (stat.isSocket()) return 'a socket';
  if (!stat.isFile()) return 'a device';
  return stat.nlink > 1 ? `a file with ${stat.nlink} names` : 'a file';
}

function lstatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone, or never was.
  }
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

/** Who holds the lock, as far as that can be known: what a dead process left in the file is not believed. */
function readHolder(path: string): LockHolder | undefined {
  try {
    const parsed = v.safeParse(holderSchema, JSON.parse(readRegular(path, maximumHolderBytes).toString('utf8')));
    return parsed.success && isAlive(parsed.output) ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Root's run on this host, for other users: theirs would share the machine's global keys and memory with it. Nobody but root can
 * have made this up. Undefined without one, and for root.
 */
export function holderOfRoot(userId: number): LockHolder | undefined {
  const parent = lstatOf(dirname(rootDirectory));
  const directory = lstatOf(rootDirectory);
  // In a user namespace root has another number, but /run is root's there, too.
  if (userId === 0 || parent === undefined || !isPrivate(parent, parent.uid) || !isPrivate(directory, parent.uid)) return undefined;
  return readHolder(join(rootDirectory, holderName));
}

export function describeHolder(holder: Pick<LockHolder, 'runId' | 'owner'> | undefined): string {
  return holder === undefined ? 'another run on this host' : `the run ${holder.runId} of ${holder.owner}`;
}
