import { closeSync, constants, fstatSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** One write(2) at the file's offset; returns how many bytes it took. A parameter only so that a test can let it fall short. */
export type Write = (fd: number, bytes: Buffer) => number;
export const writeReally: Write = (fd, bytes) => writeSync(fd, bytes, 0, bytes.length);

/** Writes all bytes, in as many calls as it takes. Throws when the disk takes no more. */
export function writeAll(fd: number, bytes: Buffer, write: Write = writeReally): void {
  let written = 0;
  while (written < bytes.length) {
    const count = write(fd, bytes.subarray(written));
    if (count <= 0) throw new Error(`only ${written} of ${bytes.length} bytes could be written`);
    written += count;
  }
}

export interface ReplaceOptions {
  /** Of a new file; what the umask takes away is taken away. */
  mode?: number;
  /** False: whole for each reader, but a power cut may lose it. For what is written each second and stale after the next. */
  isDurable?: boolean;
  /** A parameter only so that a test can be a full disk. */
  write?: Write;
}

/**
 * Replaces a file so that a reader, and the disk after a power cut, has either the old or the whole new content: write beside it,
 * check the size, fsync, rename, fsync the directory. Throws what node:fs throws; the old file is then as it was.
 */
export function replaceFile(path: string, content: string | Buffer, { mode = 0o600, isDurable = true, write = writeReally }: ReplaceOptions = {}): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const bytes = Buffer.from(content as string);
  try {
    const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, mode);
    try {
      writeAll(fd, bytes, write);
      const { size } = fstatSync(fd);
      if (size !== bytes.length) throw new Error(`only ${size} of ${bytes.length} bytes were written`);
      if (isDurable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // It was never made.
    }
    throw error;
  }
  if (isDurable) syncDirectory(dirname(path));
}

/** Not every file system can sync a directory; the file is whole either way. */
function syncDirectory(path: string): void {
  try {
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Windows opens no directory, some network file systems sync none.
  }
}
