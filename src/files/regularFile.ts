import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

/** A name that is there but is no regular file, or one that is larger than expected. `message` fits behind "NAME ". */
export class NotRegular extends Error {}

/**
 * Opens a file for reading that must be a regular one: a directory, a FIFO that would hang, a device or a symbolic link that
 * could lead anywhere is refused. Throws NotRegular, or what node:fs throws; the caller closes the descriptor.
 */
export function openRegular(path: string): { fd: number; size: number } {
  let fd: number;
  try {
    // Windows has neither flag: undefined adds nothing.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP') throw new NotRegular('is a symbolic link, not a file');
    if (code === 'ENXIO') throw new NotRegular('is a socket, not a file');
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new NotRegular(`is ${kindOf(stats)}, not a file`);
    return { fd, size: stats.size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The bytes of a regular file of at most `maximumBytes`. Throws NotRegular, or what node:fs throws. */
export function readRegular(path: string, maximumBytes: number): Buffer {
  const { fd, size } = openRegular(path);
  try {
    if (size > maximumBytes) throw new NotRegular(`has ${size} bytes, more than the ${maximumBytes} that are read`);
    const bytes = Buffer.alloc(size);
    let filled = 0;
    while (filled < size) {
      const count = readSync(fd, bytes, filled, size - filled, filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  } finally {
    closeSync(fd);
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'a device';
  return 'something else';
}
