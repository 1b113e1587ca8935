import { homedir, hostname, userInfo } from 'node:os';

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

/** The machine this process really runs on. */
export function laptopEnvironment(): LaptopEnvironment {
  const user = userInfo();
  return { platform: process.platform, homeDirectory: homedir(), userName: user.username, userId: user.uid, hostName: hostname(), variables: process.env };
}
