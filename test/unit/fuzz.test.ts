import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseForeign } from '../../src/core/foreignText.js';
import { parseProfile } from '../../src/core/profile.js';
import { LineSplitter } from '../../src/files/lines.js';
import { parseProcessStat } from '../../src/linux/process.js';
import { parseCpuTicks, parseMeminfo, parseNetstat, parsePerCpuPages, parseSlabinfo, parseSockstat } from '../../src/linux/procfs.js';
import * as v from 'valibot';
import { runEventSchema } from '../../src/protocol/events.js';
import { runFileSchema } from '../../src/protocol/result.js';
import { resolveHost } from '../../src/transport/ssh/config.js';
import { expandGlob } from '../../src/transport/ssh/configFiles.js';
import { keyTypesOnFile, lookUpKey, parseKnownHosts } from '../../src/transport/ssh/knownHosts.js';
import { sshSettings } from '../../src/transport/ssh/settings.js';
import type { LaptopEnvironment } from '../../src/transport/environment.js';
import { savedRun } from './builders/samples.js';

/** `npm run test:fuzz` gives 100,000. */
const runs = Number(process.env['C10M_FUZZ_RUNS'] ?? 150);
const slowestMs = 100;
const environment: LaptopEnvironment = { platform: 'linux', homeDirectory: '/home/u', userName: 'u', userId: 1, hostName: 'laptop', variables: { A: 'x' } };

/** Words of a grammar, strange characters and long repetitions, in lines: what a generator of plain strings would never hit. */
function texts(words: readonly string[]): fc.Arbitrary<string> {
  const word = fc.constantFrom(...words);
  const long = fc.tuple(fc.oneof(word, fc.constantFrom(' ', '*', '[', '{', '"', '\\', '%', '${', '1', 'a', '\t', ',')), fc.integer({ min: 100, max: 11_000 }));
  const piece = fc.oneof(
    { weight: 6, arbitrary: word },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
    { weight: 1, arbitrary: long.map(([text, length]) => text.repeat(Math.ceil(length / text.length)).slice(0, length)) },
  );
  return fc
    .array(fc.tuple(piece, fc.constantFrom(' ', ' ', '\n', '=', '', ',', '\t')), { maxLength: 40 })
    .map((pieces) => pieces.map(([text, separator]) => text + separator).join(''));
}

const json = (value: unknown) => JSON.stringify(value);
/** JSON of a real message with one part of it replaced. */
const mutated = (whole: string) =>
  fc
    .tuple(
      fc.nat(whole.length),
      fc.nat(40),
      fc.oneof(fc.constantFrom('null', '{}', '[]', '1e999', '"\\u0000"', '-1', '', '}', '"__proto__":1,'), fc.string({ maxLength: 10 })),
    )
    .map(([at, cut, text]) => whole.slice(0, at) + text + whole.slice(at + cut));

const run = json({ ...savedRun('r'), tags: ['a'] });
const event = json({ type: 'log', seq: 1, t: 0, level: 'info', text: 'x' });
const key = 'AAAAC3NzaC1lZDI1NTE5AAAAIGyY0VuAl0Ee6Kpc5BzYAvYIZvFXAbHCRY9jzSLOXyqr';

