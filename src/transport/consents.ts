import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../core/errors.js';
import type { LaptopEnvironment } from './environment.js';

/** Consents that are kept; older ones are asked for again. */
const maximumConsents = 500;

/** Where the laptop keeps what the user allowed. */
export function consentFile({ platform, homeDirectory, variables }: LaptopEnvironment): string {
  if (platform === 'win32') return join(variables['APPDATA'] ?? join(homeDirectory, 'AppData', 'Roaming'), 'c10m', 'allowed-commands.json');
  if (platform === 'darwin') return join(homeDirectory, 'Library', 'Application Support', 'c10m', 'allowed-commands.json');
  const state = variables['XDG_STATE_HOME'];
  return join(state?.startsWith('/') === true ? state : join(homeDirectory, '.local', 'state'), 'c10m', 'allowed-commands.json');
}

/**
 * Remembers which commands of ssh_config the user let C10M run, for which host. Only hashes are kept, since a command may
 * hold what is nobody's business; a command that changes in any way is asked for again.
 */
export class Consents {
  constructor(
    private readonly file: string,
    private readonly log: (line: string) => void,
  ) {}

  async has(host: string, command: string): Promise<boolean> {
    return (await this.read()).includes(consentKey(host, command));
  }

  async add(host: string, command: string): Promise<void> {
    const consents = [...(await this.read()), consentKey(host, command)].slice(-maximumConsents);
    try {
      await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
      const temporary = `${this.file}.${process.pid}`;
      await writeFile(temporary, `${JSON.stringify(consents)}\n`, { mode: 0o600 });
      await rename(temporary, this.file);
    } catch (error) {
      this.log(`what was allowed could not be remembered in ${this.file} (${messageOf(error)})`);
    }
  }

  private async read(): Promise<string[]> {
    try {
      const value: unknown = JSON.parse(await readFile(this.file, 'utf8'));
      return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
    } catch {
      return [];
    }
  }
}

function consentKey(host: string, command: string): string {
  return createHash('sha256').update(`${host}\0${command}`).digest('hex');
}
