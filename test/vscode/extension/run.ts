import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import { figures } from './figures.js';

/** What the tests inside the extension host tell the runner outside. */
export interface MochaReport {
  /** Figures that the tests measured, in words. */
  figures: string[];
  tests: { title: string; state: 'passed' | 'failed' | 'pending'; error?: string; durationMs: number }[];
}

/** VS Code calls this inside the extension host. Add a file of tests by adding its import here: the bundle has one entry. */
export async function run(): Promise<void> {
  const reportPath = process.env['C10M_TEST_REPORT'];
  if (reportPath === undefined) throw new Error('C10M_TEST_REPORT is not set');
  const mocha = new Mocha({ ui: 'bdd', timeout: 60_000 });
  mocha.suite.emit('pre-require', globalThis, '', mocha);
  await import('./activation.test.js');
  await import('./languageModelTools.test.js');

  const report: MochaReport = { tests: [], figures };
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    const record = (test: Mocha.Test, state: MochaReport['tests'][number]['state'], error?: Error) =>
      report.tests.push({
        title: test.fullTitle(),
        state,
        durationMs: test.duration ?? 0,
        ...(error === undefined ? {} : { error: error.stack ?? error.message }),
      });
    runner.on('pass', (test) => record(test, 'passed'));
    runner.on('pending', (test) => record(test, 'pending'));
    runner.on('fail', (test, error: Error) => record(test, 'failed', error));
  });
  writeFileSync(reportPath, JSON.stringify(report));
  if (failures > 0) throw new Error(`${failures} tests failed`);
}
