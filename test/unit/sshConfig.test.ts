import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { HumanError } from '../../src/core/errors.js';
import { laptopEnvironment, type LaptopEnvironment } from '../../src/transport/environment.js';
import { listAliases, resolveHost } from '../../src/transport/ssh/config.js';
import type { ConfigFileSystem } from '../../src/transport/ssh/configFiles.js';
import { splitArguments } from '../../src/transport/ssh/configLexer.js';
import { globMatcher, matchPattern, matchPatternList } from '../../src/transport/ssh/patterns.js';
import { sshSettings } from '../../src/transport/ssh/settings.js';
import { corpus } from './support/sshConfigCorpus.js';

const directory = mkdtempSync(join(tmpdir(), 'c10m-ssh-config-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/**
 * Keys of `ssh -G` that are not compared, and why. Everything else that it prints must be the same.
 *  - algorithm lists: the defaults differ with each version of OpenSSH, and ssh2 has its own;
 *  - forwardings, terminals, canonical domains, GSSAPI and the like: they do not decide how C10M reaches a host;
 *  - forwardx11trusted: Debian's default differs from OpenSSH's;
 *  - channeltimeout and those after it: newer versions than 9.2 print them;
 *  - controlpath: C10M shares no connections with ssh.
 */
const notCompared = new Set(
  `ciphers hostkeyalgorithms hostbasedacceptedalgorithms kexalgorithms casignaturealgorithms macs pubkeyacceptedalgorithms
  gssapikeyexchange gssapitrustdns gssapirenewalforcesrekey gssapikexalgorithms gssapiauthentication gssapidelegatecredentials
  localforward remoteforward dynamicforward canonicaldomains canonicalizepermittedcnames permitremoteopen logverbose
  securitykeyprovider xauthlocation tunneldevice controlpersist controlpath escapechar ipqos rekeylimit streamlocalbindmask
  syslogfacility forwardx11trusted channeltimeout obscurekeystroketiming tag warnweakcrypto versionaddendum refuseconnection`.split(/\s+/),
);

function oracle(configFile: string, host: string): Record<string, string[]> {
  const output = execFileSync('ssh', ['-G', '-F', configFile, host], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const keys: Record<string, string[]> = {};
  for (const line of output.split('\n')) {
    const at = line.indexOf(' ');
    const key = line.slice(0, at).toLowerCase();
    if (at > 0 && !notCompared.has(key)) (keys[key] ??= []).push(line.slice(at + 1));
  }
  return keys;
}

function ours(configFile: string, host: string, environment: LaptopEnvironment): Record<string, string[]> {
  const keys: Record<string, string[]> = {};
  for (const [key, value] of Object.entries(resolveHost(host, { environment, configFile }).keys)) {
    if (notCompared.has(key)) continue;
    // These are printed in one line.
    if (key === 'userknownhostsfile' || key === 'globalknownhostsfile') keys[key] = [(value as string[]).join(' ')];
    else keys[key] = typeof value === 'string' ? [value] : [...value];
  }
  return keys;
}

function compare(where: string, actual: Record<string, string[]>, expected: Record<string, string[]>): string[] {
  const keys = [...new Set([...Object.keys(actual), ...Object.keys(expected)])];
  const shown = (values: string[] | undefined) => (values === undefined ? 'absent' : JSON.stringify(values));
  return keys
    .filter((key) => shown(actual[key]) !== shown(expected[key]))
    .map((key) => `${where}: ${key} is ${shown(actual[key])}, ssh -G says ${shown(expected[key])}`);
}

test(`the whole corpus of ${corpus.length} configurations resolves as ssh -G says, key by key`, () => {
  // A laptop that has the name and home that OpenSSH finds in the user database, whatever HOME says.
  const environment = laptopEnvironment();
  let compared = 0;
  const differences: string[] = [];
  for (const [index, entry] of corpus.entries()) {
    const here = join(directory, String(index));
    mkdirSync(here);
    for (const [name, text] of Object.entries(entry.files ?? {})) {
      mkdirSync(dirname(join(here, name)), { recursive: true });
      writeFileSync(join(here, name), text.replaceAll('DIR', here));
    }
    const configFile = join(here, 'config');
    writeFileSync(configFile, entry.config.replaceAll('DIR', here));
    for (const host of entry.hosts) {
      if (host === '#') continue;
      differences.push(...compare(`${entry.name}: ${host}`, ours(configFile, host, environment), oracle(configFile, host)));
      compared++;
    }
  }
  assert.deepEqual(differences, []);
  assert.ok(corpus.length >= 40 && compared >= 100, `${compared} hosts compared`);
});

function memoryFiles(files: Record<string, string>): ConfigFileSystem {
  const exists = (path: string) => Object.keys(files).some((file) => file === path || file.startsWith(`${path}/`));
  return {
    read: (path) => files[path],
    list: (directoryPath) => [
      ...new Set(
        Object.keys(files)
          .filter((file) => file.startsWith(`${directoryPath}/`))
          .map((file) => file.slice(directoryPath.length + 1).split('/')[0]!),
      ),
    ],
    exists,
  };
}

const linux: LaptopEnvironment = {
  platform: 'linux',
  homeDirectory: '/home/me',
  userName: 'me',
  userId: 1000,
  hostName: 'laptop.local',
  variables: { SSH_AUTH_SOCK: '/run/agent' },
};
const mac: LaptopEnvironment = { ...linux, platform: 'darwin', homeDirectory: '/Users/me', userId: 501 };
const windows: LaptopEnvironment = { ...linux, platform: 'win32', homeDirectory: 'C:\\Users\\me', userId: -1, variables: { ProgramData: 'D:\\Data' } };

test('intended differences: Match exec is never run, and neither it nor its negation matches', () => {
  const marker = join(directory, 'was-run');
  const text = `Match exec "touch ${marker}"\n  User bad\nMatch !exec "touch ${marker}"\n  User bad\nMatch host h exec "touch ${marker}" \n  Port 1\nMatch localnetwork 10.0.0.0/8\n  User bad\nHost h\n  User good\n`;
  const resolved = resolveHost('h', { environment: linux, files: memoryFiles({ '/home/me/.ssh/config': text }) });
  assert.deepEqual([resolved.keys['user'], resolved.keys['port']], ['good', '22']);
  assert.deepEqual(
    resolved.problems.map((problem) => problem.line),
    [1, 3, 5, 7],
  );
  assert.throws(() => execFileSync('ls', [marker], { stdio: 'pipe' }));
});

test('what ssh refuses is reported with its line and does not hold up the rest', () => {
  const text = 'Host h\n  Prot 22\n  Port ssh\n  User a b\n  Compression maybe\n  ConnectTimeout soon\n  HostName "open\n  BatchMode\n  User good\n';
  const resolved = resolveHost('h', { environment: linux, files: memoryFiles({ '/home/me/.ssh/config': text }) });
  assert.equal(resolved.keys['user'], 'good');
  assert.deepEqual(
    resolved.problems.map((problem) => problem.line),
    [2, 3, 4, 5, 6, 7, 8],
  );
});

test('the system file follows the user file, with its own Include directory', () => {
  const files = {
    '/home/me/.ssh/config': 'Include extra\nHost h\n  User mine\n',
    '/home/me/.ssh/extra': 'Host h\n  Port 1\n',
    '/etc/ssh/ssh_config': 'Include ssh_config.d/*.conf\nHost *\n  User system\n  ConnectTimeout 5\n',
    '/etc/ssh/ssh_config.d/a.conf': 'Host *\n  Compression yes\n',
  };
  const { keys } = resolveHost('h', { environment: linux, files: memoryFiles(files) });
  assert.deepEqual([keys['user'], keys['port'], keys['connecttimeout'], keys['compression']], ['mine', '1', '5', 'yes']);
});

test('Windows and macOS', () => {
  const files = memoryFiles({
    'C:\\Users\\me/.ssh/config': '\uFEFFHost h\r\n  HostName win.example\r\n  IdentityFile ~\\.ssh\\id_win\r\n  Include C:\\Users\\me/.ssh/more\r\n',
    'C:/Users/me/.ssh/more': 'Port 5\r\nHost other\r\n',
    'D:\\Data/ssh/ssh_config': 'Host *\r\n  User fromProgramData\r\n',
  });
  const resolved = resolveHost('h', { environment: windows, files });
  const settings = sshSettings(resolved, windows);
  assert.deepEqual(
    {
      host: settings.hostName,
      user: settings.user,
      port: settings.port,
      key: settings.identityFiles,
      agent: settings.agent,
      global: settings.globalKnownHostsFiles[0],
      user0: settings.userKnownHostsFiles[0],
    },
    {
      host: 'win.example',
      user: 'fromProgramData',
      port: 5,
      key: ['C:\\Users\\me/.ssh\\id_win'],
      agent: '\\\\.\\pipe\\openssh-ssh-agent',
      global: 'D:\\Data/ssh/ssh_known_hosts',
      user0: 'C:\\Users\\me/.ssh/known_hosts',
    },
  );
  assert.deepEqual(
    listAliases({ environment: windows, files }).map(({ alias }) => alias),
    ['h', 'other'],
  );
  const onMac = sshSettings(
    resolveHost('h', {
      environment: mac,
      files: memoryFiles({ '/Users/me/.ssh/config': 'Host *\n  UseKeychain yes\n  AddKeysToAgent yes\n  IdentityAgent "~/Library/x y/agent.sock"\n' }),
    }),
    mac,
  );
  assert.deepEqual([onMac.agent, onMac.identityFiles[3]], ['/Users/me/Library/x y/agent.sock', '/Users/me/.ssh/id_ed25519']);
});

test('aliases that a person can pick', () => {
  const files = memoryFiles({
    '/home/me/.ssh/config': 'Host web db "my host"\nHost *.example.com !x\nInclude config.d/*\nMatch host m\nHost web\n',
    '/home/me/.ssh/config.d/work': 'Host office\nInclude work\nInclude ../config\n',
  });
  assert.deepEqual(
    listAliases({ environment: linux, files }).map(({ alias, line }) => `${alias}:${line}`),
    ['web:1', 'db:1', 'my host:1', 'office:1'],
  );
});

test('names that are none are refused with a sentence', () => {
  for (const name of ['', '-oProxyCommand=x', 'a b', 'a;b', '@host', 'u@', 'host:0', 'host:65536', 'host:x', '$(id)', 'a`b`', 'u;x@h', 'a\nb']) {
    assert.throws(
      () => resolveHost(name, { environment: linux, files: memoryFiles({}) }),
      (error) => error instanceof HumanError && error.code === 'usage',
      JSON.stringify(name),
    );
  }
});

test('the tokens of a ProxyCommand are replaced', () => {
  const files = memoryFiles({ '/home/me/.ssh/config': 'Host h\n  HostName real\n  Port 7\n  User you\n  ProxyCommand x %h %p %r %n %u %d %% %L %i %z\n' });
  assert.equal(sshSettings(resolveHost('h', { environment: linux, files }), linux).proxyCommand, 'x real 7 you h me /home/me % laptop 1000 %z');
});

test('random and mutated files: no crash and no hang', () => {
  const resolve = (text: string) =>
    resolveHost('web', {
      environment: linux,
      files: memoryFiles({ '/home/me/.ssh/config': text, '/home/me/.ssh/loop': 'Include loop loop loop\nInclude config\n' }),
    });
  const safely = (text: string) => {
    try {
      resolve(text);
      listAliases({ environment: linux, files: memoryFiles({ '/home/me/.ssh/config': text }) });
    } catch (error) {
      if (!(error instanceof HumanError)) throw error;
    }
  };
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 500 }), safely), { numRuns: 1_000, seed: 1 });
  const real = corpus.map((entry) => entry.config).join('\n');
  const cut = fc.tuple(fc.nat(real.length), fc.nat(400), fc.array(fc.tuple(fc.nat(400), fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 6 }));
  fc.assert(
    fc.property(cut, ([from, length, changes]) => {
      let text = real.slice(from, from + length);
      for (const [at, inserted] of changes) text = text.slice(0, at) + inserted + text.slice(at + 1);
      safely(text);
    }),
    { numRuns: 1_000, seed: 2 },
  );
  const started = Date.now();
  resolve('Include loop\nHost web\n  User x\n');
  matchPattern('a'.repeat(20_000), `${'*a'.repeat(200)}b`);
  assert.ok(Date.now() - started < 5_000, 'files that include each other and patterns that backtrack end soon');
});

