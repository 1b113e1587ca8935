import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { compareWithBaseline, resolveBaseline } from '../../src/cli/baseline.js';
import { runs as runsCommand } from '../../src/cli/runs.js';
import { exitCodes } from '../../src/core/errors.js';
import { reportSaved } from '../../src/history/savedComparison.js';
import { reportFormats, reportText } from '../../src/history/report.js';
import { RunStore } from '../../src/history/store.js';
import { alignedTimes } from '../../media/dashboard/alignedTimes.js';
import { sample, savedRun } from './builders/samples.js';

const directory = mkdtempSync(join(tmpdir(), 'c10m-report-'));
const store = new RunStore(join(directory, 'runs'));
const hostile = '<img src=x onerror="alert(1)"> | "a", b';

before(() => {
  for (const [id, bytesPerEnd] of [
    ['a', 4_400],
    ['b', 9_000],
  ] as const) {
    const writer = store.create(savedRun(id, {}, { bytesPerEnd }));
    for (let second = 0; second < 5; second++) writer.append(sample({ seq: second + 1, t: second * 1_000 }));
    writer.close();
    store.update(id, { name: id === 'b' ? hostile : 'first' });
  }
});
after(() => rmSync(directory, { recursive: true, force: true }));

test('c10m runs export writes what VS Code writes, in each format, for one run and for several', async () => {
  for (const format of reportFormats) {
    for (const ids of [['a'], ['a', 'b']]) {
      const output = join(directory, `${ids.join('-')}.${format}`);
      assert.equal(await runsCommand(['export', ...ids, '--format', format, '--output', output, '--runs', store.directory]), 0);
      assert.equal(readFileSync(output, 'utf8'), await reportSaved(store, format, ids), `${format} of ${ids.join(', ')}`);
      await assert.rejects(runsCommand(['export', ...ids, '--format', format, '--output', output, '--runs', store.directory]), /cannot be written/);
    }
  }
});

