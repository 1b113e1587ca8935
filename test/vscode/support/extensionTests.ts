import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { format } from 'node:util';
import { join } from 'node:path';
import { build } from 'esbuild';
import { RunStore } from '../../../src/history/store.js';
import { openWindow } from './browser.js';
import { developmentPayload, repository, startCodeServer } from './codeServer.js';
import { syntheticSavedRun } from './syntheticRun.js';
import type { MochaReport } from '../extension/run.js';

const bundleDirectory = join(repository, '.cache', 'extension-tests');

/** Mocha's tests of `test/vscode/extension` as one file that an extension host loads, and the extension that watches the activation. */
async function bundle(): Promise<{ testsPath: string; watchExtension: string }> {
  const watchExtension = join(bundleDirectory, 'c10m-tests.activation-watch-1.0.0');
  await build({
    entryPoints: {
      index: join(repository, 'test', 'vscode', 'extension', 'run.ts'),
      'c10m-tests.activation-watch-1.0.0/watch': join(repository, 'test', 'vscode', 'support', 'activationWatch.ts'),
    },
    outdir: bundleDirectory,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    sourcemap: 'inline',
    logLevel: 'warning',
    // Mocha loads its parts by name; the repository's node_modules is above the bundle.
    external: ['vscode', 'mocha', 'cpu-features', 'koffi', '*.node'],
  });
  const manifest = {
    name: 'activation-watch',
    publisher: 'c10m-tests',
    version: '1.0.0',
    engines: { vscode: '^1.104.0' },
    main: './watch.cjs',
    activationEvents: ['*'],
    extensionKind: ['workspace', 'ui'],
  };
  writeFileSync(join(watchExtension, 'package.json'), JSON.stringify(manifest));
  return { testsPath: join(bundleDirectory, 'index.cjs'), watchExtension };
}

function readReport(path: string): MochaReport {
  // A killed extension host, or process.exit(0) in a test, would look like success by its exit code: only the report counts.
  if (!existsSync(path)) throw new Error('The extension host ended without a test report.');
  return JSON.parse(readFileSync(path, 'utf8')) as MochaReport;
}

async function runInCodeServer(testsPath: string, watchExtension: string, reportPath: string): Promise<void> {
  const server = await startCodeServer({ environment: { C10M_TEST_REPORT: reportPath }, extensionFolders: [watchExtension] });
  try {
    saveRuns(server.userData);
    const window = await openWindow();
    try {
      const ended = new Promise<void>((resolve) => {
        void window.page.exposeFunction('codeAutomationExit', () => resolve());
      });
      // The console of the extension host: long, and interesting only after a failure.
      const consoleLog = createWriteStream(reportPath.replace(/\.json$/, '.log'));
      await window.page.exposeFunction('codeAutomationLog', (_type: string, args: unknown[]) => {
        consoleLog.write(`${format(...args)}\n`);
      });
      await window.page.goto(server.url(developmentPayload(server.port, testsPath)));
      const limit = new Promise<never>((_resolve, reject) => {
        setTimeout(() => reject(new Error('The tests in the extension host did not end within 120 s.')), 120_000).unref();
      });
      await Promise.race([ended, limit]);
    } finally {
      await window.close();
    }
  } finally {
    await server.stop();
  }
}

async function runInDesktop(testsPath: string, watchExtension: string, reportPath: string): Promise<void> {
  const { runTests } = await import('@vscode/test-electron');
  const userData = mkdtempSync(join(tmpdir(), 'c10m-user-'));
  saveRuns(userData);
  await runTests({
    extensionDevelopmentPath: [repository, watchExtension],
    extensionTestsPath: testsPath,
    extensionTestsEnv: { C10M_TEST_REPORT: reportPath },
    launchArgs: ['--disable-extensions', '--disable-gpu', `--user-data-dir=${userData}`],
  }).finally(() => rmSync(userData, { recursive: true, force: true }));
}

/** Two runs of the extension's history, for the tests inside the extension host. */
function saveRuns(userData: string): void {
  const store = new RunStore(join(userData, 'User', 'globalStorage', 'c10m.c10m', 'runs'));
  for (const [id, factor] of [
    ['20261123-040000-aaaaaa', 1],
    ['20261123-050000-bbbbbb', 1.5],
  ] as const) {
    const { run, samples } = syntheticSavedRun(id, factor);
    const writer = store.create(run);
    for (const sample of samples) writer.append(sample);
    writer.close();
  }
}

/** Runs the extension host's tests where VSCODE_TEST says (`desktop`, else code-server) and returns what they reported. */
export async function runExtensionTests(): Promise<MochaReport> {
  const { testsPath, watchExtension } = await bundle();
  const directory = join(repository, 'test-results');
  mkdirSync(directory, { recursive: true });
  const reportPath = join(directory, 'extension-host.json');
  rmSync(reportPath, { force: true });
  if (process.env['VSCODE_TEST'] === 'desktop') await runInDesktop(testsPath, watchExtension, reportPath);
  else await runInCodeServer(testsPath, watchExtension, reportPath);
  return readReport(reportPath);
}
