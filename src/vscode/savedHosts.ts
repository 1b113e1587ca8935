import { text } from '../core/texts.js';

/** A host as saved in the setting `c10m.hosts`, of application scope: a workspace cannot name hosts. No secrets. */
export interface SavedHost {
  /** What the user calls it; unique. */
  name: string;
  address: string;
  user?: string;
  port?: number;
  identityFile?: string;
  sudo?: 'auto' | 'never' | 'required';
}

/** What is not a host is left out: a typing error in settings.json must not take the other hosts away. */
export function parseHosts(value: unknown): SavedHost[] {
  return Array.isArray(value) ? value.flatMap((entry: unknown) => parseHost(entry) ?? []) : [];
}

function parseHost(entry: unknown): SavedHost | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { name, address, user, port, identityFile, sudo } = entry as Record<string, unknown>;
  if (typeof name !== 'string' || name === '' || typeof address !== 'string' || address === '') return undefined;
  return {
    name,
    address,
    ...(typeof user === 'string' && user !== '' ? { user } : {}),
    ...(isPort(port) ? { port } : {}),
    ...(typeof identityFile === 'string' && identityFile !== '' ? { identityFile } : {}),
    ...(sudo === 'auto' || sudo === 'never' || sudo === 'required' ? { sudo } : {}),
  };
}

function isPort(port: unknown): port is number {
  return typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536;
}

/**
 * The value of the setting with the hosts of some names replaced. What cannot be read as a host is a typing error of a person, who may still mend it:
 * it stays, at the end.
 */
export function changedHosts(value: unknown, removed: readonly string[], added: readonly SavedHost[]): unknown[] {
  const before: unknown[] = Array.isArray(value) ? value : [];
  const gone = new Set([...removed, ...added.map(({ name }) => name)]);
  // An entry as it was written: a key of a later version is kept, too.
  const kept = before.flatMap((entry) => {
    const host = parseHost(entry);
    return host === undefined || gone.has(host.name) ? [] : [{ name: host.name, entry }];
  });
  const hosts = [...kept, ...added.map((host) => ({ name: host.name, entry: host }))].sort((a, b) => a.name.localeCompare(b.name));
  return [...hosts.map(({ entry }) => entry), ...before.filter((entry) => parseHost(entry) === undefined)];
}

/** Where a host is, as a person writes it. */
export type HostAddress = Pick<SavedHost, 'address' | 'user' | 'port' | 'identityFile'>;

/**
 * `example.org`, `root@10.0.0.2`, `root@example.org:2222`, `[::1]:2222`, `ssh://root@example.org:2222`, or a command line as one uses it:
 * `ssh -p 2222 -i KEY root@10.0.0.2`. A string: what is wrong with it.
 */
export function readHostAddress(written: string): HostAddress | string {
  const words = written.trim().split(/\s+/);
  const options: Record<string, string> = {};
  const places: string[] = [];
  if (words[0] === 'ssh') {
    for (let index = 1; index < words.length; index++) {
      const [, letter, joined] = /^-([pil])(.*)$/.exec(words[index]!) ?? [];
      if (letter !== undefined) options[letter] = joined !== undefined && joined !== '' ? joined : (words[++index] ?? '');
      else if (words[index]!.startsWith('-'))
        return text('The option {0} of ssh is not understood here. Write it into ~/.ssh/config, or leave it out.', words[index]!);
      else places.push(words[index]!);
    }
  } else places.push(...words);
  const [place, ...more] = places;
  if (place === undefined || place === '' || more.length > 0) return text('An address is one word, such as root@10.0.0.2 or example.org.');
  const match =
    /^(?:ssh:\/\/)?(?:(?<user>[^@/\s]+)@)?(?:\[(?<bracketed>[^\]]+)\]|(?<address>[^@/[\]:]+)|(?<ip6>[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*))(?::(?<port>[^:]*))?\/?$/i.exec(
      place,
    );
  const { user = options['l'], bracketed, address = bracketed, ip6, port = options['p'] } = match?.groups ?? {};
  const found = address ?? ip6;
  if (found === undefined) return text('"{0}" is not an address. Write it like root@10.0.0.2, example.org:2222 or [::1]:22.', place);
  if (port !== undefined && !(/^\d+$/.test(port) && isPort(Number(port)))) return text('"{0}" is not a port: ports are numbers from 1 to 65535.', port);
  return {
    address: found,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined || port === '22' ? {} : { port: Number(port) }),
    ...(options['i'] === undefined ? {} : { identityFile: options['i'] }),
  };
}
