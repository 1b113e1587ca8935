import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestHost } from '../support/host.js';
import type { Laptop } from '../support/laptop.js';
import { describeSshCases, replaceLine, type SshCase } from '../support/sshCases.js';
import { startTokenAgent } from '../support/testSshAgent.js';

/** Certificates and security keys: ssh2 knows neither, so what the real sshd accepts is what counts. */
const authority = { sshdConfig: ['TrustedUserCAKeys /etc/ssh/ca.pub'] };
const keyOf = (laptop: Laptop) => join(laptop.home, 'key');

/** `~/key` with a certificate of an authority that the host trusts; the key alone opens nothing. */
async function certify(laptop: Laptop, host: TestHost, type: string, validity = '+1h'): Promise<void> {
  const key = keyOf(laptop);
  const authorityKey = join(laptop.home, 'ca');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', authorityKey]);
  execFileSync('ssh-keygen', ['-q', '-t', type, ...(type === 'rsa' ? ['-b', '2048'] : []), '-N', '', '-f', key]);
  execFileSync('ssh-keygen', ['-q', '-s', authorityKey, '-I', 'me', '-n', 'root', '-V', validity, `${key}.pub`]);
  await host.exec('rm -f /root/.ssh/authorized_keys; cat > /etc/ssh/ca.pub', readFileSync(`${authorityKey}.pub`, 'utf8'));
}

async function withRealAgent(laptop: Laptop): Promise<void> {
  const socket = join(laptop.home, 'agent.sock');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  after(() => agent.kill());
  for (let tries = 0; tries < 200 && !existsSync(socket); tries++) await delay(20);
  execFileSync('ssh-add', ['-q', keyOf(laptop)], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' });
  for (const file of ['key', 'key.pub', 'key-cert.pub']) rmSync(join(laptop.home, file));
  useAgent(laptop, socket);
}

function useAgent(laptop: Laptop, socket: string): void {
  writeFileSync(laptop.configFile, `${readFileSync(laptop.configFile, 'utf8').replace(/ {2}Identit.*\n/g, '')}  IdentityAgent ${socket}\n`);
}

async function withToken(laptop: Laptop, host: TestHost, waits: { touchMs?: number; unlockMs?: number }): Promise<void> {
  const agent = await startTokenAgent(join(laptop.home, 'token.sock'), waits);
  after(() => agent.stop());
  await host.exec('cat > /root/.ssh/authorized_keys', `${agent.authorizedKey}\n`);
  useAgent(laptop, agent.socket);
}

const useKey = (laptop: Laptop) => replaceLine(laptop, readFileSync(laptop.configFile, 'utf8').match(/IdentityFile .*/)![0], 'IdentityFile ~/key');

const cases: SshCase[] = [
  ...['ed25519', 'rsa', 'ecdsa'].map((type): SshCase => ({
    name: `a certificate beside its key file, ${type}`,
    host: authority,
    prepare: async (l, h) => {
      await certify(l, h, type);
      useKey(l);
    },
    expect: 'root',
    asked: [],
    check: (_, host) => assert.match(host.serverLog(), /Accepted certificate|Accepted publickey.*-CERT/),
  })),
  ...['ed25519', 'rsa'].map((type): SshCase => ({
    name: `a certificate that an agent holds, ${type}`,
    host: authority,
    prepare: async (l, h) => {
      await certify(l, h, type);
      await withRealAgent(l);
    },
    expect: 'root',
    asked: [],
    check: (_, host) => assert.match(host.serverLog(), /Accepted publickey.*-CERT/),
  })),
  {
    name: 'CertificateFile, with a key that is locked',
    host: authority,
    lines: ['CertificateFile ~/mine-cert.pub'],
    prepare: async (l, h) => {
      await certify(l, h, 'ecdsa');
      execFileSync('sh', ['-c', 'mv "$0-cert.pub" "$1/mine-cert.pub"; ssh-keygen -q -p -P "" -N secret -f "$0"', keyOf(l), l.home]);
      useKey(l);
    },
    person: { secrets: { passphrase: ['secret'] } },
    expect: 'root',
    asked: ['passphrase'],
  },
  {
    name: 'a certificate that has expired is named so',
    host: authority,
    prepare: async (l, h) => {
      await certify(l, h, 'ed25519', '20200101:20200102');
      useKey(l);
    },
    expect: 'accessRefused',
    says: /key-cert\.pub \(ssh-ed25519-cert-v01@openssh\.com, which has expired\)/,
  },
  {
    name: 'a security key of an agent, touched after longer than ConnectTimeout',
    lines: ['ConnectTimeout 1'],
    prepare: (l, h) => withToken(l, h, { touchMs: 2_500 }),
    expect: 'root',
    says: /informed: Waiting for the SSH agent to sign/,
    check: (_, host) => assert.match(host.serverLog(), /Accepted publickey.*ECDSA-SK/),
  },
  {
    name: 'a vault that is unlocked after longer than ConnectTimeout',
    lines: ['ConnectTimeout 1'],
    prepare: (l, h) => withToken(l, h, { unlockMs: 2_500 }),
    expect: 'root',
    says: /informed: Waiting for the SSH agent .* to list its keys/,
  },
];

describeSshCases('certificates and security keys', cases);
