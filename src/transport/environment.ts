import { homedir, hostname, userInfo } from 'node:os';
import { ownHome } from '../files/ownHome.js';

/** The machine C10M runs on, as far as the transport depends on it. Injected, so that the rules of Windows and macOS can be tested on Linux. */
export interface LaptopEnvironment {
  platform: NodeJS.Platform;
  homeDirectory: string;
  userName: string;
  /** -1 where users have no numbers. */
  userId: number;
  hostName: string;
  variables: Readonly<Record<string, string | undefined>>;
}

/** The machine this process really runs on. Asks the user database, which may be slow where it is on the network. */
export function laptopEnvironment(readUser: () => { username: string; uid: number } = userInfo): LaptopEnvironment {
  return { platform: process.platform, homeDirectory: ownHome() ?? homedir(), ...currentUser(readUser), hostName: hostname(), variables: process.env };
}

/** `name@host`: who began a run. */
export function runOwner({ userName, hostName } = laptopEnvironment()): string {
  return `${userName}@${hostName}`;
}

function currentUser(readUser: () => { username: string; uid: number }): Pick<LaptopEnvironment, 'userName' | 'userId'> {
  try {
    const { username, uid } = readUser();
    return { userName: username, userId: uid };
  } catch {
    // Containers run programs as users that no database knows.
    const userId = process.getuid?.() ?? -1;
    return { userName: process.env['USER'] ?? process.env['LOGNAME'] ?? String(userId), userId };
  }
}
