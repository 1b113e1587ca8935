import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, test } from 'node:test';
import { useTexts } from '../../src/core/texts.js';
import { foldFileName } from '../../src/history/foldCache.js';
import { RunRecording } from '../../src/history/recording.js';
import { RunStore } from '../../src/history/store.js';
import type { RunEvent } from '../../src/protocol/events.js';
import { RunRecord } from '../../src/run/runRecord.js';
import { readRunView } from '../../src/vscode/panels/savedRunView.js';
import { sample, savedRun, summary } from './builders/samples.js';
import type { Cost } from './support/longRunMemory.js';

let directory: string;
let store: RunStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'c10m-fold-'));
  store = new RunStore(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const file = (name: string) => join(directory, 'a', name);
const eventsOf = (samples: number): RunEvent[] => [
  { type: 'phase', seq: 1, t: 0, phase: 'probing' },
  { type: 'log', seq: 2, t: 1, level: 'warn', text: 'a neighbour is busy' },
  ...Array.from({ length: samples }, (_value, index) => sample({ seq: index + 3, t: index * 1_000, connectRate: index % 997 })),
  { type: 'wall', seq: samples + 3, t: samples * 1_000, wall: { id: 'cpu', title: 'All cores are busy', at: 5, evidence: 'busy', remedy: 'none' } },
  { type: 'summary', seq: samples + 4, t: samples * 1_000 + 1, summary: summary() },
];

/** A run as it is recorded while it goes on, to its end. */
function record(samples = 5): void {
  const { id, spec, startedAt, c10mVersion } = savedRun('a');
  const run = new RunRecord(id, spec);
  run.saveIn(RunRecording.begin(store, { id, spec, startedAt, version: c10mVersion }));
  for (const event of eventsOf(samples)) run.accept(event);
  run.close();
}

/** The run's events cannot be read any more, but look as they did. */
function hideEvents(): void {
  const { size, atime, mtime } = statSync(file('events.ndjson'));
  writeFileSync(file('events.ndjson'), 'x'.repeat(size));
  utimesSync(file('events.ndjson'), atime, mtime);
  // Not all file systems keep all digits: what is set is what counts.
  const kept = readFileSync(file(foldFileName));
  const header = kept.indexOf(10);
  const line = kept.toString('utf8', 0, header).replace(/"mtimeMs":[\d.]+/, `"mtimeMs":${statSync(file('events.ndjson')).mtimeMs}`);
  writeFileSync(file(foldFileName), Buffer.concat([Buffer.from(line.trimEnd().padEnd(header, ' ')), kept.subarray(header)]));
}

describe('what the events of a run come to', () => {
  it('is kept when the run ends, and shown without its events, the same in each figure', async () => {
    record();
    const kept = await readRunView(store, 'a');
    rmSync(file(foldFileName));
    assert.deepEqual(await readRunView(store, 'a'), kept);
    hideEvents();
    assert.deepEqual(await readRunView(store, 'a'), kept);
    assert.deepEqual(
      [kept.samples.length, kept.run.last?.t, kept.run.walls.map(({ id }) => id), kept.run.phases.length, kept.entries.length],
      [5, 4_000, ['cpu'], 1, 3],
    );
  });

  const changes: [name: string, change: () => void, samples: number][] = [
    ['there are more events', () => appendFileSync(file('events.ndjson'), `${JSON.stringify(sample({ seq: 99, t: 9_000 }))}\n`), 6],
    ['the events were written at another time', () => utimesSync(file('events.ndjson'), new Date(), new Date(0)), 5],
    ['it is torn', () => truncateSync(file(foldFileName), statSync(file(foldFileName)).size - 4), 5],
    ['it is empty', () => truncateSync(file(foldFileName), 0), 5],
    ['it is something else', () => writeFileSync(file(foldFileName), '{"format":1}\nnumbers'), 5],
    ['it was made by another version', () => editHeader(/"madeBy":"[^"]*"/, '"madeBy":"0.0.1"'), 5],
    ['it claims more rows than it has', () => editHeader(/"rows":5/, '"rows":9'), 5],
  ];
  function editHeader(what: RegExp, by: string): void {
    writeFileSync(file(foldFileName), Buffer.from(readFileSync(file(foldFileName)).toString('latin1').replace(what, by), 'latin1'));
  }
  for (const [name, change, samples] of changes) {
    it(`is made anew when ${name}`, async () => {
      record();
      change();
      assert.equal((await readRunView(store, 'a')).samples.length, samples);
      hideEvents();
      assert.equal((await readRunView(store, 'a')).samples.length, samples, 'and kept again');
    });
  }

  it('is made anew in another language', async () => {
    record();
    useTexts({ '{0} at {1}: {2}': '{0} bei {1}: {2}' }, 'de');
    try {
      assert.ok((await readRunView(store, 'a')).entries.some(({ text }) => text.includes(' bei ')));
    } finally {
      useTexts({});
    }
  });

  it('is not kept of a run that goes on', async () => {
    const { id, spec, startedAt, c10mVersion } = savedRun('a');
    const writer = store.create({ format: 1, id, spec, startedAt, c10mVersion });
    writer.append(sample({ seq: 1 }));
    writer.close();
    await readRunView(store, 'a');
    assert.equal(existsSync(file(foldFileName)), false);
  });

  it('stays here when the run is exported', async () => {
    record();
    await store.exportDirectory('a', join(directory, 'copy'));
    assert.equal(existsSync(join(directory, 'copy', foldFileName)), false);
  });
});

function busyMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

test('a run of twelve hours that was followed to its end opens in a tenth of what parsing its lines takes', { timeout: 60_000 }, async (context) => {
  record(43_200);
  const ratios: number[] = [];
  for (let round = 0; round < 3; round++) {
    const parsing = busyMs();
    for (const line of readFileSync(file('events.ndjson'), 'utf8').split('\n')) if (line !== '') JSON.parse(line);
    const opening = busyMs();
    assert.equal((await readRunView(store, 'a')).samples.length, 43_200);
    const openedMs = busyMs() - opening;
    context.diagnostic(`opened in ${openedMs.toFixed(0)} ms, parsed in ${(opening - parsing).toFixed(0)} ms of processor time`);
    ratios.push(openedMs / (opening - parsing));
  }
  assert.ok(Math.min(...ratios) < 0.1, `${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} times the parsing`);
});

/** V8's space for new objects grows to 48 MB wherever much is read, and is the host's own: held small, so that what is measured is the run's. */
const nodeOptions = ['--expose-gc', '--max-semi-space-size=1', '--import', 'tsx'];

test('a run of twelve hours costs less than 40 MB: to follow it, to open it, and to open it anew', { timeout: 120_000 }, (context) => {
  const cost = (what: string): Cost =>
    JSON.parse(
      execFileSync(process.execPath, [...nodeOptions, join(import.meta.dirname, 'support', 'longRunMemory.ts'), what, directory], { encoding: 'utf8' }),
    ) as Cost;
  const costs: Record<string, Cost> = { live: cost('live'), opened: cost('open') };
  rmSync(join(directory, '20261123-040000-aaaaaa', foldFileName));
  costs['openedAnew'] = cost('open');
  for (const [name, { held, peak }] of Object.entries(costs)) {
    context.diagnostic(`${name}: ${(held / 1e6).toFixed(1)} MB held, ${(peak / 1e6).toFixed(1)} MB at most`);
    assert.ok(held < 25e6 && peak < 40e6, `${name}: ${(held / 1e6).toFixed(1)} MB held, ${(peak / 1e6).toFixed(1)} MB at most`);
  }
});
