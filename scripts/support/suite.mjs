/** Runs one suite of node:test files in a process group of its own, within a time limit, and counts what happened. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { resultsDirectory, root } from './repository.mjs';

/** @typedef {{passed: number, failed: number, skipped: number, problems: string[], skips: string[]}} Totals */

/** All `*.test.ts` files under a folder of the repository, sorted. */
export function testFiles(folder) {
  const directory = join(root, folder);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(directory, name))
    .sort();
}

/**
 * Runs a command to its end or to its time limit; then the whole process group is ended, so that nothing of a suite outlives it.
 *
 * @returns {Promise<{code: number | null, timedOut: boolean}>}
 */
export function runBounded(command, args, { limitSeconds, env = process.env }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env, detached: true });
    const endGroup = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // The group has ended, or (through sudo) is not ours to signal.
      }
    };
    let timedOut = false;
    const timers = [
      setTimeout(() => {
        timedOut = true;
        endGroup('SIGTERM');
      }, limitSeconds * 1000),
      // What ignores SIGTERM for ten seconds does not clean up either.
      setTimeout(() => endGroup('SIGKILL'), (limitSeconds + 10) * 1000),
    ];
    // The group is detached from the terminal's: hand Ctrl-C on, so that tests clean up their hosts.
    const interrupt = () => endGroup('SIGINT');
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    const finish = (code) => {
      timers.forEach(clearTimeout);
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
      endGroup('SIGKILL');
      resolve({ code, timedOut });
    };
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`);
      finish(null);
    });
    child.on('exit', (code) => finish(code));
  });
}

/**
 * @param {{name: string, files: string[], concurrency: number, limitSeconds: number, wrap?: (command: string, args: string[]) => [string, string[]], env?: NodeJS.ProcessEnv}} suite
 * @returns {Promise<Totals>}
 */
export async function runSuite({ name, files, concurrency, limitSeconds, wrap = (command, args) => [command, args], env }) {
  mkdirSync(resultsDirectory, { recursive: true });
  const report = join(resultsDirectory, `${name}.ndjson`);
  rmSync(report, { force: true });
  const [command, args] = wrap(process.execPath, [
    '--import',
    'tsx',
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${limitSeconds * 1000}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'scripts', 'support', 'totalsReporter.mjs')}`,
    `--test-reporter-destination=${report}`,
    ...files,
  ]);
  const { code, timedOut } = await runBounded(command, args, { limitSeconds, env });
  return readTotals({ name, files, report, code, timedOut, limitSeconds });
}

/** A report that is missing, ends early or disagrees with the exit code counts as a failure: silence is never success. */
function readTotals({ name, files, report, code, timedOut, limitSeconds }) {
  /** @type {Totals} */
  const totals = { passed: 0, failed: 0, skipped: 0, problems: [], skips: [] };
  const problem = (text) => {
    totals.failed += 1;
    totals.problems.push(`${name}: ${text}`);
  };
  const seen = new Set();
  const lines = existsSync(report) ? readFileSync(report, 'utf8').split('\n').filter(Boolean) : [];
  for (const line of lines) {
    const { outcome, name: test, file, reason } = JSON.parse(line);
    const where = relative(root, file ?? '');
    seen.add(file);
    if (outcome === 'ended') continue;
    if (outcome === 'passed') totals.passed += 1;
    else if (outcome === 'failed') problem(where === test || file === test ? `${where} crashed` : `${where}: ${test}`);
    else if (outcome === 'empty') problem(`${where} holds no test`);
    else {
      totals.skipped += 1;
      totals.skips.push(`${where}: ${test}${reason ? ` (${reason})` : ''}`);
    }
  }
  if (timedOut) problem(`stopped after its limit of ${limitSeconds} s`);
  else {
    for (const file of files.filter((path) => !seen.has(path))) problem(`${relative(root, file)} reported nothing`);
    if (code !== 0 && totals.failed === 0) problem(`ended with exit code ${code} although no test failed`);
  }
  return totals;
}
