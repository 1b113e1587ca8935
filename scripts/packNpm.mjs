/**
 * `npm run package:npm`: packs c10m-VERSION.tgz, from which `npx` and `npm install -g` work on a machine with Node 20 and nothing else, and refuses
 * when its contents are not what they should be. `--out FILE` writes it elsewhere. It holds the command, what is deployed on hosts with koffi's
 * libraries for x64 and arm64, and the manual page; nothing of VS Code, and no dependency.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureKoffi } from './support/koffi.mjs';
import { cacheDirectory, ensureDependencies, fail, root, runOrFail } from './support/repository.mjs';
import { thirdPartyNotices } from './support/thirdPartyNotices.mjs';

const maximumBytes = 4_000_000;
/** Of the build, what the command needs. */
const ofCommand = ['cli.js', 'package.json', 'host'];
const required = [
  'package.json',
  'README.md',
  'LICENSE',
  'THIRD-PARTY-NOTICES.txt',
  'man/c10m.1',
  'dist/cli.js',
  'dist/host/agent.cjs',
  'dist/host/worker.cjs',
  'dist/host/node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node',
  'dist/host/node_modules/@koromix/koffi-linux-x64/musl_x64/koffi.node',
  'dist/host/node_modules/@koromix/koffi-linux-arm64/linux_arm64/koffi.node',
  'dist/host/node_modules/@koromix/koffi-linux-arm64/musl_arm64/koffi.node',
];

ensureDependencies();
for (const architecture of ['x64', 'arm64']) ensureKoffi(architecture);
const { values } = parseArgs({ options: { out: { type: 'string' } } });
const work = join(cacheDirectory, `npm-${process.pid}`);
const stage = join(work, 'stage');
mkdirSync(join(stage, 'man'), { recursive: true });
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

runOrFail(process.execPath, ['esbuild.mjs', '--production', '--outdir', join(work, 'dist'), '--inputs', join(work, 'inputs.json')], 'The build');
for (const name of ofCommand) cpSync(join(work, 'dist', name), join(stage, 'dist', name), { recursive: true });
for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'schemas']) cpSync(join(root, name), join(stage, name), { recursive: true });
const { name, version, description, license, engines, keywords } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const manifest = {
  name,
  version,
  description,
  license,
  ...(keywords === undefined ? {} : { keywords }),
  engines: { node: engines.node },
  bin: { c10m: 'dist/cli.js' },
  man: ['man/c10m.1'],
  // What npm leaves out unless it is asked for by `bundleDependencies` or `files`: node_modules below dist.
  files: ['dist', 'man', 'schemas', 'CHANGELOG.md', 'THIRD-PARTY-NOTICES.txt'],
};
writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
writeFileSync(join(stage, 'THIRD-PARTY-NOTICES.txt'), thirdPartyNotices(JSON.parse(readFileSync(join(work, 'inputs.json'), 'utf8')), ['koffi']));
const page = spawnSync(process.execPath, [join(stage, 'dist', 'cli.js'), 'man'], { encoding: 'utf8' });
if (page.status !== 0) fail(`The manual page could not be made: ${page.stderr}`);
writeFileSync(join(stage, 'man', 'c10m.1'), page.stdout);

const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', work], { cwd: stage, encoding: 'utf8' });
if (packed.status !== 0) fail(`npm pack failed:\n${packed.stdout}${packed.stderr}`);
const archive = join(work, packed.stdout.trim());
const listed = spawnSync('tar', ['-tzf', archive], { encoding: 'utf8' }).stdout.split('\n');
const inside = new Set(listed.map((path) => path.replace(/^package\//, '')));
const { size } = statSync(archive);
const problems = [
  ...required.filter((path) => !inside.has(path)).map((path) => `${path} is missing`),
  ...[...inside].filter((path) => /\.map$|\.ts$|extension\.cjs|dashboard/.test(path)).map((path) => `${path} must not be packed`),
  ...(size > maximumBytes ? [`it has ${size} bytes; the limit is ${maximumBytes}`] : []),
];
if (problems.length > 0) fail(`The package is not what it should be:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
const target = resolve(values.out ?? join(root, `${name}-${version}.tgz`));
mkdirSync(dirname(target), { recursive: true });
cpSync(archive, target);
console.log(
  `${relative(process.cwd(), target) || target}: ${Math.round(size / 1000)} kB of at most ${Math.round(maximumBytes / 1000)} kB, ${inside.size - 1} files`,
);
