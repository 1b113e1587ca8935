import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Outcome } from '../support/attempt.js';
import { type TestHost } from '../support/host.js';
import { describeSshCases, replaceKnownHosts } from '../support/sshCases.js';

function otherHostKey(): string {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-other-'));
  try {
    const file = join(directory, 'key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
    return readFileSync(`${file}.pub`, 'utf8').trim();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const noLogin = (_: Outcome, host: TestHost) =>
  assert.doesNotMatch(host.serverLog(), /Accepted|Failed|Invalid user|authenticating user/, 'no authentication was attempted');

describeSshCases('host keys', [
  { name: 'unknown and declined', trusted: false, expect: 'accessRefused', asked: ['hostKey'], says: [/SHA256:/, /--accept-new/], check: noLogin },
  {
    name: 'unknown and accepted: written as OpenSSH does',
    trusted: false,
    person: { acceptHostKey: true },
    host: { port: 2200 },
    expect: 'root',
    asked: ['hostKey'],
    check: (_, host, laptop) => {
      const found = execFileSync('ssh-keygen', ['-F', `[${host.address}]:2200`, '-f', laptop.knownHostsFile], { encoding: 'utf8' });
      assert.ok(readFileSync(host.knownHostsFile, 'utf8').includes(found.trim().split(' ').pop()!));
    },
  },
  {
    name: 'unknown, StrictHostKeyChecking yes',
    trusted: false,
    lines: ['StrictHostKeyChecking yes'],
    person: { acceptHostKey: true },
    expect: 'accessRefused',
    asked: [],
    check: noLogin,
  },
  {
    name: 'unknown, accept-new',
    trusted: false,
    lines: ['StrictHostKeyChecking accept-new', 'HashKnownHosts yes'],
    expect: 'root',
    asked: [],
    check: (_, host, laptop) => {
      assert.match(readFileSync(laptop.knownHostsFile, 'utf8'), /^\|1\|/);
      execFileSync('ssh-keygen', ['-F', host.address, '-f', laptop.knownHostsFile]);
    },
  },
  {
    name: 'changed',
    prepare: (l, h) => replaceKnownHosts(l, () => `${h.address} ${otherHostKey()}\n`),
    lines: ['StrictHostKeyChecking no'],
    person: { acceptHostKey: true },
    expect: 'accessRefused',
    asked: [],
    says: [/SHA256:\S+ \(.*known_hosts, line 1\).*SHA256:/, /ssh-keygen -R/],
    check: noLogin,
  },
  {
    name: 'revoked',
    prepare: (l, h) => replaceKnownHosts(l, (text) => `${text}${text.replaceAll(h.address, '@revoked *')}`),
    person: { acceptHostKey: true },
    expect: 'accessRefused',
    asked: [],
    says: /revoked/,
    check: noLogin,
  },
  {
    name: 'known by ecdsa only',
    prepare: (l) =>
      replaceKnownHosts(
        l,
        (text) =>
          text
            .split('\n')
            .filter((line) => line.includes('ecdsa'))
            .join('\n') + '\n',
      ),
    expect: 'root',
    asked: [],
  },
  {
    name: 'known by a type that the host no longer has: a note, and never unasked',
    host: { hostKeyTypes: ['ed25519'] },
    prepare: (l, h) => {
      const file = join(l.home, 'e');
      execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', file]);
      replaceKnownHosts(l, () => `${h.address} ${readFileSync(`${file}.pub`, 'utf8')}`);
    },
    lines: ['StrictHostKeyChecking accept-new'],
    expect: 'accessRefused',
    asked: ['hostKey with a note'],
    check: noLogin,
  },
  {
    name: 'hashed',
    prepare: (l) => {
      execFileSync('ssh-keygen', ['-q', '-H', '-f', l.knownHostsFile], { stdio: 'pipe' });
    },
    expect: 'root',
    asked: [],
  },
  {
    name: 'HostKeyAlias',
    prepare: (l, h) => replaceKnownHosts(l, (text) => text.replaceAll(h.address, 'my-alias')),
    lines: ['HostKeyAlias my-alias'],
    expect: 'root',
    asked: [],
  },
  {
    name: 'another file',
    prepare: (l) => {
      writeFileSync(join(l.home, 'kh'), readFileSync(l.knownHostsFile));
      writeFileSync(l.knownHostsFile, '');
    },
    lines: ['UserKnownHostsFile ~/none ~/kh'],
    expect: 'root',
    asked: [],
  },
]);
