import { closeSync, constants, openSync, readdirSync, readSync, statSync } from 'node:fs';
import type { LaptopEnvironment } from '../environment.js';
import { globMatcher } from './patterns.js';

/** What the reader of ssh_config needs of a file system. Paths are those of the laptop, with `/` or, on Windows, `\` too. */
export interface ConfigFileSystem {
  /** The text of a file; undefined when it does not exist or cannot be read. */
  read(path: string): string | undefined;
  /** Names in a directory; empty when there is none. */
  list(directory: string): string[];
  exists(path: string): boolean;
}

/** ssh_config files that are larger are not read: the largest real ones are some hundred KiB. */
const maximumConfigBytes = 4 * 1024 * 1024;

/** More names than this are no Include that somebody wrote for ssh: the rest is not looked at. */
export const maximumGlobMatches = 2_000;

function readAtMost(path: string, bytes: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, bytes, 0));
  } finally {
    closeSync(file);
  }
}

export const realConfigFileSystem: ConfigFileSystem = {
  read: (path) => {
    try {
      // A device or a pipe could hold us for ever.
      const status = statSync(path);
      // Files of /proc say that they are empty, and some have no end: no more is read than a file says it has.
      return status.isFile() && status.size <= maximumConfigBytes ? readAtMost(path, status.size) : undefined;
    } catch {
      return undefined;
    }
  },
  list: (directory) => {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  },
  exists: (path) => {
    try {
      statSync(path);
      return true;
    } catch {
      return false;
    }
  },
};

/** Where OpenSSH keeps its files on this laptop. */
export function sshPaths(environment: LaptopEnvironment): { userDirectory: string; userConfig: string; systemDirectory: string; systemConfig: string } {
  const userDirectory = `${environment.homeDirectory}/.ssh`;
  // The Windows port of OpenSSH puts its own under ProgramData.
  const systemDirectory = environment.platform === 'win32' ? `${environment.variables['ProgramData'] ?? 'C:\\ProgramData'}/ssh` : '/etc/ssh';
  return { userDirectory, userConfig: `${userDirectory}/config`, systemDirectory, systemConfig: `${systemDirectory}/ssh_config` };
}

export function isAbsolutePath(path: string, platform: NodeJS.Platform): boolean {
  return path.startsWith('/') || (platform === 'win32' && (/^[A-Za-z]:[\\/]/.test(path) || path.startsWith('\\\\')));
}

/** `~` and `~/x` as the home directory; other users' homes are not known and left alone. */
export function expandTilde(path: string, environment: LaptopEnvironment): string {
  if (path === '~') return environment.homeDirectory;
  const isHome = path.startsWith('~/') || (environment.platform === 'win32' && path.startsWith('~\\'));
  return isHome ? `${environment.homeDirectory}/${path.slice(2)}` : path;
}

/** The files that an Include pattern names, sorted as glob(3) does. `*`, `?` and `[a-z]` in any part; a leading dot must be written. */
export function expandGlob(pattern: string, platform: NodeJS.Platform, files: ConfigFileSystem): string[] {
  const normalised = platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern;
  const parts = normalised.split('/');
  let found = [parts[0]!];
  for (const part of parts.slice(1)) {
    found = found.slice(0, maximumGlobMatches);
    if (!/[*?[]/.test(part)) {
      found = found.map((directory) => `${directory}/${part}`);
      continue;
    }
    const matches = globMatcher(part);
    found = found.flatMap((directory) =>
      files
        .list(directory === '' ? '/' : directory)
        .filter((name) => (!name.startsWith('.') || part.startsWith('.')) && matches(name))
        // glob(3) sorts by the locale; in the C locale, and for the digits that people use, this is the same.
        .sort()
        .map((name) => `${directory}/${name}`),
    );
  }
  return found.slice(0, maximumGlobMatches).filter((path) => files.exists(path));
}
