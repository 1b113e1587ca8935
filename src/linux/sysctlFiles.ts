import { closeSync, constants, existsSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The sysctls as files. The root is a parameter so that tests can stand in a directory of their own. */
export class SysctlFiles {
  constructor(private readonly root = '/proc/sys') {}

  /** `net.ipv4.tcp_mem` lies at `net/ipv4/tcp_mem`. No key that we use has a dot inside a component. */
  path(key: string): string {
    return join(this.root, ...key.split('.'));
  }

  /** The value without its last line feed; undefined where it is absent or cannot be read. */
  read(key: string): string | undefined {
    try {
      return readFileSync(this.path(key), 'latin1').replace(/\n$/, '');
    } catch {
      return undefined;
    }
  }

  /** Opens for writing without writing: the permission bits alone do not tell for root, nor in a namespace. */
  access(key: string): 'writable' | 'readOnly' | 'absent' {
    const path = this.path(key);
    try {
      closeSync(openSync(path, constants.O_WRONLY));
      return 'writable';
    } catch {
      return existsSync(path) ? 'readOnly' : 'absent';
    }
  }

  /** Throws the kernel's error (EACCES, EINVAL, EROFS …). The whole value goes in one write, as the kernel demands. */
  write(key: string, value: string): void {
    const fd = openSync(this.path(key), constants.O_WRONLY);
    try {
      const bytes = Buffer.from(`${value}\n`);
      writeSync(fd, bytes);
      // A plain file (a test's) may have held more; emptied before, it would hold nothing when this process is killed here.
      if (fstatSync(fd).size > bytes.length) ftruncateSync(fd, bytes.length);
    } finally {
      closeSync(fd);
    }
  }
}
