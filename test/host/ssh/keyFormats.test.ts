import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { HumanError } from '../../../src/core/errors.js';
import { openChain } from '../../../src/transport/ssh/chain.js';
import { PersonWaits } from '../../../src/transport/ssh/personWaits.js';
import { Secrets } from '../../../src/transport/ssh/secrets.js';
import { scripted, testEnvironment, type Person } from '../support/attempt.js';
import { startHost, stopLab, type TestHost } from '../support/host.js';
import { makeLaptop, type Laptop } from '../support/laptop.js';
import { missingForHosts } from '../support/packages.js';

const directory = mkdtempSync(join(tmpdir(), 'c10m-keys-'));
const shell = (script: string) => execFileSync('sh', ['-ec', script], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });

/** Shell commands that write `plain` and `locked` (passphrase `secret`), named by the format. */
const formats: Record<string, string> = {
  'OpenSSH, Ed25519': 'ssh-keygen -q -t ed25519 -N "" -f NAME.plain; cp NAME.plain NAME.locked; ssh-keygen -q -p -P "" -N secret -f NAME.locked',
  'PEM, RSA': 'openssl genrsa -traditional -out NAME.plain 2048; openssl rsa -in NAME.plain -traditional -aes128 -passout pass:secret -out NAME.locked',
  'PEM, ECDSA, parameters first':
    'openssl ecparam -name prime256v1 -genkey -out NAME.plain; openssl ec -in NAME.plain -aes128 -passout pass:secret -out k; (sed -n 1,3p NAME.plain; cat k) > NAME.locked',
  'PKCS#8, RSA': 'openssl genrsa -out NAME.plain 2048; openssl pkcs8 -topk8 -in NAME.plain -passout pass:secret -out NAME.locked',
  'PKCS#8, Ed25519': 'openssl genpkey -algorithm ed25519 -out NAME.plain; openssl pkcs8 -topk8 -in NAME.plain -passout pass:secret -out NAME.locked',
  'out of PKCS#12, ECDSA':
    'openssl ecparam -name secp384r1 -genkey -noout -out k; openssl req -x509 -key k -subj /CN=x -out c; openssl pkcs12 -export -inkey k -in c -passout pass:secret -out NAME.p12; openssl pkcs12 -in NAME.p12 -passin pass:secret -nocerts -nodes -out NAME.plain; openssl pkcs12 -in NAME.p12 -passin pass:secret -nocerts -passout pass:secret -out NAME.locked',
};
const nameOf = (format: string) => `k${Object.keys(formats).indexOf(format)}`;

/** A line of authorized_keys, made by OpenSSH where it reads the format (9.2 does not read Ed25519 in PKCS#8). */
function authorizedKey(file: string): string {
  try {
    return shell(`chmod 600 ${file}; ssh-keygen -y -f ${file}`).toString();
  } catch {
    const raw = Buffer.from(createPublicKey(readFileSync(join(directory, file))).export({ format: 'jwk' }).x!, 'base64url');
    return `ssh-ed25519 ${Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1'), raw]).toString('base64')}\n`;
  }
}

let host: TestHost;
let laptop: Laptop;

async function logIn(key: string, person: Person): Promise<{ asked: string[]; error: HumanError | undefined }> {
  const asked: string[] = [];
  const waits = new PersonWaits(
    () => undefined,
    () => undefined,
  );
  const prompts = scripted(person, asked);
  try {
    const chain = await openChain('h', {
      prompts,
      waits,
      secrets: new Secrets(prompts, waits),
      signal: AbortSignal.timeout(20_000),
      log: () => undefined,
      progress: () => undefined,
      inform: () => undefined,
      environment: testEnvironment(laptop),
      sources: { environment: testEnvironment(laptop) },
      identityFile: join(directory, key),
      mayRun: () => Promise.resolve(false),
    });
    chain.end();
    return { asked, error: undefined };
  } catch (error) {
    return { asked, error: error as HumanError };
  }
}

describe('key formats against a real server', { skip: missingForHosts() ?? false }, () => {
  before(async () => {
    for (const [format, script] of Object.entries(formats)) shell(script.replaceAll('NAME', nameOf(format)));
    host = await startHost({ name: 'formats', sshdConfig: ['MaxStartups 100'] });
    await host.exec(
      'cat > /root/.ssh/authorized_keys',
      Object.keys(formats)
        .map((format) => authorizedKey(`${nameOf(format)}.plain`))
        .join(''),
    );
    laptop = makeLaptop();
    laptop.add('h', host);
    execFileSync('sed', ['-i', 's/IdentityFile .*/IdentityFile none/', laptop.configFile]);
  });
  after(async () => {
    await stopLab();
    laptop.remove();
    rmSync(directory, { recursive: true, force: true });
  });
  const situations: [string, string, (string | undefined)[], string[], RegExp | undefined][] = [
    ['plain', 'plain', [], [], undefined],
    ['the right passphrase', 'locked', ['secret'], ['passphrase'], undefined],
    ['a wrong passphrase', 'locked', ['a', 'b', 'c', 'd'], ['passphrase', 'passphrase', 'passphrase'], /its passphrase was wrong 3 times/],
    ['cancelled', 'locked', [undefined], ['passphrase'], /its passphrase was not given/],
  ];
  for (const format of Object.keys(formats)) {
    for (const [situation, file, answers, expected, problem] of situations) {
      test(`${format}: ${situation}`, async () => {
        const { asked, error } = await logIn(`${nameOf(format)}.${file}`, { secrets: { passphrase: answers } });
        assert.deepEqual(asked, expected, error?.message);
        if (problem === undefined) assert.equal(error, undefined, error?.message);
        else {
          assert.equal(error?.code, 'accessRefused');
          assert.match(error.message, problem);
        }
      });
    }
  }
});
