import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { planRun } from '../../src/core/plan/plan.js';
import { profileTextOf } from '../../src/core/profile.js';
import { compareSaved, reportSaved } from '../../src/history/savedComparison.js';
import { RunStore } from '../../src/history/store.js';
import { readRunView } from '../../src/vscode/panels/savedRunView.js';

const fixtures = join(import.meta.dirname, 'fixtures', 'savedBy010');
const directory = mkdtempSync(join(tmpdir(), 'c10m-saved-by-010-'));
after(() => rmSync(directory, { recursive: true, force: true }));
cpSync(fixtures, directory, { recursive: true });
const store = new RunStore(directory);
const ids = readdirSync(fixtures).sort();

/** Real runs of 300 connections, by the first command line that could and by the last build before labels left `run.json`. */
describe('runs saved by 0.1.0', () => {
  it('are listed with how they ended', () => {
    assert.deepEqual(
      store.list().map(({ id, state, verdict, established }) => [id, state, verdict, established]),
      [...ids].reverse().map((id) => [id, 'ok', 'finished', 300]),
    );
  });

  for (const id of ids) {
    it(`${id} opens with all of its samples, now and from what is kept beside it`, async () => {
      const lines = readFileSync(join(fixtures, id, 'events.ndjson'), 'utf8').split('\n');
      const samples = lines.filter((line) => line.includes('"type":"sample"')).length;
      for (const time of ['first', 'second']) {
        const { run, samples: columns, entries } = await readRunView(store, id);
        assert.equal(columns.length, samples, time);
        assert.equal(Math.max(...columns.columns['establishedServer']!), 300);
        assert.equal(run.summary?.verdict, 'finished');
        assert.equal(entries.filter(({ text }) => text.includes('could not be read')).length, 0, 'no line is lost');
      }
    });

    it(`${id} can be repeated: its spec is planned, and written as a profile`, () => {
      const { spec, facts } = store.read(id);
      assert.equal(planRun(spec, facts!).connections, 300);
      assert.match(profileTextOf(spec), /"connections": 300/);
    });

    it(`${id} keeps the labels that it was given then`, () => {
      const path = join(directory, id, 'run.json');
      const saved = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...saved, name: 'nightly', tags: ['a', 'b'], pinned: true }));
      const { name, tags, pinned } = store.read(id);
      assert.deepEqual([name, tags, pinned], ['nightly', ['a', 'b'], true]);
    });
  }

  it('are compared, and reported in each format', async () => {
    const { comparison, notes } = await compareSaved(store, ids);
    assert.deepEqual([comparison.runs.length, notes], [2, []]);
    assert.ok(comparison.metrics.some(({ id }) => id === 'established'));
    for (const format of ['html', 'md', 'csv', 'json'] as const) assert.ok((await reportSaved(store, format, ids)).length > 500, format);
  });
});
