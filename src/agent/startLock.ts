import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { tryLockFile } from '../linux/hostCalls.js';
import { isAlive, type ProcessIdentity } from '../linux/process.js';
import { readOwnFile } from './ownFile.js';

export const identitySchema = v.object({ pid: v.number(), startTime: v.number() });
const startSchema = v.object({
  bootId: v.string(),
  /** The relay that starts the run. */
  relay: v.nullable(identitySchema),
  /** What it started: the supervisor, before it can say so itself. */
  supervisor: v.nullable(identitySchema),
});
/** Who starts a run. */
export type RunStart = v.InferOutput<typeof startSchema>;

export const startLockName = 'start.lock';
const maximumFileBytes = 4_096;

/**
 * Held from the making of a run's directory by the relay, then by the supervisor that inherits it: the kernel knows at any moment
 * whether somebody is still starting the run, whoever was killed in between.
 */
export class StartLock {
  private constructor(readonly fd: number) {}

  /** Throws Node's error when the disk takes no file. */
  static create(runPath: string): StartLock {
    const fd = openSync(join(runPath, startLockName), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      tryLockFile(fd);
    } catch {
      // A file system without locks: who is recorded has to do.
    }
    return new StartLock(fd);
  }

  record(start: RunStart): void {
    const bytes = Buffer.from(JSON.stringify(start));
    ftruncateSync(this.fd, 0);
    writeSync(this.fd, bytes, 0, bytes.length, 0);
  }

  /** Closes this process's descriptor; the supervisor that inherited it keeps the lock. */
  hand(): void {
    closeSync(this.fd);
  }
}

/** Undefined when nobody is starting this run any more. */
export function readStart(runPath: string): { start: RunStart | undefined; isHeld: boolean } | undefined {
  const path = join(runPath, startLockName);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  const start = parseStart(path);
  try {
    return { start, isHeld: !tryLockFile(fd) };
  } catch {
    return { start, isHeld: [start?.relay, start?.supervisor].some((identity: ProcessIdentity | null | undefined) => identity != null && isAlive(identity)) };
  } finally {
    closeSync(fd);
  }
}

function parseStart(path: string): RunStart | undefined {
  try {
    const parsed = v.safeParse(startSchema, JSON.parse(readOwnFile(path, maximumFileBytes)));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
