import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { encodeLine } from '../../../src/protocol/lines.js';
import type { SavedRun } from '../../../src/protocol/result.js';
import { RunStore } from '../../../src/history/store.js';
import { screenshot } from '../support/browser.js';
import { syntheticSavedRun } from '../support/syntheticRun.js';
import { selectors } from '../support/workbench.js';
import { Session } from '../support/session.js';

const dayMs = 86_400_000;
/** Runs of three hosts and two days; the id sorts as the time does. */
const seeds = [
  { id: '20261101-100000-aaaaaa', connections: 1_000, host: 'local', daysAgo: 0 },
  { id: '20261101-090000-bbbbbb', connections: 2_000, host: 'alpha.invalid', daysAgo: 1 },
  { id: '20261101-080000-cccccc', connections: 3_000, host: 'beta.invalid', daysAgo: 1 },
] as const;

const session = new Session({
  prepare: (store) => {
    for (const seed of seeds) writeSeed(store, seed);
    mkdirSync(store.pathOf('20261101-070000-dddddd'));
    writeFileSync(join(store.pathOf('20261101-070000-dddddd'), 'run.json'), '{ "torn');
  },
});

function writeSeed(store: RunStore, { id, connections, host, daysAgo }: (typeof seeds)[number]): void {
  const { run, samples } = syntheticSavedRun(id, 1, 5);
  const saved: SavedRun = {
    ...run,
    startedAt: new Date(Date.now() - daysAgo * dayMs).toISOString(),
    spec: { ...run.spec, connections, host, protocol: 'tcp' },
  };
  const writer = store.create(saved);
  for (const sample of samples) writer.append(sample);
  writer.close();
}

/** The events of a seed as its file had them. */
function eventsOf(id: string): string {
  return syntheticSavedRun(id, 1, 5)
    .samples.map((sample) => encodeLine(sample))
    .join('');
}

async function importFrom(folder: string): Promise<void> {
  await session.workbench.runCommand('C10M: Import Run Directory');
  await session.workbench.chooseFolder('Import the directory of a run', 'Import', folder);
}

/** The tree Runs from top to bottom, each row by the beginning of its text. */
async function rows(): Promise<string[]> {
  const texts = await session.workbench.page
    .locator('.sidebar .pane')
    .filter({ has: session.workbench.page.locator('.pane-header .title', { hasText: /^Runs$/ }) })
    .locator('.monaco-list-row[role=treeitem] .label-name')
    .allTextContents();
  return texts;
}

async function expectRows(expected: readonly (string | RegExp)[]): Promise<void> {
  const matches = (found: readonly string[]) =>
    found.length === expected.length &&
    found.every((text, index) => (typeof expected[index] === 'string' ? text === expected[index] : expected[index]!.test(text)));
  let found = await rows();
  for (let attempt = 0; attempt < 50 && !matches(found); attempt++) {
    await session.workbench.page.waitForTimeout(100);
    found = await rows();
  }
  assert.ok(matches(found), `expected ${expected.join(' | ')}, found ${found.join(' | ')}`);
}

const run = (connections: string) => session.workbench.treeRow(`${connections} TCP connections`);
/** A day that is not today, as the tree writes it. */
const anotherDay = /^\w{3}, \w{3} \d+, \d{4}$/;
const byDay = ['Today', '1,000 TCP connections', anotherDay, '2,000 TCP connections', '3,000 TCP connections', 'Not readable', /dddddd$/];

