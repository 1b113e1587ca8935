import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { exitCodes } from '../../src/core/errors.js';
import { commandList } from '../../src/cli/commandList.js';
import { manPage } from '../../src/cli/manPage.js';
import { specOptions } from '../../src/cli/specOptions.js';

test('the manual page has each command, option and exit code, and no line that is a request by mistake', () => {
  const page = manPage();
  for (const name of Object.keys(commandList)) assert.ok(page.includes(`.SH ${name.toUpperCase()}`), name);
  for (const option of Object.keys(specOptions)) assert.ok(page.includes(`\\-\\-${option.replaceAll('-', '\\-')}`), option);
  for (const code of Object.values(exitCodes)) assert.ok(page.includes(`.B ${code}\n`), String(code));
  const known = /^\.(TH|SH|SS|TP|PP|B|br)\b/;
  for (const line of page.split('\n').filter((text) => /^[.']/.test(text))) assert.match(line, known);
});

/** The script of the action as the runner would run it: with inputs in variables and `npx` in the path. */
function runAction(fakeNpx: string): { status: number | null; output: string; summary: string; calls: string } {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-action-'));
  try {
    const script = /run: \|\n((?: {8}.*\n|\n)+)/.exec(readFileSync(join(import.meta.dirname, '..', '..', 'action.yml'), 'utf8'))![1]!.replaceAll(/^ {8}/gm, '');
    writeFileSync(join(directory, 'npx'), `#!/bin/bash\necho "$@" >>${directory}/calls\n${fakeNpx}`);
    chmodSync(join(directory, 'npx'), 0o755);
    const files = { GITHUB_STEP_SUMMARY: join(directory, 'summary'), GITHUB_OUTPUT: join(directory, 'output') };
    const inputs = { PROFILE: 'load/my profile.c10m.json', ARGUMENTS: '--connections 20k --hold 1s', PACKAGE: 'c10m', JUNIT: 'junit.xml' };
    const { status } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
      env: { ...inputs, ...files, PATH: `${directory}:${process.env.PATH}`, TMPDIR: directory },
    });
    const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
    return { status, output: read(files.GITHUB_OUTPUT), summary: read(files.GITHUB_STEP_SUMMARY), calls: read(join(directory, 'calls')) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const writesReport = 'if [ "$3" = runs ]; then while [ "$1" != --output ]; do shift; done; echo "# report" >"$2"; fi\n';
for (const [name, fake, code, summary] of [
  ['a run that passes', writesReport, 0, '# report\n'],
  ['a failed threshold still leaves its report', `${writesReport}if [ "$3" = run ]; then exit 99; fi\n`, 99, '# report\n'],
  ['a profile that cannot be read has no report', 'exit 64\n', 64, ''],
] as const) {
  test(`the GitHub action: ${name}`, () => {
    const result = runAction(fake);
    assert.deepEqual([result.status, result.output, result.summary], [code, `exit-code=${code}\n`, summary]);
    assert.match(result.calls, /^--yes c10m run --plain --runs \S+ --junit junit\.xml --connections 20k --hold 1s load\/my profile\.c10m\.json$/m);
  });
}