test('patterns and arguments', () => {
  assert.deepEqual(
    [
      matchPattern('abc', 'a*'),
      matchPattern('abc', '?bc'),
      matchPattern('abc', 'ab'),
      matchPattern('', '*'),
      matchPattern('a', ''),
      matchPattern('a*c', 'a*c'),
      matchPattern('axbxc', 'a*b*c'),
    ],
    [true, true, false, true, false, true, true],
  );
  const globs: [pattern: string, matching: string[], others: string[]][] = [
    ['*.conf', ['a.conf', '.conf'], ['a.con', 'a.conf~']],
    ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
    ['[!a-c]x', ['dx', '-x'], ['ax']],
    ['[^a]*[0-9]', ['b1', 'b23'], ['a1', 'b']],
    ['[z-a]', [], ['z', 'a']],
    ['[a-]', ['a', '-'], ['b']],
    ['[', ['['], ['']],
    ['[]', ['[]'], ['']],
    ['a[b', ['a[b'], ['ab']],
    ['?[]?', ['x[]y'], ['x']],
  ];
  for (const [pattern, matching, others] of globs) {
    const matches = globMatcher(pattern);
    assert.deepEqual([...matching, ...others].filter(matches), matching, pattern);
  }
  assert.deepEqual(
    [matchPatternList('a', '*,!a'), matchPatternList('b', '*,!a'), matchPatternList('b', '!a'), matchPatternList('b', 'a')],
    ['negated', 'match', 'none', 'none'],
  );
  assert.deepEqual(splitArguments(`a "b c" 'd "e' f\\ g "h\\"i" #rest`), ['a', 'b c', 'd "e', 'f g', 'h"i']);
  assert.equal(splitArguments('a "b'), undefined);
});
