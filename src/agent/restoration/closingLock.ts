import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { sleep } from '../../files/sleep.js';
import { tryLockFile } from '../../linux/hostCalls.js';
import { lockHolder } from '../../linux/fileLocks.js';
import { canAct, identityOf, isAlive, signalProcess, type ProcessIdentity } from '../../linux/process.js';
import { readOwnFile } from '../ownFile.js';
import { identitySchema } from '../startLock.js';

const fileName = 'closing.lock';
const maximumFileBytes = 1_024;
const pollMs = 20;
/** One that is stopped for this long while it closes a run holds up everybody; it is ended, and another goes on where it was. */
const stoppedGraceMs = 1_000;

/**
 * One visitor at a time closes a run: an editor and a terminal, say, must not both append an end. Resolves after `timeoutMs` at the
 * latest, with or without the lock, since closing is safe to repeat. Call what it resolves with in the end.
 */
export async function lockClosing(runPath: string, timeoutMs: number): Promise<() => void> {
  const path = join(runPath, fileName);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch {
    // A full disk takes no lock file; two visitors at that moment are the smaller evil.
    return () => undefined;
  }
  await acquire(fd, path, performance.now() + timeoutMs);
  return () => closeSync(fd);
}

async function acquire(fd: number, path: string, deadline: number): Promise<void> {
  let stoppedSince: number | undefined;
  while (performance.now() < deadline) {
    try {
      if (tryLockFile(fd)) {
        sign(fd);
        return;
      }
    } catch {
      // No locks on this file system.
      return;
    }
    const signed = readHolder(path);
    // One that was stopped before it could sign is found by the lock itself.
    const holder = signed !== undefined && isAlive(signed) ? signed : lockHolder(fd);
    if (holder === undefined || canAct(holder)) stoppedSince = undefined;
    else {
      stoppedSince ??= performance.now();
      if (performance.now() - stoppedSince > stoppedGraceMs) signalProcess(holder, 'SIGKILL');
    }
    await sleep(pollMs);
  }
}

function sign(fd: number): void {
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, JSON.stringify(identityOf(process.pid)), 0);
  } catch {
    // A full disk: the others wait for the end of their time.
  }
}

function readHolder(path: string): ProcessIdentity | undefined {
  try {
    const parsed = v.safeParse(identitySchema, JSON.parse(readOwnFile(path, maximumFileBytes)));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
