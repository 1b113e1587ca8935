import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { reportSaved } from '../../src/history/savedComparison.js';
import { RunStore } from '../../src/history/store.js';
import { readRunView } from '../../src/vscode/panels/savedRunView.js';
import { sample, savedRun } from './builders/samples.js';

const id = '20260101-000000-aaaaaa';
let home: string;
let store: RunStore;
let source: string;
const events = () => join(source, 'events.ndjson');
const record = () => join(source, 'run.json');

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'c10m-imports-'));
  store = new RunStore(join(home, 'store'));
  const foreign = new RunStore(join(home, 'foreign'));
  const writer = foreign.create(savedRun(id));
  for (const seq of [1, 2, 3]) writer.append(sample({ seq, t: seq * 1_000 }));
  writer.close();
  source = foreign.pathOf(id);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** The text of `run.json` with one number written otherwise. */
function withNumber(name: string, text: string): void {
  writeFileSync(record(), readFileSync(record(), 'utf8').replace(new RegExp(`"${name}": [\\d.]+`), `"${name}": ${text}`));
}

/** Puts something else where a file is. */
function become(path: string, make: (path: string) => void): () => void {
  return () => {
    // The paths are known only when the test runs.
    const place = join(source, path);
    rmSync(place, { force: true });
    make(place);
  };
}
const fifo = (path: string) => execFileSync('mkfifo', [path]);
const link = (path: string) => symlinkSync('/etc/hostname', path);

describe('what is no run is refused in a sentence, and nothing is in the store', () => {
  const cases: [name: string, damage: () => void, message: RegExp][] = [
    ['no directory', () => (source = join(home, 'nowhere')), /nowhere is not a directory/],
    ['a directory without a run', become('run.json', () => undefined), /There is no run\.json in/],
    ['run.json cut off', () => writeFileSync(record(), readFileSync(record(), 'utf8').slice(0, 100)), /is not JSON/],
    ['run.json as a directory', become('run.json', mkdirSync), /run\.json in .* is a directory, not a file; it was not read/],
    ['run.json as a FIFO', become('run.json', fifo), /run\.json in .* is a FIFO, not a file; it was not read/],
    ['run.json as a link', become('run.json', link), /run\.json in .* is a symbolic link, not a file; it was not read/],
    ['a negative count', () => withNumber('server', '-1'), /is not a run: .*server: .*-1/],
    ['a figure that is not finite', () => withNumber('elapsedSeconds', '1e999'), /is not a run: summary\.elapsedSeconds is no finite number/],
    ['run.json of another program', () => writeFileSync(record(), '{"format":7}'), /is not a run: /],
    ['events as a directory', become('events.ndjson', mkdirSync), /events\.ndjson in .* is a directory, not a file; it was not read/],
    ['events as a FIFO', become('events.ndjson', fifo), /events\.ndjson in .* is a FIFO, not a file/],
    ['events as a link', become('events.ndjson', link), /events\.ndjson in .* is a symbolic link, not a file/],
    ['labels as a link', become('labels.json', link), /labels\.json in .* is a symbolic link, not a file; it was not copied/],
  ];
  for (const [name, damage, message] of cases) {
    test(name, { timeout: 10_000 }, async () => {
      damage();
      await assert.rejects(store.importDirectory(source), (error) => error instanceof HumanError && error.code === 'usage' && message.test(error.message));
      assert.deepEqual(existsSync(store.directory) ? readdirSync(store.directory) : [], []);
    });
  }
});

describe('lines that are no events are counted and said, and cost only themselves', () => {
  const line = JSON.stringify(sample({ seq: 9, t: 9_000 }));
  const cases: [name: string, added: string, unreadable: number][] = [
    ['none', '', 0],
    ['a negative count', `${line.replace(/"server":\d+/, '"server":-5')}\n`, 1],
    ['a figure that is not finite', `${line.replace(/"connectRate":\d+/, '"connectRate":1e999')}\n`, 1],
    ['a figure of 400 digits', `${line.replace(/"connectRate":\d+/, `"connectRate":${'9'.repeat(400)}`)}\n`, 1],
    ['no JSON, no object, an unknown type', 'hello\n[1]\n{"type":"party","seq":1,"t":0}\n', 3],
    ['an overlong line', `"${'x'.repeat(5 * 1024 * 1024)}"\n`, 1],
    ['a torn last line', line.slice(0, 50), 1],
    ['empty lines are none', '\n\n', 0],
  ];
  for (const [name, added, unreadable] of cases) {
    test(name, async () => {
      appendFileSync(events(), added);
      const said = `${unreadable} line${unreadable === 1 ? '' : 's'} of events.ndjson could not be read`;
      const { id: imported, notes } = await store.importDirectory(source);
      const { samples, unreadableLines } = await store.samples(imported);
      const report = await reportSaved(store, 'md', [imported]);
      const view = await readRunView(store, imported);
      assert.deepEqual(
        {
          samples: samples.length,
          unreadableLines,
          notes: notes.filter((note) => note.startsWith(said)).length,
          report: report.includes(said),
          view: JSON.stringify(view.entries).includes(said),
        },
        { samples: 3, unreadableLines: unreadable, notes: unreadable === 0 ? 0 : 1, report: unreadable > 0, view: unreadable > 0 },
      );
    });
  }
});

test('only the files of a run are imported and exported, never what a link leads to', async () => {
  writeFileSync(join(source, 'secret'), 'x');
  symlinkSync('/etc', join(source, 'hosts'));
  assert.deepEqual((await store.importDirectory(source)).notes, []);
  assert.deepEqual(readdirSync(store.pathOf(id)).sort(), ['events.ndjson', 'run.json']);
  const exported = join(home, 'exported');
  const kept = store.pathOf(id);
  symlinkSync('/etc/hostname', join(kept, 'labels.json'));
  await assert.rejects(store.exportDirectory(id, exported), /labels\.json in .* is a symbolic link/);
  assert.equal(lstatSync(exported, { throwIfNoEntry: false }), undefined);
  assert.deepEqual(
    readdirSync(home).filter((name) => name.startsWith('.')),
    [],
    'nothing half copied is left',
  );
  unlinkSync(join(kept, 'labels.json'));
  symlinkSync('/etc', join(kept, 'hosts'));
  await store.exportDirectory(id, exported);
  assert.deepEqual(readdirSync(exported).sort(), ['events.ndjson', 'run.json']);
  await assert.rejects(store.exportDirectory(id, exported), /exists already/);
});

test('an import whose id is taken gets another, and sorts by the time of the run', async () => {
  await store.importDirectory(source);
  const { id: second } = await store.importDirectory(source);
  assert.notEqual(second, id);
  assert.equal(store.read(second).id, second);
  assert.equal(store.list().length, 2);
});
