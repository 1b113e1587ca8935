import assert from 'node:assert/strict';
import { test } from 'node:test';
import { screenshot } from '../support/browser.js';
import { selectors } from '../support/workbench.js';
import { Session } from '../support/session.js';

const profile = (fields: object) => `${JSON.stringify({ connections: 300, protocol: 'tcp', hold: '1s', ...fields }, undefined, 2)}\n`;
const files = {
  'a-passes.c10m.json': profile({ thresholds: ['failed==0', 'established>=300'] }),
  'b-fails.c10m.json': profile({ thresholds: ['failed==0', 'established>5000'] }),
  'e-tests-nothing.c10m.json': profile({}),
};
const session = new Session({ files });

test('profiles in the Test Explorer: pass and fail', { timeout: 120_000 }, async () => {
  const { page, store, window, workbench } = session;
  await session.open();
  const item = (name: string) => page.locator('.test-explorer .monaco-list-row').filter({ hasText: name });
  const state = (name: string, icon: string) => item(name).locator(`.computed-state.codicon-${icon}`).first();
  const run = async (name: string) => {
    await item(name).click();
    await item(name).hover();
    await item(name).getByRole('button', { name: 'Run Test' }).first().click();
  };

  await session.step('those with thresholds are listed', async () => {
    await workbench.runCommand('Testing: Focus on Test Explorer View');
    for (const name of ['a-passes', 'b-fails']) await item(name).first().waitFor({ timeout: 40_000 });
    assert.equal(await item('e-tests-nothing').count(), 0);
  });

  await session.step('one that holds passes', async () => {
    await run('a-passes');
    await state('a-passes', 'testing-passed-icon').waitFor({ timeout: 40_000 });
  });

  await session.step('one that does not fails, with what was expected, what it was, and where', async () => {
    await run('b-fails');
    await state('b-fails', 'testing-failed-icon').waitFor({ timeout: 40_000 });
    // The message stands at the threshold in the profile.
    await workbench.openFile('b-fails.c10m.json');
    await page
      .locator('.monaco-list-row')
      .filter({ hasText: /established>5000: it is 300/ })
      .first()
      .waitFor();
    await screenshot(page, 'test-explorer');
  });

  assert.deepEqual(
    store
      .list()
      .map(({ name, result }) => `${name}: ${result}`)
      .sort(),
    ['a-passes: passed', 'b-fails: thresholdFailed'],
  );
  assert.equal(await page.locator(selectors.dialog).count(), 0, 'nobody was asked');
  assert.deepEqual(window.foreignRequests, [], 'the page asks nothing outside this machine');
});
