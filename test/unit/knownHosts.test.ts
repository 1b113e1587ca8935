import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { fingerprint, keyTypesOnFile, knownHostsLine, lookUpKey, lookupName, parseKnownHosts, type HostIdentity } from '../../src/transport/ssh/knownHosts.js';

const directory = mkdtempSync(join(tmpdir(), 'c10m-known-hosts-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function makeKey(type: 'ed25519' | 'ecdsa' | 'rsa', name: string): { text: string; key: Buffer; file: string } {
  const file = join(directory, name);
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file]);
  const text = readFileSync(`${file}.pub`, 'utf8').trim().split(' ').slice(0, 2).join(' ');
  return { text, key: Buffer.from(text.split(' ')[1]!, 'base64'), file: `${file}.pub` };
}

const good = makeKey('ed25519', 'good');
const other = makeKey('ed25519', 'other');
const ecdsa = makeKey('ecdsa', 'ecdsa');
const rsa = makeKey('rsa', 'rsa');

function identity(name: string, port = 22, isAlias = false): HostIdentity {
  return { name, port, isAlias };
}

function answer(text: string, host: HostIdentity, key: Buffer = good.key): string {
  return lookUpKey(parseKnownHosts(text, 'f'), host, key).kind;
}

test('what known_hosts says of a key', () => {
  const host = identity('host.example');
  const found = {
    exact: answer(`host.example ${good.text}`, host),
    withComment: answer(`host.example ${good.text} me@laptop and more`, host),
    tabsAndCarriageReturn: answer(`\thost.example\t${good.text.replace(' ', '\t')}\r\n`, host),
    otherCase: answer(`Host.Example ${good.text}`, identity('HOST.example')),
    severalNames: answer(`a,host.example,10.0.0.1 ${good.text}`, host),
    wildcard: answer(`*.example ${good.text}`, host),
    questionMark: answer(`hos?.example ${good.text}`, host),
    negated: answer(`*.example,!host.example ${good.text}`, host),
    otherHost: answer(`other.example ${good.text}`, host),
    changed: answer(`host.example ${other.text}`, host),
    // Several keys of a type are a rotation: any of them is good.
    rotated: answer(`host.example ${other.text}\nhost.example ${good.text}`, host),
    otherType: answer(`host.example ${ecdsa.text}`, host),
    port: answer(`[host.example]:2222 ${good.text}`, identity('host.example', 2222)),
    // Another service's key must not stand for port 22.
    portIsPartOfTheName: answer(`[host.example]:2222 ${good.text}`, host),
    portFallsBackToThePlainName: answer(`host.example ${good.text}`, identity('host.example', 2222)),
    plainNameDoesNotCallAPortChanged: answer(`host.example ${other.text}`, identity('host.example', 2222)),
    aliasHasNoPort: answer(`ali ${good.text}`, identity('ali', 2222, true)),
    revoked: answer(`@revoked * ${good.text}`, host),
    revokedAfterGood: answer(`host.example ${good.text}\n@revoked host.example ${good.text}`, host),
    revokedForAnotherHost: answer(`host.example ${good.text}\n@revoked other ${good.text}`, host),
    revokedWithoutPort: answer(`@revoked host.example ${good.text}`, identity('host.example', 2222)),
    anotherKeyRevoked: answer(`host.example ${good.text}\n@revoked * ${other.text}`, host),
    authority: answer(`@cert-authority *.example ${good.text}`, host),
    unknownMarker: answer(`@trusted host.example ${good.text}`, host),
    commentedOut: answer(`#host.example ${good.text}`, host),
    typeDoesNotFitKey: answer(`host.example ssh-rsa ${good.text.split(' ')[1]!}`, host),
    damagedKey: answer(`host.example ssh-ed25519 ${good.text.split(' ')[1]!.replace(/.$/, '!')}`, host),
    cutOff: answer(`host.example ssh-ed25519`, host),
    empty: answer('', host),
  };
  assert.deepEqual(found, {
    exact: 'match',
    withComment: 'match',
    tabsAndCarriageReturn: 'match',
    otherCase: 'match',
    severalNames: 'match',
    wildcard: 'match',
    questionMark: 'match',
    negated: 'unknown',
    otherHost: 'unknown',
    changed: 'changed',
    rotated: 'match',
    otherType: 'unknown',
    port: 'match',
    portIsPartOfTheName: 'unknown',
    portFallsBackToThePlainName: 'match',
    plainNameDoesNotCallAPortChanged: 'unknown',
    aliasHasNoPort: 'match',
    revoked: 'revoked',
    revokedAfterGood: 'revoked',
    revokedForAnotherHost: 'match',
    revokedWithoutPort: 'revoked',
    anotherKeyRevoked: 'match',
    authority: 'unknown',
    unknownMarker: 'unknown',
    commentedOut: 'unknown',
    typeDoesNotFitKey: 'unknown',
    damagedKey: 'unknown',
    cutOff: 'unknown',
    empty: 'unknown',
  });
});

