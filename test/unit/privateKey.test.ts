import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { parseCertificate } from '../../src/transport/ssh/certificates.js';
import { describeForeignKey, inspectKeyFile, parsePublicKeyFile } from '../../src/transport/ssh/keyFile.js';
import { readPrivateKey } from '../../src/transport/ssh/privateKey.js';
import { wireNumber, WireReader, wireString } from '../../src/transport/ssh/wire.js';

const directory = mkdtempSync(join(tmpdir(), 'c10m-private-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const shell = (script: string) => execFileSync('sh', ['-ec', script], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
const read = (name: string) => readFileSync(join(directory, name));

test('the public half and the signatures are those that OpenSSH makes', () => {
  for (const [type, ...options] of [
    ['ed25519'],
    ['rsa', '-b', '1024'],
    ['rsa', '-b', '1024', '-m', 'PEM'],
    ['ecdsa', '-b', '256'],
    ['ecdsa', '-b', '384', '-m', 'PEM'],
    ['ecdsa', '-b', '521', '-m', 'PKCS8'],
  ]) {
    const name = [type, ...options].join('');
    execFileSync('ssh-keygen', ['-q', '-t', type!, '-N', 'secret', '-a', '1', '-C', '', '-f', join(directory, name), ...options]);
    const text = read(name).toString();
    const result = readPrivateKey(text, 'secret');
    assert.ok(result.kind === 'key', name);
    assert.deepEqual(result.key.publicKey, parsePublicKeyFile(read(`${name}.pub`).toString()), name);
    assert.equal(readPrivateKey(text, 'wrong').kind, 'wrongPassphrase', name);
    const data = Buffer.from('data');
    const pem = shell(`ssh-keygen -p -a 1 -P secret -N '' -m PKCS8 -f '${name}' >/dev/null; cat '${name}'`);
    if (type === 'ed25519') continue;
    const hash = type === 'rsa' ? 'sha256' : { 256: 'sha256', 384: 'sha384', 521: 'sha512' }[options[1]!]!;
    assert.ok(verify(hash, data, createPublicKey(pem), result.key.sign(data, 'sha256')), name);
  }
});

test('what is no private key for SSH is said to be what it is', () => {
  shell(`openssl genpkey -algorithm ed448 -out ed448; openssl ecparam -name secp256k1 -genkey -noout -out koblitz; openssl genrsa -out rsa.p8 1024
    openssl pkcs8 -topk8 -v1 PBE-MD5-DES -in rsa.p8 -passout pass:secret -out old -provider legacy -provider default
    openssl req -x509 -key rsa.p8 -subj /CN=x -out c; openssl pkcs12 -export -inkey rsa.p8 -in c -passout pass:secret -out p12; openssl pkey -in rsa.p8 -outform DER -out der
    ssh-keygen -q -t ed25519 -N secret -Z chacha20-poly1305@openssh.com -f chacha`);
  const why = (name: string, passphrase?: string) => {
    const result = readPrivateKey(read(name).toString(), passphrase);
    return result.kind === 'unreadable' ? result.why : result.kind;
  };
  assert.match(why('ed448'), /no keys of the kind ed448/);
  assert.match(why('koblitz'), /no keys of the curve secp256k1/);
  assert.match(why('old', 'secret'), /no longer has/);
  assert.match(why('chacha', 'secret'), /does not have/);
  assert.match(describeForeignKey(read('p12')) ?? '', /PKCS#12.*openssl pkcs12/);
  assert.match(describeForeignKey(read('der')) ?? '', /DER/);
  assert.match(describeForeignKey(Buffer.from('PuTTY-User-Key-File-3: ssh-ed25519\n')) ?? '', /puttygen/);
  for (const other of [Buffer.alloc(0), Buffer.from('hello'), read('rsa.p8')]) assert.equal(describeForeignKey(other), undefined);
});

test('a certificate shows the key that it is for and its end', () => {
  shell(`ssh-keygen -q -t ed25519 -N '' -f ca
    for t in ed25519 rsa ecdsa; do ssh-keygen -q -t $t $([ $t = rsa ] && echo -b 1024) -N '' -f of-$t; ssh-keygen -q -s ca -I me -n root -V 20200101000000Z:20300101000000Z of-$t.pub; done`);
  for (const type of ['ed25519', 'rsa', 'ecdsa']) {
    const certificate = parseCertificate(parsePublicKeyFile(read(`of-${type}-cert.pub`).toString())!);
    assert.deepEqual(certificate?.publicKey, parsePublicKeyFile(read(`of-${type}.pub`).toString()), type);
    assert.equal(certificate?.validBefore, BigInt(Date.UTC(2030, 0, 1) / 1_000), type);
  }
  assert.equal(parseCertificate(parsePublicKeyFile(read('of-rsa.pub').toString())!), undefined, 'a plain key');
});

test('fields of packets, and whatever else comes', () => {
  assert.deepEqual(
    [wireNumber(Buffer.from([0, 0, 0x7f])), wireNumber(Buffer.from([0x80])), wireString('a')].map((field) => field.toString('hex')),
    ['000000017f', '000000020080', '0000000161'],
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const packet = Buffer.from(bytes);
      const reader = new WireReader(packet);
      while (reader.string() !== undefined);
      parseCertificate(packet);
      describeForeignKey(packet);
      parseCertificate(Buffer.concat([wireString('ssh-rsa-cert-v01@openssh.com'), packet]));
      const text = `-----BEGIN PRIVATE KEY-----\n${packet.toString('base64')}\n-----END PRIVATE KEY-----\n`;
      assert.equal(readPrivateKey(text).kind, 'unreadable');
      inspectKeyFile(text);
    }),
    { numRuns: 500, seed: 5 },
  );
});
