import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { partsName } from '../../src/history/exchange.js';
import { foldFileName } from '../../src/history/foldCache.js';
import { RunStore } from '../../src/history/store.js';
import { readRunView } from '../../src/vscode/panels/savedRunView.js';
import { sample, savedRun } from './builders/samples.js';

let directory: string;
let store: RunStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'c10m-history-'));
  store = new RunStore(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Milliseconds of the processor since the process began: other programs on the machine count less in them than in the time that passes. */
function busyMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

test('ten thousand runs are listed in under a second', (context) => {
  const runs = 10_000;
  for (let index = 0; index < runs; index++) {
    const id = `20260101-000000-${String(index).padStart(6, '0')}`;
    mkdirSync(join(directory, id));
    writeFileSync(join(directory, id, 'run.json'), JSON.stringify(savedRun(id)));
  }
  assert.equal(store.list().length, runs);
  const times = Array.from({ length: 5 }, (_value, index) => {
    // One run is new each time, as after a run.
    store.create(savedRun(`20260102-000000-${index}`)).close();
    const begin = busyMs();
    const entries = store.list();
    const elapsedMs = busyMs() - begin;
    assert.equal(entries.length, runs + index + 1);
    assert.equal(entries[0]?.id, `20260102-000000-${index}`);
    return elapsedMs;
  });
  context.diagnostic(`10,000 runs: listed in ${median(times).toFixed(0)} ms (median of 5), ${Math.max(...times).toFixed(0)} ms at worst`);
  assert.ok(median(times) < 1_000, `${median(times).toFixed(0)} ms`);
});

test('a run of twelve hours whose columns are not kept is read from disk in under a second of processor time', { timeout: 60_000 }, async (context) => {
  const writer = store.create(savedRun('a'));
  for (let second = 0; second < 43_200; second++) writer.append(sample({ seq: second + 1, t: second * 1_000, connectRate: second % 997 }));
  writer.close();
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    rmSync(join(directory, 'a', foldFileName), { force: true });
    const begin = busyMs();
    const { samples, run } = await readRunView(store, 'a');
    times.push(busyMs() - begin);
    assert.equal(samples.length, 43_200);
    assert.equal(samples.columns['connectRate']?.[43_199], 43_199 % 997);
    assert.equal(run.last?.t, 43_199_000);
  }
  context.diagnostic(`43,200 samples: read in ${median(times).toFixed(0)} ms (median of 3), ${Math.max(...times).toFixed(0)} ms at worst`);
  assert.ok(median(times) < 1_000, `${median(times).toFixed(0)} ms`);
});

test('lines that are no events, and a torn last one, cost only themselves', async () => {
  const writer = store.create(savedRun('a'));
  writer.append(sample({ seq: 1 }));
  writer.close();
  const events = join(directory, 'a', 'events.ndjson');
  appendFileSync(events, `not json\n{"type":"sample"}\n[1]\n"sample"\n${JSON.stringify({ ...sample({ seq: 2 }), established: { server: -1, client: 0 } })}\n`);
  appendFileSync(events, `${JSON.stringify(sample({ seq: 3, t: 9_000 }))}\n{"type":"sam`);
  const seqs: number[] = [];
  const { unreadableLines } = await store.eachEvent('a', ({ seq }) => seqs.push(seq));
  assert.deepEqual([seqs, unreadableLines], [[1, 3], 6]);
});

test('a sample of an older version is read, without what that version did not count', async () => {
  store.create(savedRun('a')).close();
  const latency = { count: 10, p50: 1, p90: 2, p99: 3, p999: 4, max: 5 };
  appendFileSync(join(directory, 'a', 'events.ndjson'), `${JSON.stringify({ ...sample({ latency }), messagesLost: 3 })}\n`);
  const [first] = (await store.samples('a')).samples;
  assert.deepEqual([first?.latency, first?.byProtocol.tcp?.messages], [latency, undefined]);
});

describe('a run is deleted only when nobody writes it any more', () => {
  const cases: [string, { hasEnd: boolean; silentSeconds: number; damaged?: boolean }, boolean][] = [
    ['ended', { hasEnd: true, silentSeconds: 0 }, true],
    ['going on', { hasEnd: false, silentSeconds: 1 }, false],
    ['going on, with a sample a minute', { hasEnd: false, silentSeconds: 62 }, false],
    ['left without an end', { hasEnd: false, silentSeconds: 120 }, true],
    ['damaged', { hasEnd: false, silentSeconds: 1, damaged: true }, true],
  ];
  for (const [index, [title, { hasEnd, silentSeconds, damaged = false }, isDeleted]] of cases.entries()) {
    test(title, () => {
      const id = `20260103-000000-00000${index}`;
      const { summary: end, ...open } = savedRun(id);
      const writer = store.create(hasEnd ? { ...open, ...(end === undefined ? {} : { summary: end }) } : open);
      writer.append(sample({ seq: 1 }));
      writer.close();
      if (damaged) writeFileSync(join(directory, id, 'run.json'), '{');
      const lastWrite = Date.now() / 1000 - silentSeconds;
      utimesSync(join(directory, id, 'events.ndjson'), lastWrite, lastWrite);
      if (isDeleted) store.remove(id);
      else assert.throws(() => store.remove(id), /still going on.*not deleted/);
      assert.equal(existsSync(join(directory, id)), !isDeleted);
    });
  }
});

test('a run over several hosts keeps its parts through export and import, and a damaged part costs only itself', async () => {
  const id = '20260101-000000-aaaaaa';
  const whole = store.create(savedRun(id));
  whole.append(sample({ seq: 1 }));
  whole.close();
  const parts = new RunStore(join(directory, id, partsName));
  for (const part of [`${id}-server`, `${id}-client1`]) {
    const writer = parts.create(savedRun(part));
    writer.append(sample({ seq: 1 }));
    writer.close();
  }
  mkdirSync(join(directory, id, partsName, 'damaged'));
  writeFileSync(join(directory, id, partsName, 'damaged', 'run.json'), '{');
  const exported = join(directory, '..', `${id}-exported-${process.pid}`);
  await store.exportDirectory(id, exported);
  try {
    store.remove(id);
    const { id: kept, notes } = await store.importDirectory(exported);
    assert.equal(kept, id);
    assert.deepEqual(notes.length, 1);
    assert.match(notes[0]!, /^The part damaged was left out: run\.json in .* is not JSON\.$/);
    const imported = new RunStore(join(directory, id, partsName));
    assert.deepEqual(
      imported
        .list()
        .map((entry) => entry.id)
        .sort(),
      [`${id}-client1`, `${id}-server`],
    );
    assert.equal((await imported.samples(`${id}-server`)).samples.length, 1);
  } finally {
    rmSync(exported, { recursive: true, force: true });
  }
});
