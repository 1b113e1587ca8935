import { getCiphers } from 'node:crypto';
import type { Algorithms } from 'ssh2';
import { HumanError } from '../../core/errors.js';
import { boundedLine } from '../../core/foreignText.js';
import { matchPatternList } from './patterns.js';

interface Supported {
  /** Of ssh_config. */
  option: string;
  what: string;
  /** Best first. */
  usual: readonly string[];
  /** Only where ssh_config asks for them. */
  legacy: readonly string[];
}

type AlgorithmKind = 'kex' | 'cipher' | 'hmac' | 'serverHostKey';

/** As written in ssh_config: lists, or ones that begin with `+`, `-` or `^`. */
export type AlgorithmLists = Partial<Record<AlgorithmKind, string | undefined>>;

/** ChaCha20 is done by this process's OpenSSL: Node has it, an Electron built on BoringSSL may not. */
const chaCha = getCiphers().includes('chacha20') ? ['chacha20-poly1305@openssh.com'] : [];

/**
 * What ssh2 1.17 can do, best first (its lib/protocol/constants.js). It has no post-quantum key exchange, so a list of OpenSSH's can only be
 * followed as far as it overlaps.
 */
const supported: Readonly<Record<AlgorithmKind, Supported>> = {
  kex: {
    option: 'KexAlgorithms',
    what: 'key exchange',
    usual: [
      'curve25519-sha256',
      'curve25519-sha256@libssh.org',
      'ecdh-sha2-nistp256',
      'ecdh-sha2-nistp384',
      'ecdh-sha2-nistp521',
      'diffie-hellman-group-exchange-sha256',
      'diffie-hellman-group14-sha256',
      'diffie-hellman-group15-sha512',
      'diffie-hellman-group16-sha512',
      'diffie-hellman-group17-sha512',
      'diffie-hellman-group18-sha512',
    ],
    legacy: ['diffie-hellman-group-exchange-sha1', 'diffie-hellman-group14-sha1', 'diffie-hellman-group1-sha1'],
  },
  cipher: {
    option: 'Ciphers',
    what: 'cipher',
    usual: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr', ...chaCha],
    legacy: ['aes256-cbc', 'aes192-cbc', 'aes128-cbc', '3des-cbc'],
  },
  hmac: {
    option: 'MACs',
    what: 'message authentication code',
    usual: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha1-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512', 'hmac-sha1'],
    legacy: ['hmac-md5'],
  },
  serverHostKey: {
    option: 'HostKeyAlgorithms',
    what: 'type of host key',
    usual: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'rsa-sha2-512', 'rsa-sha2-256'],
    legacy: ['ssh-rsa', 'ssh-dss'],
  },
};
const kinds = Object.keys(supported) as AlgorithmKind[];

/** The algorithms of ssh_config as far as they can be had. Throws a HumanError `usage` for a list of which there is none. */
export function offeredAlgorithms(settings: { name: string; algorithms: AlgorithmLists; compression: boolean }): Algorithms {
  const chosen = kinds.map((kind) => {
    const { option, usual, legacy } = supported[kind];
    const list = settings.algorithms[kind];
    const picked = pick(list, usual, legacy);
    if (picked.length === 0) {
      throw new HumanError(`The ${option} of ${settings.name} in ssh_config (${boundedLine(list ?? '', 300)}) allow nothing that C10M has.`, {
        code: 'usage',
        remedy: `Add one of: ${usual.join(', ')}.`,
      });
    }
    return [kind, picked];
  });
  return { ...Object.fromEntries(chosen), compress: settings.compression ? ['zlib@openssh.com', 'zlib', 'none'] : ['none'] } as Algorithms;
}

/** A host that is known by one type of key is asked for that first: by another it would look changed. */
export function withHostKeysFirst(algorithms: Algorithms, typesOnFile: readonly string[]): Algorithms {
  const onFile: readonly string[] = typesOnFile.flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type]));
  const hostKeys = (algorithms.serverHostKey ?? []) as readonly string[];
  const first = hostKeys.filter((algorithm) => onFile.includes(algorithm));
  return { ...algorithms, serverHostKey: [...first, ...hostKeys.filter((algorithm) => !first.includes(algorithm))] } as Algorithms;
}

