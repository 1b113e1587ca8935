import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { completionText } from '../../src/cli/completion.js';
import { commandList } from '../../src/cli/commandList.js';
import { helpText } from '../../src/cli/help.js';
import { optionsOfCommand, parseCommand, specFrom } from '../../src/cli/options.js';
import { specOptions } from '../../src/cli/specOptions.js';
import { HumanError } from '../../src/core/errors.js';
import { fieldTable } from '../../src/core/specInput.js';

test('every option of a command is in its help, and every field but the version is an option', () => {
  for (const [name, about] of Object.entries(commandList)) {
    const help = helpText(name);
    for (const option of Object.keys(optionsOfCommand(about))) assert.match(help, new RegExp(`--${option}\\b`), `${name} --${option}`);
    for (const line of help.split('\n')) assert.ok(line.length <= 125, line);
  }
  const fields = new Set(Object.values(specOptions).map(({ field }) => field));
  assert.deepEqual(
    Object.keys(fieldTable).filter((key) => !fields.has(key)),
    ['version'],
  );
});

test('no two options of a command have the same short name', () => {
  for (const [name, about] of Object.entries(commandList)) {
    const shorts = Object.values(optionsOfCommand(about)).flatMap(({ short }) => (short === undefined ? [] : [short]));
    assert.equal(new Set(shorts).size, shorts.length, name);
  }
});

test('options become fields by their notations', () => {
  const line = ['-c', '50k', '--hold', '2m', '--stage', '10k@500:5s', '--stage', '20k', '--traffic', '64/10s', '--wait', '--client-host', 'a', '--json'];
  const { values, given } = parseCommand('run', line);
  const { connections, holdSeconds, stages, traffic, waitForHost, clientHosts } = specFrom(given, undefined);
  assert.deepEqual(
    { values: { ...values }, connections, holdSeconds, stages, traffic, waitForHost, clientHosts },
    {
      values: { ...values, json: true },
      connections: 50_000,
      holdSeconds: 120,
      stages: [
        { to: 10_000, rate: 500, holdSeconds: 5 },
        { to: 20_000, holdSeconds: 0 },
      ],
      traffic: { bytes: 64, intervalSeconds: 10 },
      waitForHost: true,
      clientHosts: ['a'],
    },
  );
});

test('options of TLS switch it on and add up', () => {
  const of = (...line: string[]) => specFrom(parseCommand('run', line).given, undefined).tls;
  const usual = { minimumVersion: '1.2', maximumVersion: '1.3', serverName: 'localhost', alpn: [], keyType: 'ecdsa', insecure: false, resume: false };
  assert.equal(of(), undefined);
  assert.deepEqual(of('--tls'), usual);
  assert.deepEqual(of('--tls-min', '1.3', '--tls', '--tls-alpn', 'h2', '--tls-alpn', 'http/1.1'), {
    ...usual,
    minimumVersion: '1.3',
    alpn: ['h2', 'http/1.1'],
  });
  assert.deepEqual(of('--tls-park', '--tls-resume', '--tls-key-type', 'rsa2048'), { ...usual, park: true, resume: true, keyType: 'rsa2048' });
  assert.deepEqual(of('--tls-ca', 'ca.pem'), { ...usual, ca: join(process.cwd(), 'ca.pem') }, 'a file of this machine is found from the current directory');
});

const refused: [name: string, args: string[], message: RegExp, remedy: RegExp][] = [
  ['a misspelt option', ['--conections', '5'], /"--conections" is not an option of c10m run/, /Did you mean --connections\?/],
  ['a value that begins with a dash', ['-c', '-5'], /--connections needs a value/, /c10m run --help/],
  ['a wrong choice', ['--sudo', 'maybe'], /--sudo is "maybe", but must be one of: auto, never, required/, /^$/],
  ['an oldest version of TLS above the newest', ['--tls-min', '1.3', '--tls-max', '1.2'], /oldest version of TLS, 1\.3, is above the newest, 1\.2/, /^$/],
  ['a version of TLS that is none', ['--tls-min', '1.1'], /tls\.minimumVersion is "1\.1", but must be one of: 1\.2, 1\.3/, /^$/],
  ['a client certificate without its key', ['--tls-client-cert', '/c.pem'], /belong together/, /tls\.clientKey/],
  ['an authority for nothing', ['--tls-ca', '/c.pem', '--tls-insecure'], /no certificate is verified/, /Omit one/],
  ['traffic over parked connections', ['--tls-park', '--traffic', '64/10s'], /can carry neither traffic/, /Omit/],
  ['TLS without sockets', ['--tls', '--client', 'stateless'], /does not speak TLS/, /sockets/],
  ['a stage that is none', ['--stage', ':5s'], /":5s" is not a valid stage/, /50k@10k:30s/],
  ['traffic that is none', ['--traffic', '64'], /"64" is not a valid traffic setting/, /64\/10s/],
  [
    'a command for another server',
    ['--command', 'x', '--engine', 'node'],
    /--command has no effect: engine is "node", not "command"/,
    /Omit --command, or change --engine/,
  ],
  ['a path without WebSocket', ['--websocket-path', '/x'], /--websocket-path has no effect: protocol is "tcp"/, /Add --protocol websocket/],
];
for (const [name, args, message, remedy] of refused) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => specFrom(parseCommand('run', args).given, undefined),
      (error) => error instanceof HumanError && error.code === 'usage' && message.test(error.message) && remedy.test(error.remedy ?? ''),
    );
  });
}

test('a shell completes commands, options, actions and choices from the same lists', () => {
  const words = (line: string[]) => {
    const script = `${completionText('bash')}\nCOMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${line.length - 1}; _c10m; echo "\${COMPREPLY[*]}"`;
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim();
  };
  assert.deepEqual(
    [
      words(['c10m', 'ru']),
      words(['c10m', 'run', '--prot']),
      words(['c10m', 'run', '--protocol', '']),
      words(['c10m', 'check', '--sudo', 'n']),
      words(['c10m', 'runs', 'exp']),
    ],
    ['run runs', '--protocol', 'tcp websocket both', 'never', 'export'],
  );
  for (const option of Object.keys(specOptions)) assert.match(completionText('fish'), new RegExp(` -l ${option} `));
  assert.match(completionText('zsh'), /^autoload -U \+X bashcompinit/);
  assert.throws(() => completionText('tcsh'), /"tcsh" is not a shell/);
});
