import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { NotRegular, openRegular } from '../files/regularFile.js';

/**
 * Reads a small file that only this user can have written: a regular file of ours, not through a link. Throws Node's error (ENOENT
 * where there is none) or NotRegular.
 */
export function readOwnFile(path: string, maximumBytes: number): string {
  const { fd, size } = openRegular(path);
  try {
    const owner = fstatSync(fd).uid;
    if (owner !== process.getuid?.()) throw new NotRegular(`belongs to user ${owner}`);
    if (size > maximumBytes) throw new NotRegular(`has ${size} bytes, more than the ${maximumBytes} that it may have`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
