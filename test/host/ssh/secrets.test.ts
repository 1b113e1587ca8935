import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { testLab } from '../support/host.js';
import { type Laptop } from '../support/laptop.js';
import { ann, describeSshCases, makeKey, noKey, ownKey, password, replaceIdentity } from '../support/sshCases.js';

const withPassword = { users: [ann({ password, key: false })], sshdConfig: ['PasswordAuthentication yes'] };
const interactive = { users: [ann({ password, key: false })], sshdConfig: ['UsePAM yes', 'KbdInteractiveAuthentication yes'] };

/** Starts an agent that holds the lab's key and takes the key file out of the configuration. */
async function withAgent(laptop: Laptop): Promise<void> {
  const socket = join(laptop.home, 'agent.sock');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  after(() => agent.kill());
  for (let tries = 0; tries < 100; tries++) {
    try {
      const key = join(laptop.home, 'agent-key');
      writeFileSync(key, readFileSync((await testLab()).keyFile));
      chmodSync(key, 0o600);
      execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'pipe' });
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  writeFileSync(laptop.configFile, `${readFileSync(laptop.configFile, 'utf8').replace(/ {2}Identit.*\n/g, '')}  IdentityAgent ${socket}\n`);
}

describeSshCases('keys and secrets', [
  { name: 'root by key', expect: 'root', asked: [] },
  { name: 'another port', host: { port: 2222 }, expect: 'root' },
  { name: 'an ecdsa key', prepare: (l, h) => makeKey(l, h, 'ecdsa', ''), lines: ownKey, expect: 'root' },
  { name: 'an rsa key', prepare: (l, h) => makeKey(l, h, 'rsa', ''), lines: ownKey, expect: 'root' },
  { name: 'an rsa key in PEM', prepare: (l, h) => makeKey(l, h, 'rsa', '', ['-m', 'PEM']), lines: ownKey, expect: 'root' },
  {
    name: 'an encrypted PEM key without its public half',
    prepare: async (l, h) => {
      await makeKey(l, h, 'rsa', 'secret', ['-m', 'PEM']);
      rmSync(join(l.home, 'key.pub'));
    },
    lines: ownKey,
    person: { secrets: { passphrase: ['secret'] } },
    expect: 'root',
    asked: ['passphrase'],
  },
  {
    name: 'an encrypted key, first a wrong passphrase',
    prepare: (l, h) => makeKey(l, h, 'ed25519', 'secret'),
    lines: ownKey,
    person: { secrets: { passphrase: ['wrong', 'secret'] } },
    expect: 'root',
    asked: ['passphrase', 'passphrase'],
  },
  {
    name: 'an encrypted key, no passphrase given',
    prepare: (l, h) => makeKey(l, h, 'ed25519', 'secret'),
    lines: ownKey,
    expect: 'accessRefused',
    asked: ['passphrase'],
    says: [/home.*key|key file/, /encrypted/],
  },
  {
    name: 'an encrypted key that the server does not want is not asked for',
    prepare: async (l, h) => {
      await makeKey(l, h, 'ed25519', 'secret');
      await h.exec('rm /root/.ssh/authorized_keys');
    },
    lines: ownKey,
    expect: 'accessRefused',
    asked: [],
  },
  {
    name: 'a key the server does not know',
    prepare: async (l, h) => {
      await makeKey(l, h, 'ed25519', '');
      await h.exec('rm /root/.ssh/authorized_keys');
    },
    lines: ownKey,
    expect: 'accessRefused',
    says: [/ssh-ed25519 SHA256:/, /the host takes: publickey/],
  },
  { name: 'a key file that is missing', prepare: (l) => replaceIdentity(l, '~/no-such-key'), expect: 'accessRefused', says: /refused the login/ },
  {
    name: 'a key file that is no key',
    prepare: (l) => {
      writeFileSync(join(l.home, 'key'), 'hello\n');
      replaceIdentity(l, '~/key');
    },
    expect: 'accessRefused',
    says: /not a private key/,
  },
  {
    name: 'password',
    host: withPassword,
    user: 'ann',
    lines: noKey,
    person: { secrets: { password: [password] } },
    expect: 'ann',
    asked: ['password'],
  },
  {
    name: 'password, first a wrong one',
    host: withPassword,
    user: 'ann',
    lines: noKey,
    person: { secrets: { password: ['wrong', password] } },
    expect: 'ann',
    asked: ['password', 'password'],
  },
  {
    name: 'password, three wrong ones',
    host: withPassword,
    user: 'ann',
    lines: noKey,
    person: { secrets: { password: ['a', 'b', 'c', 'd'] } },
    expect: 'accessRefused',
    asked: ['password', 'password', 'password'],
    says: /password; password; password/,
  },
  { name: 'password, given up', host: withPassword, user: 'ann', lines: noKey, expect: 'accessRefused', asked: ['password'], says: /given up/ },
  { name: 'BatchMode asks nothing', host: withPassword, user: 'ann', lines: [...noKey, 'BatchMode yes'], expect: 'accessRefused', asked: [] },
  {
    name: 'keyboard-interactive through PAM',
    host: interactive,
    user: 'ann',
    lines: noKey,
    person: { secrets: { password: ['wrong', password] } },
    expect: 'ann',
    asked: ['password', 'password'],
  },
  {
    name: 'a key and then a password',
    host: { users: [ann({ password })], sshdConfig: ['PasswordAuthentication yes', 'AuthenticationMethods publickey,password'] },
    user: 'ann',
    person: { secrets: { password: [password] } },
    expect: 'ann',
    asked: ['password'],
  },
  {
    name: 'a key and then keyboard-interactive',
    host: {
      users: [ann({ password })],
      sshdConfig: ['UsePAM yes', 'KbdInteractiveAuthentication yes', 'AuthenticationMethods publickey,keyboard-interactive'],
    },
    user: 'ann',
    person: { secrets: { password: [password] } },
    expect: 'ann',
    asked: ['password'],
  },
  {
    name: 'PreferredAuthentications is followed',
    host: { users: [ann({ password })], sshdConfig: ['PasswordAuthentication yes'] },
    user: 'ann',
    lines: ['PreferredAuthentications password'],
    person: { secrets: { password: [password] } },
    expect: 'ann',
    asked: ['password'],
  },
  { name: 'a user that does not exist', user: 'nobody-here', expect: 'accessRefused', says: /nobody-here@/ },
  { name: 'the keys of an agent', lines: [], prepare: (l) => withAgent(l), expect: 'root', check: (outcome) => assert.ok(outcome.report) },
]);
