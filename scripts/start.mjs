/**
 * `npm start`: installs and builds what is missing, then opens 100,000 real connections on this machine.
 * Further arguments go to `c10m run`: `npm start -- --protocol websocket --hold 30s`.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ensureBuild, ensureDependencies, root } from './support/repository.mjs';

ensureDependencies();
ensureBuild();

const extra = process.argv.slice(2);
const choosesConnections = extra.some((argument) => argument.startsWith('--connections') || argument.endsWith('.c10m.json'));
const args = [join(root, 'dist', 'cli.js'), 'run', ...(choosesConnections ? [] : ['--connections', '100k']), ...extra];
const child = spawn(process.execPath, args, { stdio: 'inherit' });
// Ctrl-C reaches the run through the terminal as well; this script only has to outlive it, for the host is restored first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('error', (error) => {
  console.error(`The run could not be started: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
