import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { rowOf } from '../../../src/core/figures/sampleColumns.js';
import type { PanelEntry, PanelSnapshot, ToPanel } from '../../../src/protocol/panel.js';
import { screenshot } from '../support/browser.js';
import { DashboardPage } from '../support/dashboardHarness.js';
import { syntheticComparison, syntheticSample, syntheticSavedRun, syntheticSnapshot } from '../support/syntheticRun.js';
import type { ThemeKind } from '../support/themes.js';

const themes: ThemeKind[] = ['vscode-dark', 'vscode-light', 'vscode-high-contrast', 'vscode-high-contrast-light'];
const widths = [380, 900, 1440, 2560];
const seconds = 75;

/** A run whose threshold failed, as it is read from disk. */
function finished(): PanelSnapshot {
  const snapshot = syntheticSnapshot(seconds);
  const { summary } = syntheticSavedRun('20261123-040000-aaaaaa', 1).run;
  const thresholds = [{ expression: 'bytesPerEnd<4000', value: 4_640, passed: false }];
  const phases = [...snapshot.run.phases, { phase: 'finished' as const, t: seconds * 1_000 }];
  return { ...snapshot, run: { ...snapshot.run, link: 'saved', phases, summary: { ...summary!, thresholds } } };
}

/** Elements that are wider than the page or cut what they say, one line each. */
function misfits(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const wrong: string[] = [];
    const root = document.scrollingElement!;
    if (root.scrollWidth > root.clientWidth) wrong.push(`the page scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
    for (const element of document.querySelectorAll<HTMLElement>('#root *')) {
      if (element.closest('.visually-hidden, .u-wrap, .plot, svg') !== null || element.clientWidth === 0) continue;
      const box = element.getBoundingClientRect();
      const name = `${element.tagName.toLowerCase()}.${element.className} "${element.textContent.trim().slice(0, 40)}"`;
      if (box.right > root.clientWidth + 0.5) wrong.push(`${name} ends at ${box.right.toFixed(0)}`);
      if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline')
        wrong.push(`${name} is cut: ${element.scrollWidth} > ${element.clientWidth}`);
    }
    return wrong.slice(0, 12);
  });
}

for (const theme of themes) {
  test(`nothing is cut and nothing scrolls sideways in ${theme}, at ${widths.join(', ')} pixels`, { timeout: 120_000 }, async () => {
    const dashboard = await DashboardPage.open(theme, { width: 1440, height: 900 });
    const { page } = dashboard;
    const wrong: string[] = [];
    try {
      for (const [name, message] of [
        ['running', syntheticSnapshot(seconds)],
        ['finished', finished()],
        ['comparison', syntheticComparison()],
      ] as const) {
        await dashboard.post(message);
        for (const width of widths) {
          await page.setViewportSize({ width, height: 900 });
          await page.locator('canvas').first().waitFor();
          // The charts follow the width in the next frames.
          await page.waitForTimeout(150);
          wrong.push(...(await misfits(page)).map((line) => `${name} at ${width}: ${line}`));
          if (theme === 'vscode-dark' || width === 1440) await screenshot(page, `layout-${name}-${width}-${theme}`);
        }
      }
      assert.deepEqual(wrong, []);
    } finally {
      await dashboard.close();
    }
  });
}

/** Where each chart is, and the first chart's end. */
function places(page: Page): Promise<{ y: number; height: number }[]> {
  return page.locator('c10m-chart').evaluateAll((all) =>
    all.map((chart) => {
      const { y, height } = chart.getBoundingClientRect();
      return { y: Math.round(y + scrollY), height: Math.round(height) };
    }),
  );
}

const order = (seq: number, t: number, text: string): PanelEntry => ({ seq, t, kind: 'order', level: 'info', text });

test('no order moves a chart, and charts are above the fold', { timeout: 120_000 }, async () => {
  for (const width of widths.slice(1)) {
    const dashboard = await DashboardPage.open('vscode-dark', { width, height: 900 });
    const { page } = dashboard;
    try {
      await dashboard.post(syntheticSnapshot(seconds));
      await page.locator('canvas').first().waitFor();
      await page.waitForTimeout(150);
      const before = await places(page);
      assert.ok(before[0]!.y + before[0]!.height <= 900, `at ${width} the first chart ends at ${before[0]!.y + before[0]!.height}`);
      const unmoved = async (what: string) => {
        await page.waitForTimeout(60);
        assert.deepEqual((await places(page)).slice(0, before.length), before, `at ${width}: ${what}`);
      };
      const answer = async (reply: Partial<{ ok: boolean; error: unknown }>) => {
        await page.waitForFunction(() => (globalThis as unknown as { sent: { type: string }[] }).sent.some(({ type }) => type === 'request'));
        const request = (await dashboard.sent()).filter(({ type }) => type === 'request').at(-1) as unknown as { id: number };
        await dashboard.post({ type: 'reply', id: request.id, ok: true, value: null, ...reply } as ToPanel);
      };

      await page.getByRole('textbox', { name: 'Connections', exact: true }).fill('banana');
      await page.getByRole('button', { name: 'Set target' }).click();
      const problem = page.locator('.problem');
      await problem.getByText('"banana" is not a whole number for the target').waitFor();
      const [field, said] = [await page.getByRole('textbox', { name: 'Connections', exact: true }).boundingBox(), await problem.boundingBox()];
      assert.ok(said!.y - (field!.y + field!.height) < 8 && Math.abs(said!.x - field!.x) < 8, 'it is said at its field');
      await unmoved('a mistake');

      await page.getByRole('textbox', { name: 'Connections', exact: true }).fill('50k');
      await page.getByRole('button', { name: 'Set target' }).click();
      await answer({});
      await page.getByText('Accepted.').waitFor();
      await unmoved('an accepted target');

      await page.getByRole('button', { name: 'Send burst' }).click();
      await answer({ ok: false, error: { code: 'usage', message: 'The clients of this run can send nothing.', remedy: 'Start a run without --tls-park.' } });
      await page.getByText('can send nothing').waitFor();
      await unmoved('a refused burst');

      const sample = syntheticSample(seconds);
      sample.byProtocol.websocket!.messagesPerSecond = 50_000;
      sample.byProtocol.websocket!.messagesTotal = 50_000;
      sample.latency = { count: 50_000, p50: 1, p90: 2, p99: 3, p999: 4, max: 5 };
      const entries = [order(10, seconds * 1_000, '1 message of 64 bytes over each connection: accepted')];
      await dashboard.post({ type: 'delta', rows: [rowOf(sample)], entries, run: { last: sample } });
      await page.getByRole('heading', { name: 'Messages' }).waitFor();
      await page.locator('[data-c10m=protocols]').waitFor();
      await unmoved('the first burst');

      await page.getByRole('button', { name: 'Remove all connections…' }).click();
      await page.getByRole('button', { name: 'Keep them' }).waitFor();
      await unmoved('the question');
      const question = await page.getByRole('button', { name: 'Keep them' }).boundingBox();
      const burst = await page.getByRole('button', { name: 'Send burst' }).boundingBox();
      const isApart = question!.x - (burst!.x + burst!.width) >= 20 || question!.y >= burst!.y + burst!.height;
      assert.ok(isApart, 'what removes is apart from what sends');
      await page.getByRole('button', { name: 'Keep them' }).click();

      await dashboard.post({ type: 'delta', rows: [], entries: [], run: { link: 'lost', linkText: 'No answer for 20 s.' } });
      await page.getByText('Link lost, reconnecting').waitFor();
      await unmoved('a lost link');
      await dashboard.post({ type: 'delta', rows: [], entries: [], run: { link: 'live', linkText: '' } });

      const stop = (await page.locator('[data-c10m=stop]').boundingBox())!;
      const stopped = finished();
      await dashboard.post({ type: 'delta', rows: [], entries: [], run: stopped.run });
      await page.getByRole('button', { name: 'Save as profile…' }).waitFor();
      const under = await page.evaluate(({ x, y }) => document.elementFromPoint(x, y)?.closest('button:not(:disabled)')?.textContent ?? null, {
        x: stop.x + stop.width / 2,
        y: stop.y + stop.height / 2,
      });
      assert.equal(under, null, 'a second click on Stop hits nothing');
    } finally {
      await dashboard.close();
    }
  }
});

test('values and marks stand at the pointer, and a chart is enlarged', { timeout: 60_000 }, async () => {
  const snapshot = syntheticSnapshot(seconds);
  snapshot.entries.push(order(4, 30_000, '50,000 connections: accepted'), { seq: 5, t: 20_000, kind: 'phase', level: 'info', text: 'holding' });
  const dashboard = await DashboardPage.open('vscode-dark', { width: 1440, height: 900 });
  const { page } = dashboard;
  try {
    await dashboard.post(snapshot);
    const over = page.locator('c10m-chart .u-over').first();
    await over.waitFor();
    const box = (await over.boundingBox())!;
    const at = (second: number) => page.mouse.move(box.x + (box.width * second) / (seconds - 1), box.y + 40);
    await at(10);
    const pointer = page.locator('.pointer.shown');
    assert.match((await pointer.first().textContent()) ?? '', /^10 s: Server 50,000, Client 50,040, Target 100,000$/);
    await at(30);
    assert.match((await pointer.first().textContent()) ?? '', /\n50,000 connections$/);
    await at(20);
    assert.match((await pointer.first().textContent()) ?? '', /\nholding$/);
    await screenshot(page, 'chart-pointer');
    const small = (await page.locator('c10m-chart').first().boundingBox())!;
    await page.getByRole('button', { name: 'Larger: Connections' }).click();
    await page.waitForFunction((height) => document.querySelector('c10m-chart')!.getBoundingClientRect().height > height + 100, small.height);
    await page.getByRole('button', { name: 'Save CSV of Connections' }).click();
    await page.waitForFunction(() => (globalThis as unknown as { sent: { type: string }[] }).sent.some(({ type }) => type === 'request'));
    const { request } = (await dashboard.sent()).find(({ type }) => type === 'request') as unknown as { request: { name: string; content: string } };
    const lines = request.content.trim().split('\r\n');
    assert.equal(lines[0], 'seconds,"Server (connections)","Client (connections)","Target (connections)"');
    assert.equal(lines[6], '5,25000,25040,100000');
    assert.equal(lines.length, seconds + 1);
  } finally {
    await dashboard.close();
  }
});