test('the history: groups, pins, tags, names, export, deletion and import', { timeout: 150_000 }, async () => {
  const { page, server, store, window, workbench } = session;
  await session.open();

  await session.step('by day, newest first; what cannot be read comes last and hides nothing', async () => {
    await workbench.openContainer('C10M');
    await expectRows(byDay);
  });
  await session.step('by host, and so after a reload', async () => {
    await workbench.runCommand('C10M: Group Runs by Host');
    const byHost = [
      'alpha.invalid',
      '2,000 TCP connections',
      'beta.invalid',
      '3,000 TCP connections',
      'This machine',
      '1,000 TCP connections',
      'Not readable',
      '20261101-070000-dddddd',
    ];
    await expectRows(byHost);
    await screenshot(page, 'history-by-host');
    await workbench.reload();
    await workbench.openContainer('C10M');
    await expectRows(byHost);
  });

  await session.step('pinned with the button of its row: at the top, in a group of its own', async () => {
    await run('3,000').hover();
    await run('3,000').getByRole('button', { name: 'Pin Run', exact: true }).click();
    await expectRows([
      'Pinned',
      '3,000 TCP connections',
      'alpha.invalid',
      '2,000 TCP connections',
      'This machine',
      '1,000 TCP connections',
      'Not readable',
      /dddddd$/,
    ]);
    assert.equal(store.read(seeds[2].id).pinned, true);
    await run('3,000').hover();
    await run('3,000').getByRole('button', { name: 'Unpin Run', exact: true }).click();
    await workbench.treeRow('Pinned').waitFor({ state: 'detached' });
    await workbench.runCommand('C10M: Group Runs by Day');
    await expectRows(byDay);
  });

  await session.step('two are tagged together, and found by their tag', async () => {
    await run('2,000').click();
    await run('3,000').click({ modifiers: ['Control'] });
    await workbench.chooseInMenu(run('3,000'), 'Tag Run');
    await workbench.quickInputTitled('Words, separated by commas').waitFor();
    await workbench.answer('nightly, slow nightly');
    for (const count of ['2,000', '3,000']) await run(count).filter({ hasText: '#nightly #slow' }).waitFor();
    assert.deepEqual(store.read(seeds[1].id).tags, ['nightly', 'slow']);
    await workbench.runCommand('C10M: Filter Runs');
    await workbench.quickInputTitled('empty shows all').waitFor();
    await workbench.answer('nightly beta');
    await expectRows(['3,000 TCP connections']);
    await page.getByText('Filter: nightly beta (1 of 4)').waitFor();
    await page.locator('.sidebar').getByRole('button', { name: 'Clear Filter' }).click();
    await expectRows(byDay);
  });

  await session.step('renamed by F2: the open dashboard takes the name too', async () => {
    await run('2,000').click();
    await page.locator(selectors.editorTab).filter({ hasText: '2,000 TCP connections' }).waitFor();
    await page.keyboard.press('F2');
    await workbench.quickInputTitled('named after what it did').waitFor();
    await workbench.answer('two thousand');
    await workbench.treeRow('two thousand').waitFor();
    await page.locator(selectors.editorTab).filter({ hasText: 'two thousand' }).waitFor();
    await workbench.webview().getByRole('heading', { name: 'two thousand' }).waitFor();
  });

  const exported = join(server.workspace, `c10m-${seeds[1].id}`);
  await session.step('exported as a directory', async () => {
    await workbench.chooseInMenu(workbench.treeRow('two thousand'), 'Export Run Directory');
    await workbench.chooseFolder('Export the directory of the run', 'Export Here');
    await workbench.inNotificationCenter(`The run was exported to ${exported}`);
    assert.deepEqual(readdirSync(exported).sort(), ['events.ndjson', 'labels.json', 'run.json']);
  });

  await session.step('deleted with all that is selected, and taken back', async () => {
    await workbench.treeRow('two thousand').click();
    await run('3,000').click({ modifiers: ['Control'] });
    await page.keyboard.press('Delete');
    await expectRows(['Today', '1,000 TCP connections', 'Not readable', /dddddd$/]);
    assert.equal(await page.locator(selectors.editorTab).filter({ hasText: 'two thousand' }).count(), 0, 'its dashboard is closed');
    await workbench.inNotificationCenter('2 runs were deleted', 'Undo');
    await run('3,000').waitFor();
    await workbench.treeRow('two thousand').waitFor();
    assert.equal(readFileSync(join(store.pathOf(seeds[1].id), 'events.ndjson'), 'utf8'), eventsOf(seeds[1].id));
  });

  await session.step('imported: under its own id with its name and tags; a second time beside the first', async () => {
    await workbench.treeRow('two thousand').click();
    await page.keyboard.press('Delete');
    await workbench.treeRow('two thousand').waitFor({ state: 'detached' });
    await importFrom(basename(exported));
    await workbench.treeRow('two thousand').filter({ hasText: '#nightly #slow' }).waitFor();
    assert.equal(store.read(seeds[1].id).name, 'two thousand');
    await importFrom(basename(exported));
    await expectRows(['Today', '1,000 TCP connections', anotherDay, 'two thousand', 'two thousand', '3,000 TCP connections', 'Not readable', /dddddd$/]);
    assert.equal(store.list().length, 5);
  });

  await session.step('what is no run is refused in a sentence', async () => {
    mkdirSync(join(server.workspace, 'foreign'));
    await importFrom('foreign');
    await workbench.inNotificationCenter('It is not the directory of a run.');
    assert.equal(store.list().length, 5);
  });

  await session.step('a run that is damaged says so, and can be deleted', async () => {
    const damaged = workbench.treeRow('20261101-070000-dddddd');
    await damaged.filter({ hasText: 'not a run that can be read' }).click();
    await page.keyboard.press('F2');
    await workbench.inNotificationCenter('is not JSON. It was damaged');
    await damaged.click();
    await page.keyboard.press('Delete');
    await damaged.waitFor({ state: 'detached' });
    assert.equal(store.list().length, 4);
  });
  assert.deepEqual(window.foreignRequests, [], 'the page asks nothing outside this machine');
});
