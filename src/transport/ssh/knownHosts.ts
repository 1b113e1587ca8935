import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { matchHostList } from './patterns.js';

/** A line of known_hosts that could be read. */
export interface KnownHost {
  marker: 'none' | 'revoked' | 'authority';
  /** Comma-separated patterns, or one `|1|salt|hash`. */
  hosts: string;
  keyType: string;
  /** The public key in SSH's wire format. */
  key: Buffer;
  file: string;
  /** From 1. */
  line: number;
}

/**
 * What known_hosts says of a key. Only `match` lets a connection go on unasked; `changed` and `revoked` end it before
 * authentication; `unknown` asks a person.
 */
export type KnownHostsAnswer =
  | { kind: 'match'; entry: KnownHost }
  | { kind: 'changed'; expected: KnownHost[] }
  | { kind: 'revoked'; entry: KnownHost }
  /** `otherTypes`: keys of this host of other types. `authority`: it has a certificate authority, which is not checked here. */
  | { kind: 'unknown'; otherTypes: KnownHost[]; authority: boolean };

/** A host as known_hosts knows it. */
export interface HostIdentity {
  /** HostName of ssh_config, or HostKeyAlias. */
  name: string;
  port: number;
  /** With HostKeyAlias the port is not part of the name. */
  isAlias: boolean;
}

/** The name under which OpenSSH files a host: `name`, or `[name]:port` where the port is not 22. */
export function lookupName(identity: HostIdentity): string {
  const name = identity.name.toLowerCase();
  return identity.isAlias || identity.port === 22 ? name : `[${name}]:${identity.port}`;
}

/** The lines of a known_hosts file. Lines that cannot be read are left out: like OpenSSH, nothing is trusted on their behalf. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  const found: KnownHost[] = [];
  text.split('\n').forEach((line, index) => {
    const words = line.trim().split(/[ \t]+/);
    if (words[0] === '' || words[0]!.startsWith('#')) return;
    let marker: KnownHost['marker'] = 'none';
    if (words[0]!.startsWith('@')) {
      if (words[0] === '@revoked') marker = 'revoked';
      else if (words[0] === '@cert-authority') marker = 'authority';
      else return;
      words.shift();
    }
    const [hosts, keyType, encoded] = words;
    if (hosts === undefined || keyType === undefined || encoded === undefined) return;
    const key = decodeKey(encoded);
    // A line that names one type and holds another would be found under the wrong one.
    if (key === undefined || typeOfKey(key) !== keyType) return;
    found.push({ marker, hosts, keyType, key, file, line: index + 1 });
  });
  return found;
}

function decodeKey(encoded: string): Buffer | undefined {
  // Buffer.from skips what is not base64: a damaged key must not become another one.
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.length % 4 !== 0) return undefined;
  return Buffer.from(encoded, 'base64');
}

/** The type that a public key in wire format names itself; empty for anything else. */
export function typeOfKey(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  // The longest type name OpenSSH knows has 39 characters.
  if (length === 0 || length > 64 || key.length < 4 + length) return '';
  const type = key.toString('latin1', 4, 4 + length);
  return /^[\x21-\x7e]+$/.test(type) ? type : '';
}

/** `SHA256:…`, as `ssh-keygen -lf` and OpenSSH's own questions print it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** Decides about the key that a host showed. */
export function lookUpKey(entries: readonly KnownHost[], identity: HostIdentity, key: Buffer): KnownHostsAnswer {
  const answer = lookUpName(entries, lookupName(identity), key);
  // As OpenSSH: a host on another port may be on file without its port. That can only confirm it, never call it changed.
  if (answer.kind === 'unknown' && !identity.isAlias && identity.port !== 22) {
    const plain = lookUpName(entries, identity.name.toLowerCase(), key);
    if (plain.kind === 'match' || plain.kind === 'revoked') return plain;
  }
  return answer;
}

function lookUpName(entries: readonly KnownHost[], name: string, key: Buffer): KnownHostsAnswer {
  const matching = entries.filter((entry) => matchesName(entry.hosts, name));
  // Revocation is a pass of its own, before anything can say yes: a key may stand in a good line above and a revoked one below.
  const revoked = matching.find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (revoked !== undefined) return { kind: 'revoked', entry: revoked };
  const plain = matching.filter((entry) => entry.marker === 'none');
  const match = plain.find((entry) => entry.key.equals(key));
  if (match !== undefined) return { kind: 'match', entry: match };
  const type = typeOfKey(key);
  const expected = plain.filter((entry) => entry.keyType === type);
  if (expected.length > 0) return { kind: 'changed', expected };
  return { kind: 'unknown', otherTypes: plain, authority: matching.some((entry) => entry.marker === 'authority') };
}

/** The types of the keys on file for a host, each once: offered first, since a host known by one type looks changed by another. */
export function keyTypesOnFile(entries: readonly KnownHost[], identity: HostIdentity): string[] {
  const names = identity.isAlias || identity.port === 22 ? [lookupName(identity)] : [lookupName(identity), identity.name.toLowerCase()];
  const types = entries.filter((entry) => entry.marker === 'none' && names.some((name) => matchesName(entry.hosts, name))).map((entry) => entry.keyType);
  return [...new Set(types)];
}

function matchesName(hosts: string, name: string): boolean {
  if (!hosts.startsWith('|')) return matchHostList(name, hosts) === 'match';
  const [, version, salt, hash] = hosts.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = hashName(name, Buffer.from(salt, 'base64'));
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function hashName(name: string, salt: Buffer): Buffer {
  return createHmac('sha1', salt).update(name).digest();
}

/** A line for known_hosts, with its line feed, in OpenSSH's own format. */
export function knownHostsLine(identity: HostIdentity, key: Buffer, hashed: boolean): string {
  const name = lookupName(identity);
  const salt = randomBytes(20);
  const hosts = hashed ? `|1|${salt.toString('base64')}|${hashName(name, salt).toString('base64')}` : name;
  return `${hosts} ${typeOfKey(key)} ${key.toString('base64')}\n`;
}
