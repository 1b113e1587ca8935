import { fstatSync, readdirSync, statSync } from 'node:fs';
import { readText } from './procfs.js';
import { identityOf, type ProcessIdentity } from './process.js';

/**
 * The process that holds the lock (flock) of an open file, as `/proc/locks` has it; undefined where nobody does, or it cannot be seen. The number alone is
 * no proof, since a lock outlives its maker in a child that inherited the file: the process must have the file open now.
 */
export function lockHolder(fd: number): ProcessIdentity | undefined {
  const { dev, ino } = fstatSync(fd);
  for (const [, pid, inode] of (readText('/proc/locks') ?? '').matchAll(/^\d+: FLOCK +\S+ +WRITE (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /gm)) {
    if (Number(inode) === ino && Number(pid) > 0 && hasOpen(Number(pid), dev, ino)) return identityOf(Number(pid));
  }
  return undefined;
}

function hasOpen(pid: number, dev: number, ino: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((name) => {
      try {
        const file = statSync(`/proc/${pid}/fd/${name}`);
        return file.dev === dev && file.ino === ino;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
