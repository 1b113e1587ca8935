import { statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/**
 * The home directory of the user this process runs as: `$HOME`, unless that is empty, relative, or another user's (sudo may keep
 * the caller's HOME for root): then what the user database says. Undefined where there is none of either.
 */
export function ownHome(userId = process.getuid?.() ?? -1): string | undefined {
  return [homedir, () => userInfo().homedir].map(attempt).find((home) => home !== undefined && isAbsolute(home) && isPlaceOf(home, userId));
}

/**
 * Whether files of this user belong below a path; -1 where users have no numbers. Root can write everywhere, so for root the nearest directory that exists decides:
 * in another user's it would leave files that their owner cannot remove.
 */
export function isPlaceOf(path: string, userId: number): boolean {
  if (userId !== 0) return true;
  for (let directory = path; ; directory = dirname(directory)) {
    try {
      return statSync(directory).uid === 0;
    } catch {
      if (directory === dirname(directory)) return false;
    }
  }
}

/**
 * A directory of the XDG Base Directory Specification for this user's files: what the variable says where it is absolute (the
 * specification ignores any other) and no other user's, else `fallback` below the home directory.
 */
export function ownDirectory(variable: string | undefined, ...fallback: string[]): string {
  const userId = process.getuid?.() ?? -1;
  return variable !== undefined && isAbsolute(variable) && isPlaceOf(variable, userId) ? variable : join(ownHome(userId) ?? homedir(), ...fallback);
}

function attempt(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    // A user without an entry in the user database.
    return undefined;
  }
}