const subjects: [name: string, inputs: fc.Arbitrary<string>, read: (text: string) => unknown][] = [
  [
    'known_hosts',
    texts(['host', '*', '?', '!h', '[h]:22', '|1|', `|1|aGk=|aGk=`, 'ssh-ed25519', key, '@revoked', '@cert-authority', '#', 'a,b,*c*d*e', '192.0.2.1']),
    (text) => {
      const entries = parseKnownHosts(text, 'f');
      const identity = { name: 'host', port: 22, isAlias: false };
      keyTypesOnFile(entries, identity);
      return lookUpKey(entries, identity, Buffer.from(key, 'base64'));
    },
  ],
  [
    'ssh_config',
    texts(
      'Host Match host exec user final all originalhost canonical Include HostName %h %r %% ~/.ssh/x ${A} ${ ProxyJump ProxyCommand none a,b u@h:1 IdentityFile ConnectTimeout 1m30s 10 Port 22 UserKnownHostsFile SetEnv A=b yes no "q "q" * ?*a*b*c*d !x # PreferredAuthentications Ciphers +a -b* ^c SendEnv -* RekeyLimit'.split(
        ' ',
      ),
    ),
    (text) => {
      const files = {
        read: (path: string) => (path === '/home/u/.ssh/config' ? text : undefined),
        list: () => ['a', 'b', 'ab'.repeat(127)],
        exists: () => false,
      };
      try {
        return sshSettings(resolveHost('host', { environment, files }), environment);
      } catch (error) {
        if ((error as Error).name !== 'HumanError') throw error;
        return undefined;
      }
    },
  ],
  [
    'NDJSON',
    fc.oneof(mutated(event), texts(['{', '}', '[', ']', '"', event, '\n', '\\u001b', '"__proto__"', ':', 'null', '1e999'])),
    (text) => {
      const splitter = new LineSplitter((line) => {
        // As the reader of a relay passes over them.
        if (line !== '') v.safeParse(runEventSchema, parseForeign(line));
      });
      splitter.write(Buffer.from(text));
      splitter.end();
    },
  ],
  [
    'profiles',
    fc.oneof(
      mutated('{"connections": "5k", "hold": "30s", "stages": [{"to": 5}], "thresholds": ["bytesPerEnd<5000"]}'),
      texts('{ } [ ] , : "connections" "5k" "hold" "1h" "stages" "to" null // /* */ "thresholds" "a<1" 1e9 "\\u0000'.split(' ')),
    ),
    parseProfile,
  ],
  [
    'run.json',
    fc.oneof(mutated(run), texts(['{', '}', '[', ']', run.slice(0, 50), '"summary":', 'null'])),
    (text) => v.safeParse(runFileSchema, parseForeign(text)),
  ],
  [
    '/proc texts',
    texts(
      'MemAvailable: 10 kB cpu cpu0 TcpExt: SyncookiesSent IpExt: InOctets TCP: inuse mem 3 FRAG: Node 0, zone Normal pages pagesets count: cpu: (x) S 1 2 -1 : tunables slabdata 4096 1e9'.split(
        ' ',
      ),
    ),
    (text) => [
      parseMeminfo(text),
      parseSlabinfo(text),
      parsePerCpuPages(text),
      parseSockstat(text, text),
      parseNetstat(text),
      parseCpuTicks(text),
      parseProcessStat(text),
    ],
  ],
];

function cpuMs(act: () => unknown): number {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

describe(`${runs} inputs of each kind are read without an error of ours, none in more than ${slowestMs} ms`, () => {
  for (const [name, inputs, read] of subjects) {
    it(name, (context) => {
      let slowest = { ms: 0, text: '' };
      fc.assert(
        fc.property(inputs, (text) => {
          let ms = cpuMs(() => read(text));
          // What took long once may have paid for a collection of garbage: what is slow is slow each time.
          for (let again = 0; again < 3 && ms > slowest.ms; again++)
            ms = Math.min(
              ms,
              cpuMs(() => read(text)),
            );
          if (ms > slowest.ms) slowest = { ms, text };
        }),
        { numRuns: runs, seed: 12, endOnFailure: true },
      );
      context.diagnostic(`${name}: slowest ${slowest.ms.toFixed(1)} ms for ${slowest.text.length} characters`);
      assert.ok(slowest.ms < slowestMs, `${slowest.ms} ms: ${JSON.stringify(slowest.text.slice(0, 300))}`);
    });
  }

  const longNames = { read: () => undefined, list: () => ['a'.repeat(255)], exists: () => true };
  const attacks: [name: string, read: () => unknown][] = [
    ['a profile of 100,000 brackets', () => assert.match(parseProfile('['.repeat(100_000)).problems[0]!.message, /nested too deep/)],
    ['a profile of 100,000 objects', () => assert.equal(parseProfile('{"a":'.repeat(100_000)).problems.length, 1)],
    ['a time of 11,000 digits', () => subjects[1]![2](`ConnectTimeout ${'1'.repeat(11_000)}!`)],
    ['11,000 blanks inside a line', () => subjects[1]![2](`Host${' '.repeat(11_000)}x`)],
    ['11,000 beginnings of a variable', () => subjects[1]![2](`IdentityFile ${'${'.repeat(5_500)}`)],
    ['11,000 brackets that are never closed in an Include', () => subjects[1]![2](`Include ${'['.repeat(11_000)}`)],
    ['an Include of 100 stars and a set, and a long name', () => assert.deepEqual(expandGlob(`/${'*a'.repeat(100)}[b]`, 'linux', longNames), [])],
    [
      'a user of 11,000 letters, and a pattern for it',
      () => subjects[1]![2](`User ${'a'.repeat(11_000)}\n${`Match user *${'a'.repeat(5_000)}b\n`.repeat(20)}`),
    ],
    ['a message of 100,000 brackets', () => assert.equal(parseForeign('['.repeat(100_000)), undefined)],
  ];
  for (const [name, read] of attacks)
    it(name, () => {
      const cpu = process.cpuUsage();
      read();
      assert.ok(process.cpuUsage(cpu).user < slowestMs * 1_000);
    });
});
