import type { Algorithms } from 'ssh2';
import { matchPatternList } from './patterns.js';
import type { SshSettings } from './settings.js';

/**
 * What ssh2 1.17 can do, best first (its lib/protocol/constants.js). It has no post-quantum key exchange and no
 * ChaCha20 without its optional native part, so a list of OpenSSH's can only be followed as far as it overlaps.
 */
const supported = {
  kex: [
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
  legacyKex: ['diffie-hellman-group-exchange-sha1', 'diffie-hellman-group14-sha1', 'diffie-hellman-group1-sha1'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  legacyCipher: ['aes256-cbc', 'aes192-cbc', 'aes128-cbc', '3des-cbc'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha1-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512', 'hmac-sha1'],
  legacyHmac: ['hmac-md5'],
  serverHostKey: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'rsa-sha2-512', 'rsa-sha2-256'],
  legacyServerHostKey: ['ssh-rsa', 'ssh-dss'],
} as const;

/** The algorithms to offer: those of ssh_config as far as they can be had, and the host key types on file first. */
export function offeredAlgorithms(settings: SshSettings, typesOnFile: readonly string[]): Algorithms {
  const { kex, cipher, hmac, serverHostKey } = settings.algorithms;
  const hostKeys = pick(serverHostKey, supported.serverHostKey, supported.legacyServerHostKey);
  const onFile = typesOnFile.flatMap((type) => (type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] : [type]));
  const first = hostKeys.filter((algorithm) => onFile.includes(algorithm));
  return {
    kex: pick(kex, supported.kex, supported.legacyKex),
    cipher: pick(cipher, supported.cipher, supported.legacyCipher),
    hmac: pick(hmac, supported.hmac, supported.legacyHmac),
    serverHostKey: [...first, ...hostKeys.filter((algorithm) => !first.includes(algorithm))],
    compress: settings.compression ? ['zlib@openssh.com', 'zlib', 'none'] : ['none'],
  } as Algorithms;
}

/** Applies an algorithm list of ssh_config (`a,b`, `+a`, `-a*`, `^a`) to the defaults. A list without overlap falls back to the defaults. */
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
  return chosen.length === 0 ? [...defaults] : [...new Set(chosen)];
}
