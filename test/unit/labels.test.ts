import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { RunStore } from '../../src/history/store.js';
import type { RunFile } from '../../src/protocol/result.js';
import { savedRun } from './builders/samples.js';

const id = '20260101-000000-aaaaaa';
let directory: string;
let store: RunStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'c10m-labels-'));
  store = new RunStore(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const fileOf = (name: string) => join(store.pathOf(id), name);
const labelsOf = () => {
  const { name, tags, pinned } = store.read(id);
  return { name, tags, pinned };
};

/** As version 0.1.0 wrote it: the labels in `run.json`. */
function writeOldRun(): RunFile {
  const run = { ...savedRun(id), name: 'old name', tags: ['a', 'b'], pinned: true };
  store.create(run).close();
  writeFileSync(fileOf('run.json'), JSON.stringify(run));
  return run;
}

test('labels are kept apart from the run, and the run does not write over them', () => {
  const { summary, ...open } = savedRun(id, { name: 'of the spec' });
  const writer = store.create(open);
  assert.deepEqual(labelsOf(), { name: 'of the spec', tags: [], pinned: false });
  const before = readFileSync(fileOf('run.json'), 'utf8');
  store.update(id, { name: ' mine ', tags: ['x'], pinned: true });
  assert.equal(readFileSync(fileOf('run.json'), 'utf8'), before, 'run.json is as it was');
  writer.save({ ...open, ...(summary === undefined ? {} : { summary }) });
  writer.close();
  assert.deepEqual(labelsOf(), { name: 'mine', tags: ['x'], pinned: true });
  assert.notEqual(store.read(id).summary, undefined);
  for (const label of ['"name": "mine"', '"tags"', '"pinned"']) assert.equal(readFileSync(fileOf('run.json'), 'utf8').includes(label), false, label);
});

describe('a name', () => {
  const cases: [change: string | undefined, shown: string | undefined][] = [
    ['mine', 'mine'],
    [undefined, undefined],
    ['  ', undefined],
  ];
  for (const [change, shown] of cases)
    test(`${JSON.stringify(change)} over that of the spec`, () => {
      store.create(savedRun(id, { name: 'of the spec' })).close();
      assert.equal(store.update(id, { name: change }).name, shown);
      assert.deepEqual(labelsOf(), { name: shown, tags: [], pinned: false });
      // What is not mentioned stays.
      assert.deepEqual(store.update(id, { pinned: true }).name, shown);
    });
});

test('a run of 0.1.0 opens with its labels, changes them, and keeps them when it is written again', () => {
  const run = writeOldRun();
  assert.deepEqual(labelsOf(), { name: 'old name', tags: ['a', 'b'], pinned: true });
  assert.deepEqual(store.list()[0]?.tags, ['a', 'b']);
  const record: RunFile = { ...run };
  delete record.name;
  delete record.tags;
  delete record.pinned;
  store.create(record).close();
  assert.deepEqual(labelsOf(), { name: 'old name', tags: ['a', 'b'], pinned: true });
  store.update(id, { tags: [] });
  assert.deepEqual(labelsOf(), { name: 'old name', tags: [], pinned: true });
});

test('the list shows changed labels at once, without run.json being read for the others', () => {
  store.create(savedRun(id)).close();
  assert.equal(store.list()[0]?.pinned, false);
  store.update(id, { pinned: true });
  assert.equal(store.list()[0]?.pinned, true);
});

test('labels that are damaged count as none', () => {
  store.create(savedRun(id)).close();
  writeFileSync(fileOf('labels.json'), '{"format":1,"tags":7}');
  assert.deepEqual(labelsOf(), { name: undefined, tags: [], pinned: false });
  store.update(id, { tags: ['again'] });
  assert.deepEqual(labelsOf(), { name: undefined, tags: ['again'], pinned: false });
});

test('labels travel with an export', async () => {
  store.create(savedRun(id)).close();
  store.update(id, { name: 'mine', tags: ['x'] });
  const exported = join(directory, 'exported');
  await store.exportDirectory(id, exported);
  const other = new RunStore(join(directory, 'other'));
  await other.importDirectory(exported);
  assert.deepEqual([other.read(id).name, other.read(id).tags], ['mine', ['x']]);
});