test('look-ups agree with ssh-keygen -F, on plain and on hashed files', () => {
  const lines = [
    `plain.example ${good.text}`,
    `a.example,b.example,192.168.7.1 ${rsa.text}`,
    `[ported.example]:2222,[192.168.7.2]:2222 ${ecdsa.text}`,
    `*.wild.example,!not.wild.example ${good.text}`,
    `h?st.example ${other.text}`,
    `UPPER.example ${good.text}`,
    `::1 ${good.text}`,
    `[fe80::1]:22022 ${good.text}`,
    `# comment.example ${good.text}`,
    `single ${good.text} some comment`,
    `@revoked bad.example ${good.text}`,
    `@cert-authority *.certified.example ${good.text}`,
  ];
  const plainFile = join(directory, 'plain_known_hosts');
  writeFileSync(plainFile, `${lines.join('\n')}\n`);
  const hashedFile = join(directory, 'hashed_known_hosts');
  // Wildcards and markers cannot be hashed: ssh-keygen -H leaves them as they are.
  writeFileSync(hashedFile, `${lines.join('\n')}\n`);
  execFileSync('ssh-keygen', ['-q', '-H', '-f', hashedFile], { stdio: 'pipe' });
  const names =
    'plain.example PLAIN.example plain.exampl a.example b.example c.example 192.168.7.1 192.168.7.2 ported.example x.wild.example not.wild.example wild.example host.example hst.example upper.example ::1 fe80::1 comment.example single bad.example x.certified.example'.split(
      ' ',
    );
  const keys = [good.key, other.key, rsa.key, ecdsa.key];
  for (const file of [plainFile, hashedFile]) {
    const entries = parseKnownHosts(readFileSync(file, 'utf8'), file);
    for (const name of names) {
      for (const port of [22, 2222, 22022]) {
        const host = identity(name, port);
        let output = '';
        try {
          output = execFileSync('ssh-keygen', ['-F', port === 22 ? name.toLowerCase() : lookupName(host), '-f', file], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'ignore'],
          });
        } catch {
          // ssh-keygen exits 1 for a host that it does not find.
        }
        const theirs = output.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('@'));
        const ours = keys.filter((key) => lookUpKey(entries, { ...host, isAlias: true, name: lookupName(host) }, key).kind === 'match');
        assert.equal(ours.length, theirs.length, `${lookupName(host)} in ${file}`);
        for (const key of ours)
          assert.ok(
            theirs.some((line) => line.includes(key.toString('base64'))),
            `${lookupName(host)} has another key`,
          );
      }
    }
  }
});

test('fingerprints are those of ssh-keygen -lf', () => {
  for (const { key, file } of [good, other, ecdsa, rsa]) {
    assert.equal(fingerprint(key), execFileSync('ssh-keygen', ['-lf', file], { encoding: 'utf8' }).split(' ')[1]);
  }
});

test('lines that we write are found by ssh-keygen -F', () => {
  const cases = [identity('new.example'), identity('New.Example', 2222), identity('10.1.2.3'), identity('2001:db8::1', 2200), identity('my-alias', 2222, true)];
  for (const hashed of [false, true]) {
    for (const host of cases) {
      const file = join(directory, 'written');
      writeFileSync(file, knownHostsLine(host, good.key, hashed));
      const output = execFileSync('ssh-keygen', ['-F', lookupName(host), '-f', file], { encoding: 'utf8' });
      assert.ok(output.includes(good.text), `${lookupName(host)}, hashed: ${hashed}`);
      assert.equal(lookUpKey(parseKnownHosts(readFileSync(file, 'utf8'), file), host, good.key).kind, 'match');
      if (hashed) assert.ok(!readFileSync(file, 'utf8').includes(host.name.toLowerCase()));
    }
  }
});

test('the types on file', () => {
  const entries = parseKnownHosts(`h ${ecdsa.text}\nh ${good.text}\nh ${other.text}\n@revoked h ${rsa.text}\n[h]:2222 ${rsa.text}`, 'f');
  assert.deepEqual(keyTypesOnFile(entries, identity('h')), ['ecdsa-sha2-nistp256', 'ssh-ed25519']);
  assert.deepEqual(keyTypesOnFile(entries, identity('h', 2222)), ['ecdsa-sha2-nistp256', 'ssh-ed25519', 'ssh-rsa']);
});

test('random and damaged files: no crash, and no key is accepted that no line holds', () => {
  const host = identity('host.example');
  const lines = [`host.example ${other.text}`, `@revoked host.example ${good.text}`, `*.example,!host.example ${good.text}`, `@cert-authority * ${good.text}`];
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => answer(text, host) !== 'match'),
    { numRuns: 2_000, seed: 4 },
  );
  // Bytes of the real lines are changed; the good key itself never stands in a line that may vouch for this host.
  const real = Buffer.from(`${lines.join('\n')}\n`);
  const mutation = fc.array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(mutation, (changes) => {
      const bytes = Buffer.from(real.subarray(0, lines[0]!.length));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return answer(bytes.toString('utf8'), host) !== 'match';
    }),
    { numRuns: 2_000, seed: 5 },
  );
  fc.assert(
    fc.property(mutation, (changes) => {
      const bytes = Buffer.from(real);
      // Behind the revoking line, which must hold whatever follows.
      const safe = lines[0]!.length + lines[1]!.length + 2;
      for (const [at, value] of changes) if (at >= safe) bytes[at] = value;
      return answer(bytes.toString('utf8'), host) === 'revoked';
    }),
    { numRuns: 2_000, seed: 6 },
  );
});
