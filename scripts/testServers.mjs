/** `npm run test:servers [-- NAME…]`: installs the servers that are missing and runs the table of `test/host/servers/all.ts`. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asRoot, ensurePrograms, isRoot } from './support/debian.mjs';
import { cacheDirectory, ensureBuild, ensureDependencies, root } from './support/repository.mjs';

/** Programs, files and the Debian package of each. */
const serverPrograms = {
  nginx: 'nginx-light',
  '/usr/lib/nginx/modules/ngx_stream_module.so': 'libnginx-mod-stream',
  haproxy: 'haproxy',
  'redis-server': 'redis-server',
  mosquitto: 'mosquitto',
  mosquitto_sub: 'mosquitto-clients',
  '/usr/lib/postgresql': 'postgresql',
  ngircd: 'ngircd',
  prosody: 'prosody',
  '/usr/lib/apache2/modules/mod_mpm_event.so': 'apache2-bin',
  memcached: 'memcached',
  'nats-server': 'nats-server',
  go: 'golang-go',
  '/usr/lib/python3/dist-packages/websockets': 'python3-websockets',
  '/usr/lib/python3/dist-packages/aiohttp': 'python3-aiohttp',
  '/usr/lib/python3/dist-packages/tornado': 'python3-tornado',
  sshd: 'openssh-server',
};
const npmPackages = { ws: '8.23.0', fastify: '5.12.8', 'socket.io': '4.8.4' };

/** Beside its place first, then renamed: an interrupted install leaves nothing half done. */
function ensureNpmPackages() {
  const directory = join(cacheDirectory, 'server-packages');
  if (existsSync(directory)) return;
  const temporary = `${directory}.${process.pid}`;
  mkdirSync(temporary, { recursive: true });
  writeFileSync(join(temporary, 'package.json'), `${JSON.stringify({ private: true, dependencies: npmPackages })}\n`);
  console.log(`Installing ${Object.keys(npmPackages).join(', ')} for the tests …`);
  const args = ['install', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = spawnSync('npm', args, { cwd: temporary, encoding: 'utf8', timeout: 300_000 });
  if (result.status === 0 && !existsSync(directory)) renameSync(temporary, directory);
  else console.log(`skipped: npm packages could not be installed: ${(result.stderr || String(result.error)).trim().split('\n').at(-1)}`);
  rmSync(temporary, { recursive: true, force: true });
}

ensureDependencies();
ensureBuild();
const obstacle = ensurePrograms(serverPrograms);
if (obstacle !== undefined) console.log(`skipped: ${obstacle}`);
ensureNpmPackages();
const names = process.argv.slice(2).flatMap((name) => ['--test-name-pattern', name]);
const words = ['--import', 'tsx', '--test', '--test-concurrency=1', ...names, 'test/host/servers/all.ts', 'test/host/servers/limits.ts'];
const [command, args] = isRoot ? [process.execPath, words] : asRoot('env', [`PATH=${process.env.PATH}`, process.execPath, ...words]);
process.exitCode = spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
