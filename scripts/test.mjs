/**
 * `npm test`: installs what the tests need and runs the suites in turn. `npm test -- unit host` runs only those.
 * The last line is "N passed, N failed" (", N skipped" may follow); the exit code is 1 when anything failed.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { asRoot, canBeRoot, ensurePrograms, isRoot } from './support/debian.mjs';
import { ensureBuild, ensureDependencies, fail, resultsDirectory, root } from './support/repository.mjs';
import { runSuite, testFiles } from './support/suite.mjs';

/** Programs (and one Python module) that the host tests call, and the Debian package of each. */
const hostPrograms = {
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  '/usr/lib/openssh/sftp-server': 'openssh-sftp-server',
  sudo: 'sudo',
  dropbear: 'dropbear-bin',
  'google-authenticator': 'libpam-google-authenticator',
  nft: 'nftables',
  ip: 'iproute2',
  '/usr/lib/python3/dist-packages/websockets': 'python3-websockets',
};

/** Host tests that mostly wait for links, logins, leases and time limits. */
const mostlyWaiting = /(ssh\/\w+|linkLoss|linkStops|onePrompt|threeHosts|sshLinks|support|attacks|hangingHosts|failingOutput|exitCodes)\.test\.ts$/;

/** Long tables with a script of their own: `npm run test:tls`. */
const hasOwnScript = /test\/host\/tls\//;

/** Totals of several runs as one. */
function sumOf(parts) {
  const sum = { passed: 0, failed: 0, skipped: 0, problems: [], skips: [] };
  for (const part of parts) for (const key of Object.keys(sum)) sum[key] = typeof sum[key] === 'number' ? sum[key] + part[key] : [...sum[key], ...part[key]];
  return sum;
}

/**
 * Each suite answers why it cannot run here, or undefined. `limitSeconds` bounds a suite that hangs: about twice what it takes on two quiet cores.
 */
const suites = {
  unit: {
    obstacle: () => undefined,
    run: () => runSuite({ name: 'unit', files: testFiles('test/unit'), concurrency: 2, limitSeconds: 400 }),
  },
  host: {
    obstacle: () => {
      if (process.platform !== 'linux') return 'it needs Linux';
      if (!canBeRoot()) return 'it needs root or passwordless sudo for network namespaces';
      return ensurePrograms(hostPrograms);
    },
    run: async () => {
      const wrap = (command, args) => (isRoot ? [command, args] : asRoot('env', [`PATH=${process.env.PATH}`, command, ...args]));
      const files = testFiles('test/host').filter((file) => !hasOwnScript.test(file));
      const waiting = files.filter((file) => mostlyWaiting.test(file));
      // Three at a time, on hosts of their own; the others open connections and measure, and must be alone.
      const first = await runSuite({ name: 'host-waiting', files: waiting, concurrency: 3, limitSeconds: 500, wrap });
      const second = await runSuite({ name: 'host', files: files.filter((file) => !waiting.includes(file)), concurrency: 1, limitSeconds: 1_800, wrap });
      return sumOf([first, second]);
    },
  },
  vscode: {
    obstacle: async () => (await import('./support/vscodeHost.mjs')).prepareVscodeTests(),
    run: async () => {
      // What is shipped is what is tested: the browser tests install the packed extension.
      const vsix = join(resultsDirectory, 'c10m.vsix');
      const packed = spawnSync(process.execPath, [join(root, 'scripts', 'package.mjs'), '--out', vsix], { stdio: 'inherit', timeout: 120_000 });
      const result = await runSuite({
        name: 'vscode',
        // The browser tests drive code-server's page; the desktop build has none.
        files: testFiles('test/vscode/workbench').filter((file) => process.env.VSCODE_TEST !== 'desktop' || file.endsWith('extensionHost.test.ts')),
        concurrency: 1,
        limitSeconds: 900,
        env: { ...process.env, C10M_VSIX: vsix },
      });
      if (packed.status === 0) return { ...result, passed: result.passed + 1 };
      return { ...result, failed: result.failed + 1, problems: [...result.problems, 'vscode: the VSIX could not be packed, or its contents are wrong'] };
    },
  },
};

ensureDependencies();
ensureBuild();

const chosen = process.argv.slice(2);
for (const name of chosen) {
  if (!Object.hasOwn(suites, name)) fail(`There is no suite "${name}". Suites: ${Object.keys(suites).join(', ')}.`);
}

const started = Date.now();
const results = [];
const lines = [];
for (const [name, suite] of Object.entries(suites)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const suiteStarted = Date.now();
  const obstacle = await suite.obstacle();
  if (obstacle !== undefined) {
    lines.push(`${name}: could not run: ${obstacle}`);
    continue;
  }
  console.log(`\n${name} tests`);
  const result = await suite.run();
  results.push(result);
  const seconds = ((Date.now() - suiteStarted) / 1000).toFixed(0);
  lines.push(`${name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped in ${seconds} s`);
}

console.log('');
const total = sumOf(results);
for (const skip of total.skips) console.log(`skipped: ${skip}`);
for (const problem of total.problems) console.log(`failed: ${problem}`);
for (const line of lines) console.log(line);
console.log(`${((Date.now() - started) / 1000).toFixed(0)} s in ${root}`);
if (total.passed + total.failed === 0) {
  // A run in which nothing was tested proves nothing.
  total.failed = 1;
  console.log('failed: no suite could run');
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed > 0 ? 1 : 0;
