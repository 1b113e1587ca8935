import { homedir, userInfo } from 'node:os';

/** The machine C10M runs on, as far as the transport depends on it. Injected, so that the rules of Windows and macOS can be tested on Linux. */
export interface LaptopEnvironment {
  platform: NodeJS.Platform;
  homeDirectory: string;
  userName: string;
  variables: Readonly<Record<string, string | undefined>>;
}

/** The machine this process really runs on. */
export function laptopEnvironment(): LaptopEnvironment {
  return { platform: process.platform, homeDirectory: homedir(), userName: userInfo().username, variables: process.env };
}
