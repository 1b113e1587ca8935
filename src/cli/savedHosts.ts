import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { HumanError } from '../core/errors.js';
import { ownDirectory } from '../files/ownHome.js';
import { replaceFile } from '../files/durableFile.js';

/** Names for `user@name:port` that a person gave with `c10m host add`, in `$XDG_CONFIG_HOME/c10m/hosts.json`. No secret is ever in it. */
const savedHostsSchema = v.record(v.pipe(v.string(), v.regex(/^[\w.-]{1,100}$/)), v.object({ address: v.string() }));
type SavedHosts = v.InferOutput<typeof savedHostsSchema>;

export function savedHostsPath(environment: NodeJS.ProcessEnv = process.env): string {
  return join(ownDirectory(environment.XDG_CONFIG_HOME, '.config'), 'c10m', 'hosts.json');
}

/** Throws a HumanError (usage) when the file is there but cannot be understood: nothing is then overwritten. */
export function readSavedHosts(path = savedHostsPath()): SavedHosts {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  try {
    return v.parse(savedHostsSchema, JSON.parse(text));
  } catch (error) {
    throw new HumanError(`${path} is not a list of hosts.`, { code: 'usage', remedy: 'Correct it, or move it away.', cause: error });
  }
}

export function addSavedHost(name: string, address: string, path = savedHostsPath()): void {
  if (!/^[\w.-]{1,100}$/.test(name) || name === 'local')
    throw new HumanError(`"${name}" cannot be the name of a host.`, { code: 'usage', remedy: 'Use letters, digits, dots and dashes.' });
  const hosts = readSavedHosts(path);
  if (Object.hasOwn(hosts, name))
    throw new HumanError(`There is a host ${name} already: ${hosts[name]!.address}.`, { code: 'usage', remedy: 'Remove it first, or choose another name.' });
  write({ ...hosts, [name]: { address } }, path);
}

export function removeSavedHost(name: string, path = savedHostsPath()): void {
  const hosts = readSavedHosts(path);
  if (!Object.hasOwn(hosts, name)) throw new HumanError(`There is no saved host ${name}.`, { code: 'usage', remedy: 'List them with: c10m host list' });
  write(Object.fromEntries(Object.entries(hosts).filter(([key]) => key !== name)), path);
}

function write(hosts: SavedHosts, path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  replaceFile(path, `${JSON.stringify(hosts, undefined, 2)}\n`);
}

/** What a name means: the address of a saved host, or the name itself. */
export function addressOf(name: string): string {
  const hosts = readSavedHosts();
  return Object.hasOwn(hosts, name) ? hosts[name]!.address : name;
}
