import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { exampleProfileText, fieldProblem, parseProfile, profileTextOf, specFromInput } from '../../src/core/profile.js';

describe('a spec as people write it', () => {
  const bad: [name: string, input: Record<string, unknown>, message: RegExp][] = [
    ['zero connections', { connections: 0 }, /connections is 0, but must be a whole number from 1/],
    ['negative connections', { connections: '-5' }, /must not be negative/],
    ['fractional connections', { connections: '1.5' }, /not a whole number/],
    ['fractional number', { connections: 2.5 }, /must be a whole number/],
    ['absurd connections', { connections: '1000000M' }, /from 1 to 100,000,000/],
    ['a word', { connections: 'many' }, /"many" is not a whole number/],
    ['too few open files of a worker', { workerNofile: 200 }, /workerNofile is 200, but must be at least 600\./],
    ['too many ports', { ports: 100_000 }, /ports is 100000, but must be at most/],
    ['half a port', { ports: 1.5 }, /ports/],
    ['an empty host', { host: '' }, /host must not be empty\./],
    ['a long name', { name: 'x'.repeat(201) }, /name is too long: at most 200 are allowed\./],
    ['a path without a slash', { websocketPath: 'ws' }, /websocketPath is "ws", but it must begin with \/ and hold no spaces\./],
    ['traffic without bytes', { traffic: { every: '1s', bytes: 0 } }, /^traffic\.bytes is 0, but must be at least 1\.$/],
    ['traffic without a pause', { traffic: { every: '0s', bytes: 64 } }, /^traffic\.every is 0 s, but must be at least 0\.1 s\.$/],
    ['a short lease', { lease: '1s' }, /^lease is 1 s, but must be at least 10 s\.$/],
    ['a hold of a stage', { stages: [{ to: 5, hold: '2d' }] }, /^stages\.0\.hold is 172800 s, but must be at most 86,400 s\.$/],
    ['ports beyond the last', { firstPort: 65_530, ports: 20 }, /^20 ports from 65530 on do not fit below 65536\.$/],
    ['traffic without a rhythm', { traffic: { bytes: 64 } }, /"traffic\.every" is missing\./],
    ['traffic that is a number', { traffic: 5 }, /traffic is 5, but must be an object\./],
    ['an unknown field of traffic', { traffic: { bytes: 64, every: '1s', x: 1 } }, /"traffic\.x" is not a field of a run\./],
    ['thresholds that are no list', { thresholds: 'x' }, /thresholds is "x", but must be a list\./],
    ['connections that are a list', { connections: [1] }, /connections is \[1\], but must be a whole number from 1/],
    ['unknown protocol', { protocol: 'udp' }, /protocol is "udp", but must be one of: tcp, websocket, both/],
    ['misspelt key', { conections: 5 }, /"conections" is not a field/],
    ['bad duration', { hold: 'soon' }, /"soon" is not a duration for hold/],
    ['bad threshold', { thresholds: ['bytesPerEn<5'] }, /"bytesPerEn" in the threshold/],
    ['a name given twice', { hold: '1s', holdSeconds: 2 }, /^hold is given twice, as "holdSeconds" too\.$/],
    ['a bad duration of a stage', { stages: [{ to: 5 }, { to: 6, hold: 'long' }] }, /^"long" is not a duration for stages\.1\.hold\.$/],
    ['traffic in a wrong form', { traffic: '64' }, /^"64" is not a valid traffic setting\.$/],
    ['command engine without command', { engine: 'command' }, /needs the command/],
  ];
  for (const [name, input, message] of bad) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => specFromInput(input),
        (error) => error instanceof HumanError && error.code === 'usage' && message.test(error.message),
      );
    });
  }

  it('suggests the nearest field', () => {
    assert.throws(
      () => specFromInput({ conections: 5 }),
      (error) => error instanceof HumanError && error.remedy === 'Did you mean "connections"?',
    );
  });

  it('reads counts, durations, stages and traffic', () => {
    const spec = specFromInput({
      connections: '1M',
      hold: '2m',
      rate: '20k',
      stages: [{ to: '10k', rate: 500, hold: '5s' }],
      traffic: { every: '10s', bytes: '64' },
    });
    assert.deepEqual(
      {
        connections: spec.connections,
        hold: spec.holdSeconds,
        rate: spec.rate,
        stages: spec.stages,
        traffic: spec.traffic,
        host: spec.host,
        engine: spec.engine,
      },
      {
        connections: 1_000_000,
        hold: 120,
        rate: 20_000,
        stages: [{ to: 10_000, rate: 500, holdSeconds: 5 }],
        traffic: { intervalSeconds: 10, bytes: 64 },
        host: 'local',
        engine: 'epoll',
      },
    );
  });

  it('reads compact forms as the objects that they stand for', () => {
    assert.deepEqual(
      specFromInput({ stages: ['10k@500:5s', '20k', '30k:1m'], traffic: '64/10s', connections: 'MAX' }),
      specFromInput({
        stages: [{ to: '10k', rate: 500, hold: '5s' }, { to: 20_000 }, { to: '30k', hold: '1m' }],
        traffic: { bytes: 64, every: '10s' },
        connections: 'max',
      }),
    );
  });

  it('says what is wrong with one value, for a dialog', () => {
    assert.deepEqual(
      ['50k', 'max', '0', 'many'].map((value) => fieldProblem('connections', value)),
      [
        undefined,
        undefined,
        'connections is 0, but must be a whole number from 1 to 100,000,000, or "max".',
        '"many" is not a whole number for connections. Write it like 5000, 50k or 1M.',
      ],
    );
  });

  it('warns of a field that has no effect, at its place', () => {
    const text = '{ "command": "./server", "engine": "node", "websocketPath": "/x" }';
    const { spec, problems } = parseProfile(text);
    assert.equal(spec?.engine, 'node');
    assert.deepEqual(
      problems.map(({ message, offset, length, severity }) => [severity, text.slice(offset, offset + length), message]),
      [
        ['warning', '"./server"', 'command has no effect: engine is "node", not "command".'],
        ['warning', '"/x"', 'websocketPath has no effect: protocol is "tcp", not "websocket" or "both".'],
      ],
    );
  });

  it('finds the place of a short name inside a list', () => {
    const text = '{ "stages": [{ "to": 5, "hold": "2d" }] }';
    const [problem] = parseProfile(text).problems;
    assert.equal(text.slice(problem!.offset, problem!.offset + problem!.length), '"2d"');
  });

  it('reads its own example, and a profile written from a spec gives the same spec', () => {
    const { spec, problems } = parseProfile(exampleProfileText());
    assert.deepEqual(problems, []);
    assert.deepEqual(parseProfile(profileTextOf(spec!)).spec, spec);
  });

  it('tells where a problem stands', () => {
    const text = '{\n  "connections": "50k",\n  "protocl": "tcp"\n}';
    const { problems } = parseProfile(text);
    assert.equal(problems.length, 1);
    assert.equal(text.slice(problems[0]!.offset, problems[0]!.offset + problems[0]!.length), '"protocl"');
  });
});