/** Applies an algorithm list of ssh_config (`a,b`, `+a`, `-a*`, `^a`) to the defaults. Empty where nothing of it can be had. */
export function pick(list: string | undefined, defaults: readonly string[], legacy: readonly string[]): string[] {
  if (list === undefined || list === '') return [...defaults];
  const all = [...defaults, ...legacy];
  const sign = list.charAt(0);
  const body = '+-^'.includes(sign) ? list.slice(1) : list;
  const named = body.split(',').flatMap((pattern) => all.filter((algorithm) => matchPatternList(algorithm, pattern) === 'match'));
  let chosen: string[];
  if (sign === '+') chosen = [...defaults, ...named];
  else if (sign === '^') chosen = [...named, ...defaults];
  else if (sign === '-') chosen = defaults.filter((algorithm) => !named.includes(algorithm));
  else chosen = named;
  return [...new Set(chosen)];
}

/** The names of a list of ssh_config that C10M does not have: they are passed over. A list that only takes away asks for nothing. */
export function missingAlgorithms(keyword: string, list: string): string[] {
  const kind = kinds.find((candidate) => supported[candidate].option.toLowerCase() === keyword);
  if (kind === undefined || list.startsWith('-')) return [];
  const all = [...supported[kind].usual, ...supported[kind].legacy];
  const names = list.replace(/^[+^]/, '').split(',');
  return names.filter((name) => name !== '' && !all.some((algorithm) => matchPatternList(algorithm, name) === 'match'));
}

/** As ssh2's debug lines name what the other side offers. */
const offerNames: Readonly<Record<string, AlgorithmKind>> = {
  'KEX method': 'kex',
  'Host key format': 'serverHostKey',
  'C->S cipher': 'cipher',
  'S->C cipher': 'cipher',
  'C->S MAC': 'hmac',
  'S->C MAC': 'hmac',
};

/** Names in a key exchange that are no algorithms but signs. */
const signs = /^(ext-info-|kex-strict-)/;

/** What a server offers, read from ssh2's debug lines, for the error when there is nothing in common. */
export class OfferedAlgorithms {
  private latest: { kind: AlgorithmKind; names: string[] } | undefined;

  read(line: string): void {
    const match = /^Handshake: \(remote\) ([^:]+): (.*)$/.exec(line);
    const kind = offerNames[match?.[1] ?? ''];
    if (match !== null && kind !== undefined) this.latest = { kind, names: match[2]!.split(',').filter((name) => !signs.test(name)) };
  }

  /** The error for a handshake that failed with this message of ssh2; undefined for any other failure. ssh2 stops at the first kind without a match. */
  explain(message: string | undefined, where: string, ours: Algorithms): HumanError | undefined {
    if (message === undefined || !/no matching/i.test(message) || this.latest === undefined) return undefined;
    const { kind, names } = this.latest;
    const { option, what, usual, legacy } = supported[kind];
    const excluded = names.filter((name) => [...usual, ...legacy].includes(name));
    const offered = (ours[kind] ?? []) as readonly string[];
    const lacking = `Allow one of these on the host too (${option} in sshd_config): ${usual.slice(0, 4).join(', ')}.`;
    const remedy =
      excluded.length > 0
        ? `C10M has ${excluded[0]!}, but does not offer it${excluded.some((name) => usual.includes(name)) ? ', because ssh_config leaves it out' : ' unasked, because it is old and weak'}. Add to ssh_config: ${option} +${excluded[0]!}`
        : `C10M has none of these. ${lacking}`;
    return new HumanError(
      `${where} and C10M have no ${what} in common. The host offers: ${boundedLine(names.join(', '), 500)}. C10M offers: ${offered.join(', ')}.`,
      { code: 'unreachable', remedy },
    );
  }
}
