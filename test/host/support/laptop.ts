import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestHost } from './host.js';

/** The home of a made-up user of the test machine: ssh_config, known_hosts and nothing of the real user. */
export interface Laptop {
  home: string;
  configFile: string;
  knownHostsFile: string;
  /** For child processes: HOME is ours, and there is no agent. */
  environment: NodeJS.ProcessEnv;
  /** Adds an alias for a host, with the lab's key, and trusts its keys. */
  add(alias: string, host: TestHost, options?: { user?: string; lines?: string[]; trusted?: boolean }): void;
  remove(): void;
}

/** Makes an empty home directory. Call `remove` when done. */
export function makeLaptop(): Laptop {
  const home = mkdtempSync(join(tmpdir(), 'c10m-laptop-'));
  mkdirSync(join(home, '.ssh'), { mode: 0o700 });
  const configFile = join(home, '.ssh', 'config');
  const knownHostsFile = join(home, '.ssh', 'known_hosts');
  writeFileSync(configFile, '');
  writeFileSync(knownHostsFile, '');
  const environment: NodeJS.ProcessEnv = { ...process.env, HOME: home, XDG_CACHE_HOME: undefined, XDG_STATE_HOME: undefined, SSH_AUTH_SOCK: undefined };
  return {
    home,
    configFile,
    knownHostsFile,
    environment: Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)),
    add: (alias, host, options = {}) => {
      const lines = [
        `Host ${alias}`,
        `  HostName ${host.address}`,
        `  Port ${host.port}`,
        `  User ${options.user ?? 'root'}`,
        `  IdentityFile ${host.keyFile}`,
        '  IdentitiesOnly yes',
        ...(options.lines ?? []).map((line) => `  ${line}`),
      ];
      appendFileSync(configFile, `${lines.join('\n')}\n`);
      if (options.trusted !== false) appendFileSync(knownHostsFile, readFileSync(host.knownHostsFile));
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
