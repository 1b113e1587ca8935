import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ConnectOptions } from '../../src/transport/contract.js';
import { attempt, type Outcome, type Person } from './support/attempt.js';
import { startHost, stopLab, testLab, type HostVariants, type TestHost } from './support/host.js';
import { command } from './support/lab.js';
import { makeLaptop, type Laptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';
import { makeTestPayload } from './support/testAgent.js';

const skip = missingForHosts() ?? false;
const directory = mkdtempSync(join(tmpdir(), 'c10m-ssh-test-'));
let payload = '';
before(() => {
  payload = makeTestPayload(directory);
});
after(async () => {
  await stopLab();
  rmSync(directory, { recursive: true, force: true });
});

/** What a case needs and expects. Everything is optional but the name; the plain case is root with the lab's key. */
interface Case {
  name: string;
  options?: Partial<ConnectOptions>;
  host?: Omit<HostVariants, 'name'>;
  /** Lines of the alias `h` in ssh_config. */
  lines?: string[];
  user?: string;
  trusted?: boolean;
  person?: Person;
  sudo?: 'auto' | 'never' | 'required';
  variables?: Record<string, string>;
  /** Changes the laptop or the host before the attempt. */
  prepare?: (laptop: Laptop, host: TestHost) => unknown;
  /** The user that the agent runs as, or the code of the error. */
  expect: string;
  viaSudo?: boolean;
  asked?: string[];
  /** In the error's text, or, where it works, in the log. */
  says?: RegExp | RegExp[];
  check?: (outcome: Outcome, host: TestHost, laptop: Laptop) => void | Promise<void>;
}

const password = 'correct horse';
const ann = (more: object = {}) => ({ name: 'ann', ...more });
const withPassword = { users: [ann({ password, key: false })], sshdConfig: ['PasswordAuthentication yes'] };
const interactive = { users: [ann({ password, key: false })], sshdConfig: ['UsePAM yes', 'KbdInteractiveAuthentication yes'] };
const noKey = ['IdentityFile none', 'IdentitiesOnly yes'];
/** Hides the machine's Node and puts it, without a copy, somewhere else. */
const machineNodes = [...new Set([process.execPath, '/usr/bin/node', '/usr/local/bin/node'])].join(' ');
const nodeAt = (path: string) => `mkdir -p "$(dirname ${path})"; touch ${path}; mount --bind ${process.execPath} ${path}; rm -f ${machineNodes}`;

function makeKey(laptop: Laptop, host: TestHost, type: string, passphrase: string, format: string[] = []): Promise<unknown> {
  const file = join(laptop.home, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', '', '-f', file, ...format]);
  return host.exec('cat > /root/.ssh/authorized_keys', readFileSync(`${file}.pub`, 'utf8'));
}
const ownKey = ['IdentityFile ~/key'];

function replaceKnownHosts(laptop: Laptop, change: (text: string) => string): void {
  writeFileSync(laptop.knownHostsFile, change(readFileSync(laptop.knownHostsFile, 'utf8')));
}

function otherHostKey(): string {
  const file = join(mkdtempSync(join(directory, 'other-')), 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').trim();
}

const noLogin = (_: Outcome, host: TestHost) =>
  assert.doesNotMatch(host.serverLog(), /Accepted|Failed|Invalid user|authenticating user/, 'no authentication was attempted');

const cases: Record<string, Case[]> = {
  'keys and secrets': [
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
  ],
  'host keys': [
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
  ],
  sudo: [
    { name: 'passwordless', host: { users: [ann({ sudo: 'passwordless' })] }, user: 'ann', expect: 'root', viaSudo: true, asked: [] },
    {
      name: 'with a password, asked once and sent on standard input only',
      host: { users: [ann({ sudo: 'password', password })] },
      user: 'ann',
      person: { secrets: { sudo: ['wrong', password] } },
      expect: 'root',
      viaSudo: true,
      asked: ['sudo', 'sudo'],
      check: ({ log }) => assert.ok(!log.join('\n').includes(password)),
    },
    {
      name: 'with a password that is not given',
      host: { users: [ann({ sudo: 'password', password })] },
      user: 'ann',
      expect: 'ann',
      asked: ['sudo'],
      says: /going on without root/,
    },
    {
      name: 'refused',
      host: { users: [ann({ password })] },
      user: 'ann',
      person: { secrets: { sudo: [password] } },
      expect: 'ann',
      asked: ['sudo'],
      says: /not in the sudoers file|may not run sudo/,
    },
    { name: 'absent', host: { users: [ann()], setup: 'rm -f /usr/bin/sudo' }, user: 'ann', expect: 'ann', asked: [] },
    {
      name: 'requiretty',
      host: { users: [ann({ sudo: 'passwordless' })], setup: 'echo "Defaults requiretty" > /etc/sudoers.d/tty' },
      user: 'ann',
      expect: 'ann',
      asked: [],
    },
    { name: 'never', host: { users: [ann({ sudo: 'passwordless' })] }, user: 'ann', sudo: 'never', expect: 'ann', asked: [] },
    {
      name: 'required, and none there',
      host: { users: [ann()], setup: 'rm -f /usr/bin/sudo' },
      user: 'ann',
      sudo: 'required',
      expect: 'accessRefused',
      says: /no root on .*no sudo/,
    },
    {
      name: 'required, and a sudo that gives no root',
      host: {
        users: [ann()],
        setup: `printf '#!/bin/sh\\nwhile case "$1" in -*) true;; *) false;; esac; do shift; done; exec "$@"\\n' > /usr/bin/sudo; chmod 755 /usr/bin/sudo`,
      },
      user: 'ann',
      sudo: 'required',
      expect: 'accessRefused',
      says: /instead of root/,
    },
    {
      name: 'a sudo of other words (sudo-rs)',
      host: {
        users: [ann({ sudo: 'password', password })],
        setup: `mv /usr/bin/sudo /usr/bin/sudo-real; printf '#!/bin/sh\\n[ "$1" = -n ] && { echo "sudo: interactive authentication is required" >&2; exit 1; }\\nexec /usr/bin/sudo-real "$@"\\n' > /usr/bin/sudo; chmod 755 /usr/bin/sudo`,
      },
      user: 'ann',
      person: { secrets: { sudo: [password] } },
      expect: 'root',
      viaSudo: true,
      asked: ['sudo'],
    },
    {
      name: 'required and refused',
      host: { users: [ann({ password })] },
      user: 'ann',
      sudo: 'required',
      person: { secrets: { sudo: [password] } },
      expect: 'accessRefused',
      says: /sudo on h did not work/,
    },
  ],
  'Node on the host': [
    {
      name: 'nvm',
      host: { setup: nodeAt('/root/.nvm/versions/node/v20.1.0/bin/node') },
      expect: 'root',
      check: ({ report }) => assert.match(report!.node, /\.nvm/),
    },
    {
      name: 'volta',
      host: { setup: nodeAt('/root/.volta/tools/image/node/20.1.0/bin/node') },
      expect: 'root',
      check: ({ report }) => assert.match(report!.node, /volta/),
    },
    {
      name: 'asdf',
      host: { setup: nodeAt('/root/.asdf/installs/nodejs/20.1.0/bin/node') },
      expect: 'root',
      check: ({ report }) => assert.match(report!.node, /asdf/),
    },
    { name: '/opt', host: { setup: nodeAt('/opt/node-v20/bin/node') }, expect: 'root', check: ({ report }) => assert.match(report!.node, /^\/opt/) },
    {
      name: 'an old one on PATH, a new one in nvm',
      host: { setup: `${nodeAt('/root/.nvm/versions/node/v20.1.0/bin/node')}; printf '#!/bin/sh\\necho v18.19.0\\n' > /usr/bin/node; chmod 755 /usr/bin/node` },
      expect: 'root',
      check: ({ report }) => assert.match(report!.node, /\.nvm/),
    },
    {
      name: 'none',
      host: { setup: `rm -f ${machineNodes}` },
      expect: 'unsupported',
      asked: ['confirm'],
      says: /no Node 20 or newer/,
      check: async (_, host) => {
        assert.equal((await host.exec('ls -A /root/.cache/c10m 2>/dev/null')).stdout, '');
      },
    },
    {
      name: 'only an old one',
      host: { setup: `rm -f ${machineNodes}; printf '#!/bin/sh\\necho v18.19.0\\n' > /usr/bin/node; chmod 755 /usr/bin/node` },
      expect: 'unsupported',
      says: /v18\.19\.0/,
    },
  ],
  'odd hosts': [
    { name: 'fish', host: { users: [ann({ shell: '/usr/bin/fish' })] }, user: 'ann', expect: 'ann' },
    { name: 'csh', host: { users: [ann({ shell: '/usr/bin/tcsh' })] }, user: 'ann', expect: 'ann' },
    { name: 'csh with sudo', host: { users: [ann({ shell: '/usr/bin/tcsh', sudo: 'passwordless' })] }, user: 'ann', expect: 'root', viaSudo: true },
    {
      name: 'fish with sudo and a password',
      host: { users: [ann({ shell: '/usr/bin/fish', sudo: 'password', password })] },
      user: 'ann',
      person: { secrets: { sudo: [password] } },
      expect: 'root',
      viaSudo: true,
    },
    { name: 'dash', host: { users: [ann({ shell: '/bin/dash' })] }, user: 'ann', expect: 'ann' },
    { name: 'a .bashrc that talks', host: { setup: 'echo "echo Welcome to the machine; echo to stderr too >&2" > /root/.bashrc' }, expect: 'root' },
    {
      name: 'a banner',
      host: { setup: 'echo "Authorised use only" > /etc/issue.net', sshdConfig: ['Banner /etc/issue.net'] },
      expect: 'root',
      says: /Authorised use only/,
    },
    { name: 'nologin', host: { users: [ann({ shell: '/usr/sbin/nologin' })] }, user: 'ann', expect: 'unsupported', says: /runs no commands.*not available/ },
    { name: 'ForceCommand', host: { sshdConfig: ['ForceCommand echo only this'] }, expect: 'unsupported', says: /only this/ },
    {
      name: 'no SFTP',
      host: { setup: 'sed -i /SFTP/Id /etc/ssh/sshd_config; rm -f /usr/lib/openssh/sftp-server' },
      expect: 'root',
      says: /through a shell instead/,
    },
    { name: 'MaxSessions 1', host: { sshdConfig: ['MaxSessions 1'] }, expect: 'root' },
    { name: 'MaxSessions 1 and no SFTP', host: { sshdConfig: ['MaxSessions 1'], setup: 'rm -f /usr/lib/openssh/sftp-server' }, expect: 'root' },
    {
      name: 'a read-only HOME',
      host: { setup: 'mount --bind /root /root; mount -o remount,bind,ro /root' },
      expect: 'root',
      says: /not used for the agent: \/root\/\.cache\/c10m: cannot be made/,
      check: ({ report }) => assert.match(report!.directory, /^\/var\/tmp\/c10m-0/),
    },
    {
      name: 'a noexec HOME',
      host: { setup: 'mount --bind /root /root; mount -o remount,bind,noexec /root' },
      expect: 'root',
      says: /noexec/,
      check: ({ report }) => assert.match(report!.directory, /^\/var\/tmp/),
    },
    {
      name: 'a full HOME',
      host: { setup: 'mkdir -p /root/.cache; mount -t tmpfs -o size=256k tmpfs /root/.cache' },
      expect: 'root',
      says: /KiB free/,
      check: ({ report }) => assert.match(report!.directory, /^\/var\/tmp/),
    },
    {
      name: 'no place at all',
      host: { setup: 'for d in /root /var/tmp /tmp; do mount --bind $d $d; mount -o remount,bind,noexec $d; done; mount -t tmpfs -o noexec tmpfs /dev/shm' },
      expect: 'unsupported',
      says: /No directory on h can take the agent.*noexec/,
    },
    {
      name: 'somebody took our name in /var/tmp',
      host: { users: [ann()], setup: 'mount --bind /root /root; mount -o remount,bind,ro /root; mkdir /var/tmp/c10m-0; chown ann /var/tmp/c10m-0' },
      expect: 'root',
      says: /belongs to somebody else/,
      check: ({ report }) => assert.match(report!.directory, /^\/tmp\/c10m-0/),
    },
    {
      name: 'a home with a space',
      host: { users: [ann()], setup: 'mv /home/ann "/home/a nn"; usermod -d "/home/a nn" ann' },
      user: 'ann',
      expect: 'ann',
      check: ({ report }) => assert.match(report!.directory, /a nn/),
    },
    { name: 'dropbear', host: { daemon: 'dropbear' }, expect: 'root' },
    {
      name: 'dropbear with a password',
      host: { daemon: 'dropbear', users: [ann({ password, key: false })] },
      user: 'ann',
      lines: noKey,
      person: { secrets: { password: [password] } },
      expect: 'ann',
      asked: ['password'],
    },
    {
      name: 'another system',
      host: { setup: "printf '#!/bin/sh\\ncase $1 in -s) echo FreeBSD;; *) echo amd64;; esac\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname" },
      expect: 'unsupported',
      says: /FreeBSD, and a run needs Linux/,
    },
    {
      name: 'an architecture without an agent',
      host: {
        setup: `rm -f ${machineNodes}; printf '#!/bin/sh\\ncase $1 in -s) echo Linux;; *) echo riscv64;; esac\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname`,
      },
      expect: 'unsupported',
      says: /riscv64.*has one for: x64-glibc/,
    },
    {
      name: 'a kernel of another architecture than its programs',
      host: { setup: "printf '#!/bin/sh\\ncase $1 in -s) echo Linux;; *) echo armv8l;; esac\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname" },
      expect: 'root',
    },
    {
      name: 'a .bashrc that replaces the shell: named, and nothing is sent to it',
      // A server of SFTP that is a program of its own is started by the same shell, and is gone as well.
      host: { sshdConfig: ['Subsystem sftp internal-sftp'], setup: 'printf "# mine\\nexec sh\\n" > /root/.bashrc' },
      expect: 'unsupported',
      says: /~\/\.bashrc, line 2 \(exec sh\).*Nothing was sent/,
      check: async (_, host) => {
        assert.equal((await host.exec('ls -A /root/.cache/c10m 2>/dev/null; ls /root')).stdout, '');
      },
    },
    {
      name: 'a shim that talks, and shows its program',
      host: {
        setup: `mkdir -p /opt/real; touch /opt/real/node; mount --bind ${process.execPath} /opt/real/node; printf '#!/bin/sh\\necho shim; exec /opt/real/node "$@"\\n' > /usr/local/sbin/node; chmod 755 /usr/local/sbin/node`,
      },
      expect: 'root',
      check: ({ report }) => assert.equal(report!.node, '/opt/real/node'),
    },
  ],
  'the way there': [
    {
      name: 'IPv6',
      prepare: (l, h) => {
        // Given on the spot: the lab's own addresses are IPv4.
        command('ip', ['-n', h.networkNamespace, 'addr', 'add', `fd10:211:${h.lab.number}::2/64`, 'dev', 'eth0', 'nodad']);
        command('ip', ['addr', 'replace', `fd10:211:${h.lab.number}::1/64`, 'dev', h.lab.bridge, 'nodad']);
        replaceLine(l, `HostName ${h.address}`, `HostName fd10:211:${h.lab.number}::2`);
        replaceKnownHosts(l, (text) => text.replaceAll(h.address, `fd10:211:${h.lab.number}::2`));
      },
      expect: 'root',
    },
    { name: 'a refused port', lines: [], prepare: (l) => replaceLine(l, 'Port 22', 'Port 1'), expect: 'unreachable', says: /port 1 refused the connection/ },
    {
      name: 'an unknown name',
      prepare: (l, h) => replaceLine(l, `HostName ${h.address}`, 'HostName no-such-host.invalid'),
      expect: 'unreachable',
      says: /no-such-host\.invalid was not found/,
    },
    {
      name: 'no answer',
      lines: ['ConnectTimeout 1'],
      prepare: (_, h) =>
        h.exec(`nft add table inet t; nft add chain inet t i '{ type filter hook input priority 0; }'; nft add rule inet t i tcp dport 22 drop`),
      expect: 'unreachable',
      says: /did not answer within 1 s/,
    },
    {
      name: 'a port where something else answers',
      lines: ['ConnectTimeout 3'],
      prepare: (l) => replaceLine(l, 'Port 22', 'Port 99'),
      host: {
        setup:
          'sh -c "while :; do echo HTTP/1.1 400 Bad Request | timeout 2 bash -c \\"exec 3<>/dev/tcp/127.0.0.1/1\\"; sleep 1; done" >/dev/null 2>&1 & node -e "require(\\"net\\").createServer(s=>s.end(\\"HTTP/1.1 400 Bad\\\\r\\\\n\\\\r\\\\n\\")).listen(99)" &',
      },
      expect: 'unreachable',
    },
    {
      name: 'a ProxyCommand that is allowed, asked once',
      prepare: (l, h) => {
        appendFileSync(l.configFile, `  ProxyCommand socat - TCP:%h:%p || bash -c 'exec 3<>/dev/tcp/${h.address}/22; cat <&3 & cat >&3'\n`);
        replaceProxy(l, h);
      },
      person: { confirm: true },
      expect: 'root',
      asked: ['confirm'],
      check: async (_, __, laptop) => {
        const again = await attempt('h', laptop, payload);
        assert.deepEqual([again.report?.user, again.asked], ['root', []]);
        // Another command is another question.
        appendFileSync(laptop.configFile, 'Host x\n');
        replaceLine(laptop, 'proxy.cjs', './proxy.cjs');
        assert.deepEqual((await attempt('h', laptop, payload)).asked, ['confirm']);
      },
    },
    {
      name: 'a ProxyCommand that is not allowed is not run',
      prepare: (l) => appendFileSync(l.configFile, `  ProxyCommand touch ${l.home}/was-run\n`),
      expect: 'accessRefused',
      asked: ['confirm'],
      check: (_, __, laptop) => assert.throws(() => readFileSync(join(laptop.home, 'was-run'))),
    },
    {
      name: 'a ProxyCommand that fails',
      prepare: (l) => appendFileSync(l.configFile, '  ProxyCommand sh -c "echo no route >&2; exit 3"\n'),
      person: { confirm: true },
      expect: 'unreachable',
      says: /ProxyCommand|closed the connection/,
    },
  ],
};

function replaceIdentity(laptop: Laptop, path: string): void {
  writeFileSync(laptop.configFile, readFileSync(laptop.configFile, 'utf8').replace(/IdentityFile .*/, `IdentityFile ${path}`));
}

function replaceLine(laptop: Laptop, from: string, to: string): void {
  writeFileSync(laptop.configFile, readFileSync(laptop.configFile, 'utf8').replace(from, to));
}

/** A relay program that every machine with Node has. */
function replaceProxy(laptop: Laptop, host: TestHost): void {
  const script = join(laptop.home, 'proxy.cjs');
  writeFileSync(script, `const s = require('node:net').connect(Number(process.argv[3]), process.argv[2]); process.stdin.pipe(s).pipe(process.stdout);`);
  const text = readFileSync(laptop.configFile, 'utf8').replace(/ {2}ProxyCommand .*/, `  ProxyCommand ${process.execPath} ${script} %h %p`);
  writeFileSync(laptop.configFile, text.replace(`HostName ${host.address}`, `HostName ${host.address}`));
}

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

describe('Node brought to a host that has none', { skip }, () => {
  test('asked for, downloaded once, verified, used again; never without leave', async (t) => {
    const host = await startHost({ name: 'nonode', setup: `rm -f ${machineNodes}` });
    const laptop = makeLaptop();
    t.after(async () => {
      await host.stop();
      laptop.remove();
    });
    laptop.add('h', host);
    const never = await attempt('h', laptop, payload, { confirm: true }, { provisionNode: 'never' });
    assert.deepEqual([never.error?.code, never.asked], ['unsupported', []]);
    const first = await attempt('h', laptop, payload, { confirm: true });
    if (first.error?.message.includes('could not be downloaded') === true) {
      t.skip(`no npm registry can be reached: ${first.error.message}`);
      return;
    }
    assert.equal(first.error, undefined, first.error?.message);
    assert.deepEqual(first.asked, ['confirm']);
    assert.match(first.report!.node, /\.cache\/c10m\/node-22\.\d+\.\d+-[0-9a-f]{16}\/node$/);
    assert.match(first.log.join('\n'), /Downloading Node 22\S+: 50 %[\s\S]*Bringing Node 22\S+ to h: 50 %/);
    const second = await attempt('h', laptop, payload, {}, { provisionNode: 'never' });
    assert.equal(second.report?.node, first.report!.node);
    // Another host gets it from the laptop's own copy; a damaged copy is not used.
    await host.exec('rm -rf /root/.cache');
    const third = await attempt('h', laptop, payload, {}, { provisionNode: 'always', registry: 'http://127.0.0.1:9' });
    assert.equal(third.report?.node, first.report!.node);
    assert.doesNotMatch(third.log.join('\n'), /Downloading/);
    await host.exec('rm -rf /root/.cache');
    for (const name of readdirSync(join(laptop.home, '.cache/c10m/downloads'))) truncateSync(join(laptop.home, '.cache/c10m/downloads', name), 1_000_000);
    const damaged = await attempt('h', laptop, payload, {}, { provisionNode: 'always', registry: 'http://127.0.0.1:9' });
    assert.match(damaged.error?.message ?? '', /could not be downloaded/);
    assert.equal((await host.exec('ls -A /root/.cache 2>/dev/null')).stdout, '');
  });
});

let nextName = 0;
for (const [group, list] of Object.entries(cases)) {
  describe(group, { skip, concurrency: 3 }, () => {
    for (const each of list) {
      test(each.name, async () => {
        const host = await startHost({ name: `s${nextName++}`, ...each.host });
        const laptop = makeLaptop();
        try {
          laptop.add('h', host, { ...(each.user === undefined ? {} : { user: each.user }), ...(each.trusted === undefined ? {} : { trusted: each.trusted }) });
          if (each.lines !== undefined) {
            // The first value wins, so the case's own lines go before those of the alias.
            const [first, ...rest] = readFileSync(laptop.configFile, 'utf8').split('\n');
            writeFileSync(laptop.configFile, [first, ...each.lines.map((line) => `  ${line}`), ...rest].join('\n'));
          }
          await each.prepare?.(laptop, host);
          const outcome = await attempt('h', laptop, payload, each.person, {
            sudo: each.sudo ?? (group === 'sudo' || each.viaSudo !== undefined ? 'auto' : 'never'),
          });
          const told = `${outcome.error === undefined ? '' : `${outcome.error.message} ${String(outcome.error.stack)}`}\n${outcome.log.join('\n')}\n${host.serverLog()}`;
          assert.equal(outcome.error?.code ?? outcome.report?.user, each.expect, told);
          if (each.viaSudo !== undefined) assert.equal(outcome.report?.viaSudo, each.viaSudo);
          if (each.asked !== undefined) assert.deepEqual(outcome.asked, each.asked, told);
          const text = outcome.error === undefined ? outcome.log.join('\n') : `${outcome.error.message} ${outcome.error.remedy ?? ''}`;
          for (const pattern of [each.says ?? []].flat()) assert.match(text, pattern);
          await each.check?.(outcome, host, laptop);
        } finally {
          await host.stop();
          laptop.remove();
        }
      });
    }
  });
}