test('a report of several runs begins with the verdicts and their noise band', async () => {
  const markdown = await reportSaved(store, 'md', ['a', 'b']);
  assert.match(markdown, /^# Comparison of 2 runs\n\n## Verdicts against the first run\n/);
  assert.match(markdown, /\| Bytes per end \| 4\.40 kB \| 9\.00 kB \(worse, \+104\.5 %\) \| ±3\.0 % assumed \|/);
  assert.doesNotMatch(await reportSaved(store, 'md', ['a']), /Verdicts/);
  assert.match(await reportSaved(store, 'html', ['a', 'b']), /<h2>Verdicts against the first run<\/h2>.*9\.00 kB \(worse, \+104\.5 %\)/s);
});

test('a report is one file that runs nothing and fetches nothing, whatever a run is called', async () => {
  const html = await reportSaved(store, 'html', ['a', 'b']);
  assert.doesNotMatch(html, /<script|<img|<link|https?:|url\(|@import/i);
  assert.match(html, /&lt;img src=x onerror=&quot;alert\(1\)&quot;&gt;/);
  const rows = (await reportSaved(store, 'md', ['a', 'b'])).split('\n').filter((line) => line.includes('onerror') && line.startsWith('|'));
  for (const row of rows) assert.match(row, /\\> \\\| "a"/);
});

test('CSV has one line a sample and as many cells in each; JSON is read back', async () => {
  const lines = (await reportSaved(store, 'csv', ['a', 'b'])).trimEnd().split('\r\n');
  assert.equal(lines.length, 1 + 2 * 5);
  assert.deepEqual([...new Set(lines.map((line) => line.split(',').length))], [lines[0]!.split(',').length]);
  const parsed = JSON.parse(await reportSaved(store, 'json', ['a', 'b'])) as { run: { id: string }; samples: unknown[] }[];
  assert.deepEqual(
    parsed.map(({ run, samples }) => [run.id, samples.length]),
    [
      ['a', 5],
      ['b', 5],
    ],
  );
});

test('runs compare --fail-on-worse exits 99 when a metric got worse, and 0 when it got better or is not asked about', async () => {
  const compare = (...args: string[]) => runsCommand(['compare', ...args, '--json', '--runs', store.directory]);
  assert.deepEqual(
    [
      await compare('a', 'b', '--fail-on-worse'),
      await compare('a', 'b'),
      await compare('b', 'a', '--fail-on-worse'),
      await compare('a', 'b', '--fail-on-worse', '--metric', 'connectRateMean'),
      await compare('a', 'b', '--fail-on-worse', '--metric', 'connectRateMean', '--metric', 'bytesPerEnd'),
    ],
    [exitCodes.thresholdFailed, 0, 0, 0, exitCodes.thresholdFailed],
  );
  await assert.rejects(compare('a', 'b', '--fail-on-worse', '--metric', 'bytesPerEnds'), /--metric is "bytesPerEnds".*bytesPerEnd/);
});

test('a run is judged by its baseline: exit code 99 when a metric is worse; what cannot be compared is said before anything begins', async () => {
  const against = (metrics: string[]) => compareWithBaseline(store, resolveBaseline(store, 'a'), 'b', { metrics, quiet: true });
  assert.deepEqual([await against([]), await against(['bytesPerEnd']), await against(['lost'])], [99, 99, 0]);
  const { summary: _none, ...unfinished } = savedRun('unfinished');
  assert.ok(_none);
  const other = new RunStore(join(directory, 'other'));
  other.create(unfinished).close();
  assert.throws(() => resolveBaseline(other, 'unfinished'), /has no summary.*Nothing was started/);
  assert.throws(() => resolveBaseline(other, 'none'), /There is no run "none"/);
});

test('the report says what makes its figures differ, has its title once, a target line and round ticks, and keeps the peak of a ramp', async () => {
  const peaks = new RunStore(join(directory, 'peaks'));
  for (const id of ['p', 'q']) {
    const run = savedRun(id);
    run.summary!.ledger!.contamination = ['Other programs took 300 MiB meanwhile: left out.'];
    run.summary!.ledger!.reusedSlotBytes = 85 * 1024 ** 2;
    const writer = peaks.create({ ...run, name: `run ${id}` });
    // 4,000 samples, and one of 35,417 connections/s for 20 ms between two others.
    for (let index = 0; index < 4_000; index++)
      writer.append(sample({ seq: index + 1, t: index * 250, connectRate: index === 1_001 ? 35_417 : 100, phase: index < 2_000 ? 'ramping' : 'holding' }));
    writer.append(sample({ seq: 4_001, t: 4_000 * 250 + 20, connectRate: 28_000 }));
    writer.close();
  }
  const html = await reportSaved(peaks, 'html', ['p']);
  assert.match(html, /Other programs took 300 MiB meanwhile/);
  assert.match(html, /Reused free slots.*85\.0? ?MiB|Reused free slots/);
  assert.match(await reportSaved(peaks, 'md', ['p']), /Other programs took 300 MiB meanwhile/);
  assert.equal([...html.matchAll(/<h[12]>TCP on local/g)].length, 1, 'the title once on the page');
  assert.match(html, /Target<\/span>/);
  const chart = /<figcaption>Connect rate<\/figcaption>(.*?)<\/figure>/s.exec(await reportSaved(peaks, 'html', ['p', 'q']))![1]!;
  const lowest = [...chart.matchAll(/<path d="([^"]+)"/g)].map(([, path]) =>
    Math.min(...[...path!.matchAll(/[ML]\S+ (\S+?)(?=[MLh]|$)/g)].map(([, y]) => Number(y))),
  );
  const yOfPeak = 10 + (1 - 1 / 1.05) * (240 - 10 - 28);
  for (const y of lowest) assert.ok(Math.abs(y - yOfPeak) < 1, `${y} is the peak at ${yOfPeak}`);
});

test('a report is hovered: values at their times, and what happened at its moment', async () => {
  const writer = store.create(savedRun('c', {}, {}));
  writer.append({ type: 'phase', phase: 'ramping', seq: 1, t: 0 });
  for (let second = 0; second < 3; second++) writer.append(sample({ seq: second + 2, t: second * 1_000, phase: 'ramping' }));
  writer.append({ type: 'order', order: 'target', text: '<b>500</b> connections', state: 'accepted', seq: 5, t: 1_500 });
  writer.close();
  const html = await reportSaved(store, 'html', ['c']);
  assert.match(html, /<rect class="at"[^>]*><title>2 s: Established \(server\) [\d,]+, /);
  assert.match(html, /<g class="mark"><title>&lt;b&gt;500&lt;\/b&gt; connections<\/title>/);
  assert.match(html, /Events and orders \(\d+\)/);
  assert.doesNotMatch(html, /<script|<b>500/);
});

test('a report of twelve hours stays below 600 kB', () => {
  const samples = Array.from({ length: 43_200 }, (_value, second) =>
    sample({ seq: second + 1, t: second * 1_000, phase: second === 0 ? 'ramping' : 'holding' }),
  );
  const html = reportText('html', [{ run: savedRun('d', {}, {}), samples }]);
  assert.ok(html.length < 600_000, `${html.length} bytes`);
});

test('a shared time axis has the time of each sample', () => {
  assert.deepEqual(
    alignedTimes(
      [
        [0.56, 1.2],
        [-1, 0.56, 1.31, 9],
      ],
      0.5,
      1.5,
    ),
    [0, 0.5, 0.56, 1, 1.2, 1.31, 1.5],
  );
});
