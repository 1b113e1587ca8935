/**
 * `npm run package`: packs c10m-VERSION.vsix from a production build, and refuses when its contents are not what they should be.
 * `--out FILE` writes it elsewhere. A folder of its own is packed, so that `dist` of the developer stays as it is. vsce needs Node 22 or newer, hence a Node from the cache.
 * `--pictures-url URL`: where the folder of the README is on the web, for its pictures. Without it they are left out (see readmePictures.mjs).
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureKoffi } from './support/koffi.mjs';
import { cacheDirectory, ensureDependencies, fail, root, runOrFail } from './support/repository.mjs';
import { withPictures } from './support/readmePictures.mjs';
import { thirdPartyNotices } from './support/thirdPartyNotices.mjs';
import { ensureNode24, node24Path } from './support/vscodeHost.mjs';
import { zipEntries } from './support/zip.mjs';

const maximumVsixBytes = 8_000_000;
const maximumDashboardBytes = 250_000;

/** What is packed besides the build; a folder is packed whole. Missing ones are left out, unless package.json refers to them. */
const allowed = [
  'README.md',
  'CHANGELOG.md',
  'SUPPORT.md',
  'LICENSE',
  'package.nls.json',
  'l10n',
  'media/icon.png',
  'media/icon.svg',
  'media/icon-dark.svg',
  'media/icon-light.svg',
  'media/walkthrough',
  'schemas',
];

/** Files that every VSIX must hold, as paths inside its `extension` folder. */
const required = [
  'package.json',
  'readme.md',
  'changelog.md',
  'LICENSE.txt',
  'THIRD-PARTY-NOTICES.txt',
  'media/icon.png',
  'dist/package.json',
  'dist/extension.cjs',
  'dist/transport.cjs',
  'dist/cli.js',
  'dist/host/agent.cjs',
  'dist/host/worker.cjs',
  'dist/host/workerBurst.cjs',
  'dist/host/workerEngines.cjs',
  'dist/host/workerLatencies.cjs',
  'dist/host/workerStateless.cjs',
  'dist/host/workerTls.cjs',
  'dist/host/workerTraffic.cjs',
  'dist/host/node_modules/koffi/package.json',
  'dist/host/node_modules/koffi/index.cjs',
  'dist/host/node_modules/@koromix/koffi-linux-x64/index.js',
  'dist/host/node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node',
  'dist/host/node_modules/@koromix/koffi-linux-arm64/index.js',
  'dist/host/node_modules/@koromix/koffi-linux-arm64/linux_arm64/koffi.node',
  'dist/dashboard/main.js',
  'dist/dashboard/main.css',
];

/** What must never be shipped: sources, maps, native parts of ssh2 that code-server and the desktop cannot load, anything of the tests. */
const forbidden = [/\.map$/, /\.ts$/, /cpu-features/, /sshcrypto/, /^(test|src|scripts|examples|\.cache|\.ci|\.github)\//, /\.ndjson$/];

/** Paths of files that the manifest refers to: icons, pictures of the walkthrough, schemas. */
function referredFiles(value) {
  if (typeof value === 'string') return /^(\.\/)?(media|schemas|dist)\/[^{}$]+\.\w+$/.test(value) ? [value.replace(/^\.\//, '')] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(referredFiles) : [];
}

ensureDependencies();
ensureNode24();
for (const architecture of ['x64', 'arm64']) ensureKoffi(architecture);

const work = join(cacheDirectory, `package-${process.pid}`);
const stage = join(work, 'stage');
mkdirSync(stage, { recursive: true });
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

runOrFail(process.execPath, ['esbuild.mjs', '--production', '--outdir', join(stage, 'dist'), '--inputs', join(work, 'inputs.json')], 'The build');
for (const name of allowed) if (existsSync(join(root, name))) cpSync(join(root, name), join(stage, name), { recursive: true });
const { values } = parseArgs({ options: { out: { type: 'string' }, 'pictures-url': { type: 'string' } } });
writeFileSync(join(stage, 'README.md'), withPictures(readFileSync(join(root, 'README.md'), 'utf8'), root, values['pictures-url']));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
// What only the repository needs.
for (const key of ['private', 'scripts', 'dependencies', 'devDependencies']) delete manifest[key];
writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
writeFileSync(join(stage, 'THIRD-PARTY-NOTICES.txt'), thirdPartyNotices(JSON.parse(readFileSync(join(work, 'inputs.json'), 'utf8')), ['koffi']));

const vsix = resolve(values.out ?? join(root, `${manifest.name}-${manifest.version}.vsix`));
mkdirSync(dirname(vsix), { recursive: true });
const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
const packed = spawnSync(
  node24Path(),
  [vsce, 'package', '--no-dependencies', '--allow-missing-repository', '--skip-license', '--no-rewrite-relative-links', '--out', vsix],
  { cwd: stage, encoding: 'utf8' },
);
if (packed.status !== 0) fail(`vsce failed:\n${packed.stdout}${packed.stderr}`);

const entries = zipEntries(readFileSync(vsix));
const inside = new Map([...entries].filter(([name]) => name.startsWith('extension/')).map(([name, bytes]) => [name.slice('extension/'.length), bytes]));
const vsixBytes = statSync(vsix).size;
const dashboardBytes = [...inside].filter(([name]) => name.startsWith('dist/dashboard/')).reduce((sum, [, bytes]) => sum + bytes, 0);
const problems = [
  ...[...required, ...referredFiles(manifest)].filter((name) => !inside.has(name)).map((name) => `${name} is missing`),
  ...[...inside.keys()].filter((name) => forbidden.some((pattern) => pattern.test(name))).map((name) => `${name} must not be packed`),
  ...(vsixBytes > maximumVsixBytes ? [`the VSIX has ${vsixBytes} bytes; the limit is ${maximumVsixBytes}`] : []),
  ...(dashboardBytes > maximumDashboardBytes ? [`the dashboard has ${dashboardBytes} bytes; the limit is ${maximumDashboardBytes}`] : []),
];

const kilobytes = (bytes) => `${Math.round(bytes / 1000)} kB`;
console.log(`dashboard bundle: ${kilobytes(dashboardBytes)} of at most ${kilobytes(maximumDashboardBytes)}`);
console.log(
  `extension bundle: ${kilobytes(inside.get('dist/extension.cjs') ?? 0)}, transport ${kilobytes(inside.get('dist/transport.cjs') ?? 0)}, agent ${kilobytes(inside.get('dist/host/agent.cjs') ?? 0)}, worker ${kilobytes(inside.get('dist/host/worker.cjs') ?? 0)}`,
);
console.log(`VSIX: ${kilobytes(vsixBytes)} of at most ${kilobytes(maximumVsixBytes)}, ${inside.size} files`);
if (problems.length > 0) {
  rmSync(vsix, { force: true });
  fail(`The VSIX is not what it should be:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}
console.log(relative(process.cwd(), vsix) || vsix);
