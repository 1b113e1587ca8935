import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { laptopEnvironment, type LaptopEnvironment } from '../../src/transport/environment.js';
import { missingAlgorithms } from '../../src/transport/ssh/algorithms.js';
import { resolveHost } from '../../src/transport/ssh/config.js';
import type { ConfigFileSystem } from '../../src/transport/ssh/configFiles.js';
import { ignoredKeywords, options } from '../../src/transport/ssh/configOptions.js';
import { knownHostsArguments } from '../../src/transport/ssh/knownHostsCommand.js';
import { sshSettings } from '../../src/transport/ssh/settings.js';
import { followedOptions, unfollowedAtLogin, unfollowedElsewhere } from '../../src/transport/ssh/unsupported.js';
import { corpus } from './support/sshConfigCorpus.js';

const directory = mkdtempSync(join(tmpdir(), 'c10m-unsupported-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const linux: LaptopEnvironment = { platform: 'linux', homeDirectory: '/home/me', userName: 'me', userId: 1000, hostName: 'laptop', variables: {} };
const windows: LaptopEnvironment = { ...linux, platform: 'win32', homeDirectory: 'C:\\Users\\me', userId: -1, variables: { ProgramData: 'D:\\Data' } };

function files(text: string, path = '/home/me/.ssh/config'): ConfigFileSystem {
  return { read: (asked) => (asked === path ? text : undefined), list: () => [], exists: (asked) => asked === path };
}

const resolve = (text: string, name = 'h') => resolveHost(name, { environment: linux, files: files(text) });
const named = (text: string) => resolve(text).unsupported.map(({ option, value }) => `${option} ${value}`);

test('each keyword is followed, or has the reason why it is not, and none is both', () => {
  const lists = [...followedOptions, ...Object.keys(unfollowedAtLogin), ...Object.keys(unfollowedElsewhere)];
  assert.deepEqual([...lists].sort(), [...Object.keys(options), ...ignoredKeywords].sort());
});

/** A value for each followed option that differs from its default. */
const samples: Record<string, string> = {
  addressfamily: 'inet6',
  batchmode: 'yes',
  bindaddress: '10.0.0.9',
  certificatefile: '/c-cert.pub',
  compression: 'yes',
  connectionattempts: '4',
  connecttimeout: '7',
  globalknownhostsfile: '/g',
  hashknownhosts: 'yes',
  hostkeyalias: 'alias',
  hostname: 'real',
  identitiesonly: 'yes',
  identityagent: '/agent',
  identityfile: '/k',
  kbdinteractiveauthentication: 'no',
  knownhostscommand: '/bin/known %H',
  numberofpasswordprompts: '1',
  passwordauthentication: 'no',
  port: '77',
  preferredauthentications: 'password',
  proxycommand: 'nc %h %p',
  proxyjump: 'j',
  pubkeyauthentication: 'no',
  serveralivecountmax: '1',
  serveraliveinterval: '1',
  stricthostkeychecking: 'yes',
  user: 'other',
  userknownhostsfile: '/u',
  ciphers: 'aes256-ctr',
  hostkeyalgorithms: 'ssh-ed25519',
  kexalgorithms: 'curve25519-sha256',
  macs: 'hmac-sha2-512',
};

test('what is called followed changes what is done', () => {
  const settings = (text: string) => JSON.stringify(sshSettings(resolve(text), linux));
  const plain = settings('');
  // Two decide about other lines only.
  for (const option of followedOptions) {
    if (option === 'ignoreunknown' || option === 'tag') continue;
    assert.ok(samples[option] !== undefined, option);
    assert.notEqual(settings(`Host h\n  ${option} ${samples[option]}\n`), plain, option);
    assert.deepEqual(named(`Host h\n  ${option} ${samples[option]}\n`), [], option);
  }
});

function printed(configFile: string, host: string): Map<string, string> {
  const keys = new Map<string, string>();
  for (const line of execFileSync('ssh', ['-G', '-F', configFile, host], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).split('\n')) {
    const at = line.indexOf(' ');
    if (at > 0) keys.set(line.slice(0, at).toLowerCase(), `${keys.get(line.slice(0, at).toLowerCase()) ?? ''}${line.slice(at + 1)}\n`);
  }
  return keys;
}

test('over the whole corpus, what ssh -G prints otherwise than without a configuration is followed or listed, and nothing else is listed', () => {
  const environment = laptopEnvironment();
  const empty = join(directory, 'empty');
  writeFileSync(empty, '');
  const wrong: string[] = [];
  let listed = 0;
  for (const [index, entry] of corpus.entries()) {
    const here = join(directory, String(index));
    for (const [name, text] of Object.entries({ ...entry.files, config: entry.config })) {
      mkdirSync(dirname(join(here, name)), { recursive: true });
      writeFileSync(join(here, name), text.replaceAll('DIR', here));
    }
    for (const host of entry.hosts) {
      if (host === '#') continue;
      const [with_, without] = [printed(join(here, 'config'), host), printed(empty, host)];
      // The name itself, what OpenSSH derives from other options, and what only macOS knows.
      const derived = new Set(['host', 'updatehostkeys', 'usekeychain']);
      const changed = [...with_.keys()].filter((key) => with_.get(key) !== without.get(key) && !derived.has(key));
      const resolved = resolveHost(host, { environment, configFile: join(here, 'config') });
      const names = new Set(resolved.unsupported.map(({ option }) => option));
      listed += names.size;
      for (const key of changed) if (!followedOptions.has(key) && !names.has(key)) wrong.push(`${entry.name}, ${host}: ${key} is neither followed nor listed`);
      for (const name of names)
        if (!changed.includes(name) && !derived.has(name)) wrong.push(`${entry.name}, ${host}: ${name} is listed, but nothing asks for it`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(listed > 25, `${listed} listed`);
});

test('what is not followed is named with its value', () => {
  const table: [string, string, string[]][] = [
    ['nothing', 'Host h\n  User x\n', []],
    ['defaults that are written', 'Host h\n  GSSAPIAuthentication no\n  ForwardAgent no\n  CheckHostIP no\n  ControlMaster no\n  ProxyUseFdpass no\n', []],
    ['Kerberos', 'Host h\n  GSSAPIAuthentication yes\n', ['gssapiauthentication yes']],
    ['a connection handed over', 'Host h\n  ProxyUseFdpass yes\n', ['proxyusefdpass yes']],
    ['options that are only known', 'Host h\n  LocalForward 80 x:80\n  RevokedHostKeys /r\n', ['revokedhostkeys /r', 'localforward 80 x:80']],
    ['another host', 'Host other\n  ForwardAgent yes\n', []],
    ['a command that decides', 'Match host h exec "true"\n  User x\nMatch host other exec "true"\n', ['match exec true']],
    [
      'algorithms that are not there',
      'Host h\n  KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256\n',
      ['kexalgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256'],
    ],
    ['algorithms that are taken away', 'Host h\n  KexAlgorithms -sntrup761x25519-sha512@openssh.com\n', []],
  ];
  for (const [name, text, expected] of table) assert.deepEqual(named(text), expected, name);
  assert.deepEqual(missingAlgorithms('ciphers', '+chacha20-poly1305@openssh.com,none*'), ['none*']);
});

test('IgnoreUnknown covers what follows it, for the hosts that it holds for', () => {
  const lines = (text: string) => resolve(text).problems.map(({ line }) => line);
  assert.deepEqual(lines('IgnoreUnknown FooBar,X-*\nHost h\n  FooBar 1\n  x-y 2\n  Other 3\n'), [5]);
  assert.deepEqual(lines('Host other\n  IgnoreUnknown FooBar\nHost h\n  FooBar 1\n'), [4]);
});

test('tokens of ProxyJump are those of the host behind it', () => {
  const jumps = (text: string, name = 'h') => sshSettings(resolve(text, name), linux).jumps;
  assert.deepEqual(jumps('Host h\n  User ann\n  HostName real\n  ProxyJump %r@bastion,%h-gate:2%p\n'), ['ann@bastion', 'real-gate:222']);
  assert.deepEqual(jumps('Host *\n  ProxyJump %r@bastion\n', 'bob@h'), ['bob@bastion']);
});

test('a file that holds nothing is no file, on any system', () => {
  for (const environment of [linux, windows]) {
    const path = environment === windows ? 'C:\\Users\\me/.ssh/config' : '/home/me/.ssh/config';
    for (const name of ['/dev/null', 'none', 'NUL']) {
      const resolved = resolveHost('h', { environment, files: files(`Host h\n  UserKnownHostsFile ${name}\n`, path) });
      assert.deepEqual(sshSettings(resolved, environment).userKnownHostsFiles, [], `${environment.platform} ${name}`);
    }
  }
});

test('a KnownHostsCommand is run without a shell, with the tokens of the key that is asked about', () => {
  const key = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 1, 7])]);
  const question = { command: '/bin/x "%H a" %I %t %K %f %r', tokens: { r: 'ann' }, lookupName: '[h]:77', key: undefined };
  assert.deepEqual(knownHostsArguments(question), ['/bin/x', '[h]:77 a', 'ORDER', 'NONE', 'NONE', 'NONE', 'ann']);
  assert.deepEqual(knownHostsArguments({ ...question, key })?.slice(2, 5), ['HOSTNAME', 'ssh-ed25519', key.toString('base64')]);
  for (const command of ['x %H', './x', '"/open', '']) assert.equal(knownHostsArguments({ ...question, command }), undefined, command);
});
