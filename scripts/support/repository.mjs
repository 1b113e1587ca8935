/**
 * What every script needs before it can do its own work: the root of the repository, installed dependencies and a build.
 * Plain Node without dependencies, since it runs on a fresh clone.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const minimumNodeMajor = 20;
/** Everything that is installed or downloaded besides node_modules; ignored by git. */
export const cacheDirectory = process.env.C10M_CACHE ?? join(root, '.cache');
export const resultsDirectory = join(root, 'test-results');

/** Ends the script with one sentence for the reader. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Runs a command in the repository with its output shown; ends the script when it fails. */
export function runOrFail(command, args, what) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error !== undefined) fail(`${what} failed: ${result.error.message}`);
  if (result.status !== 0) fail(`${what} failed (exit code ${result.status ?? result.signal}).`);
}

/** True when node_modules holds exactly the versions of package-lock.json, judged by the lock that npm keeps inside node_modules. */
export function dependenciesAreCurrent() {
  const installedLock = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedLock)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedLock, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    // Packages of other platforms are optional and rightly absent.
    if (installed[path] === undefined) return entry.optional === true || entry.devOptional === true || entry.peer === true;
    return installed[path].version === entry.version;
  });
}

/** Installs what package-lock.json names, unless it is installed already. */
export function ensureDependencies() {
  if (Number(process.versions.node.split('.')[0]) < minimumNodeMajor) {
    fail(`C10M needs Node ${minimumNodeMajor} or newer; this is ${process.version}.`);
  }
  if (dependenciesAreCurrent()) return;
  const modules = join(root, 'node_modules');
  if (existsSync(modules) && lstatSync(modules).isSymbolicLink()) {
    fail('node_modules is a link and differs from package-lock.json: bring the folder it points to up to date.');
  }
  console.log('Installing dependencies (npm ci) …');
  // Nothing that is used needs an install script: esbuild and koffi come prebuilt, ssh2 works without its optional native parts.
  runOrFail('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], 'npm ci');
}

/** The newest modification under a file or folder, in milliseconds; folders count too, so that a deleted file is noticed. */
function newestMtimeMs(path) {
  if (!existsSync(path)) return 0;
  const information = statSync(path);
  if (!information.isDirectory()) return information.mtimeMs;
  return readdirSync(path).reduce((newest, name) => Math.max(newest, newestMtimeMs(join(path, name))), information.mtimeMs);
}

/** Builds `dist`, unless it is newer than everything it is made of. */
export function ensureBuild() {
  // esbuild.mjs writes this file last, so an interrupted build is done again.
  const stamp = join(root, 'dist', 'package.json');
  const builtAt = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  const inputs = ['src', 'media', 'esbuild.mjs', 'package.json', join('node_modules', '.package-lock.json')];
  if (builtAt > Math.max(...inputs.map((input) => newestMtimeMs(join(root, input))))) return;
  console.log('Building …');
  runOrFail(process.execPath, ['esbuild.mjs'], 'The build');
}
