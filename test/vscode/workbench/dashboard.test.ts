import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { rowOf } from '../../../src/core/figures/sampleColumns.js';
import { reportText } from '../../../src/history/report.js';
import { RunRecording } from '../../../src/history/recording.js';
import { RunStore } from '../../../src/history/store.js';
import type { ToPanel } from '../../../src/protocol/panel.js';
import { RunRecord } from '../../../src/run/runRecord.js';
import { readRunView } from '../../../src/vscode/panels/savedRunView.js';
import { screenshot } from '../support/browser.js';
import { repository } from '../support/codeServer.js';
import { DashboardPage } from '../support/dashboardHarness.js';
import { syntheticComparison, syntheticSample, syntheticSavedRun, syntheticSnapshot } from '../support/syntheticRun.js';
import type { ThemeKind } from '../support/themes.js';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const themes: ThemeKind[] = ['vscode-dark', 'vscode-light', 'vscode-high-contrast', 'vscode-high-contrast-light'];

/** Runs `action` on an open dashboard and closes it whatever happens. */
async function withDashboard(theme: ThemeKind, message: ToPanel, action: (dashboard: DashboardPage) => Promise<void>): Promise<void> {
  const dashboard = await DashboardPage.open(theme);
  try {
    await dashboard.post(message);
    await dashboard.page.locator('canvas').first().waitFor();
    await action(dashboard);
  } finally {
    await dashboard.close();
  }
}

/** Violations of axe-core, one line each. The policy of the page forbids inline scripts, so axe is evaluated, not inserted. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
    const result = await axe.run();
    return result.violations.flatMap((violation) =>
      violation.nodes.slice(0, 3).map((node) => `${violation.id}: ${node.html.slice(0, 120)} ${(node.failureSummary ?? '').slice(0, 200)}`),
    );
  });
}

for (const theme of themes) {
  test(`dashboard and comparison in ${theme}: no violation of axe-core`, { timeout: 60_000 }, async () => {
    await withDashboard(theme, syntheticSnapshot(30), async ({ page }) => {
      await page.locator('details').evaluateAll((all) => all.forEach((details) => details.setAttribute('open', '')));
      assert.deepEqual(await violations(page), []);
      await page.setViewportSize({ width: 1280, height: 1900 });
      await screenshot(page, `dashboard-${theme}`);
    });
    await withDashboard(theme, syntheticComparison(), async ({ page }) => {
      assert.deepEqual(await violations(page), []);
      await page.setViewportSize({ width: 1280, height: 1700 });
      await screenshot(page, `comparison-${theme}`);
    });
  });
}

test('the report is one file without network and without violation of axe-core', { timeout: 60_000 }, async () => {
  const directory = join(repository, 'test-results');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'report.html');
  writeFileSync(path, reportText('html', [syntheticSavedRun('20261123-040000-aaaaaa', 1), syntheticSavedRun('20261123-050000-bbbbbb', 1.5)]));
  const dashboard = await DashboardPage.open('vscode-light');
  try {
    const { page } = dashboard;
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith('file:') && !request.url().startsWith('data:')) foreign.push(request.url());
    });
    await page.goto(`file://${path}`);
    assert.deepEqual(foreign, []);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, 'report-light');
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.deepEqual(await violations(page), []);
    await screenshot(page, 'report-dark');
  } finally {
    await dashboard.close();
  }
});

/** Posts a snapshot and returns how long it took until all charts were drawn. */
async function drawn(dashboard: DashboardPage, snapshot: ToPanel): Promise<number> {
  const { page } = dashboard;
  await page.evaluate(() => {
    const state = globalThis as unknown as { openedMs?: number; postedAt?: number };
    const look = (): void => {
      // The frame after the one in which all charts are there has been drawn.
      if (document.querySelectorAll('canvas').length >= 5) requestAnimationFrame(() => (state.openedMs = performance.now() - state.postedAt!));
      else requestAnimationFrame(look);
    };
    look();
  });
  await dashboard.post(snapshot);
  await page.waitForFunction(() => (globalThis as unknown as { openedMs?: number }).openedMs !== undefined, undefined, { timeout: 20_000 });
  return page.evaluate(() => (globalThis as unknown as { openedMs: number }).openedMs);
}

/** Measured: 0.5; a run that is read anew, a fold that copies what it has, or a chart that draws each point, takes several times more. */
const openedInParses = 1.5;

test('a run of 12 hours that was followed to its end opens in less than what parsing its lines takes', { timeout: 90_000 }, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-twelve-hours-'));
  try {
    const store = new RunStore(directory);
    const { run } = syntheticSavedRun('20261123-040000-aaaaaa', 1);
    const record = new RunRecord(run.id, run.spec);
    record.saveIn(RunRecording.begin(store, { id: run.id, spec: run.spec, startedAt: run.startedAt, version: run.c10mVersion }));
    for (let second = 0; second < 43_200; second++) record.accept(syntheticSample(second, 600));
    record.accept({ type: 'summary', seq: 43_201, t: 43_200_000, summary: run.summary! });
    record.close();
    const rounds: { readMs: number; drawnMs: number; parsedMs: number }[] = [];
    for (let round = 0; round < 3; round++) {
      const dashboard = await DashboardPage.open('vscode-dark');
      try {
        const parsing = performance.now();
        for (const line of readFileSync(join(store.pathOf(run.id), 'events.ndjson'), 'utf8').split('\n')) if (line !== '') JSON.parse(line);
        const begin = performance.now();
        const parsedMs = begin - parsing;
        const view = await readRunView(store, run.id);
        const readMs = performance.now() - begin;
        assert.equal(view.samples.length, 43_200);
        rounds.push({ readMs, parsedMs, drawnMs: await drawn(dashboard, { type: 'snapshot', texts: {}, ...view }) });
      } finally {
        await dashboard.close();
      }
    }
    // A ratio of the same round: an absolute time says what else the machine does.
    const ratios = rounds.map(({ readMs, drawnMs, parsedMs }) => (readMs + drawnMs) / parsedMs).sort((a, b) => a - b);
    context.diagnostic(
      rounds
        .map(({ readMs, drawnMs, parsedMs }) => `parsed in ${parsedMs.toFixed(0)} ms, read in ${readMs.toFixed(0)} ms, drawn in ${drawnMs.toFixed(0)} ms`)
        .join('; '),
    );
    assert.ok(ratios[1]! < openedInParses, `${ratios[1]!.toFixed(1)} times the parsing (median of 3)`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('12 hours of samples open in under 1 s, and no frame takes 50 ms while streaming', { timeout: 90_000 }, async (context) => {
  const seconds = 43_200;
  const snapshot = syntheticSnapshot(seconds, 600);
  const dashboard = await DashboardPage.open('vscode-dark');
  try {
    const { page } = dashboard;
    const openedMs = await drawn(dashboard, snapshot);
    // The machine may be busy with something else for a moment: the best of four measurements counts.
    let worst = { longestFrameMs: Number.POSITIVE_INFINITY, longTasks: Number.POSITIVE_INFINITY };
    for (let attempt = 0; attempt < 4 && worst.longestFrameMs >= 50; attempt++) {
      await page.waitForTimeout(500);
      await page.evaluate(() => {
        const state = globalThis as unknown as { frames: number[]; longTasks: number[]; observer?: PerformanceObserver };
        state.frames = [];
        state.longTasks = [];
        state.observer?.disconnect();
        state.observer = new PerformanceObserver((list) => state.longTasks.push(...list.getEntries().map((entry) => entry.duration)));
        state.observer.observe({ entryTypes: ['longtask'] });
        const { frames } = state;
        let before = performance.now();
        const frame = (now: number): void => {
          frames.push(now - before);
          before = now;
          if (frames === state.frames) requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      });
      for (let index = 0; index < 20; index++) {
        const sample = syntheticSample(seconds + attempt * 20 + index, 600);
        await dashboard.post({ type: 'delta', rows: [rowOf(sample)], entries: [], run: { last: sample } });
        await page.waitForTimeout(200);
      }
      const measured = await page.evaluate(() => {
        const { frames, longTasks } = globalThis as unknown as { frames: number[]; longTasks: number[] };
        return { longestFrameMs: Math.max(...frames.slice(2)), longTasks: longTasks.length };
      });
      if (measured.longestFrameMs < worst.longestFrameMs) worst = measured;
    }
    context.diagnostic(
      `43,200 samples: drawn after ${openedMs.toFixed(0)} ms, longest frame while streaming ${worst.longestFrameMs.toFixed(0)} ms, ${worst.longTasks} long tasks`,
    );
    assert.ok(openedMs < 1000, `opened in ${openedMs.toFixed(0)} ms`);
    assert.ok(worst.longestFrameMs < 50, `longest frame ${worst.longestFrameMs.toFixed(0)} ms`);
  } finally {
    await dashboard.close();
  }
});

test('mouse and keyboard: zoom, reset, values, series, table, orders', { timeout: 60_000 }, async () => {
  await withDashboard('vscode-dark', syntheticSnapshot(120), async (dashboard) => {
    const { page } = dashboard;
    const plot = page.locator('.plot').first();
    const box = (await plot.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.4, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.getByRole('button', { name: /Reset zoom/ }).waitFor();
    await plot.focus();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /Reset zoom/ }).waitFor({ state: 'detached' });
    await page.keyboard.press('Home');
    assert.match((await plot.getAttribute('aria-valuetext')) ?? '', /^0 s: Server 0/);
    for (let step = 0; step < 5; step++) await page.keyboard.press('ArrowRight');
    assert.match((await plot.getAttribute('aria-valuetext')) ?? '', /^5 s: Server 25,000/);
    await page.keyboard.press('+');
    await page.getByRole('button', { name: /Reset zoom/ }).waitFor();
    assert.match((await plot.getAttribute('aria-valuetext')) ?? '', /^5 s: Server 25,000/, 'a zoom keeps the place of the reader');
    await page.locator('.legend button', { hasText: 'Client' }).first().click();
    assert.equal(await page.locator('.legend button[aria-pressed=false]').count(), 1);
    await page.locator('.chart details summary').first().click();
    await page.locator('.chart table').first().waitFor();

    await page.getByRole('textbox', { name: 'Connections' }).fill('-5');
    await page.getByRole('button', { name: 'Set target' }).click();
    await page.getByText('must not be negative').waitFor();
    await page.getByRole('textbox', { name: 'Connections' }).fill('2k');
    await page.getByRole('button', { name: 'Set target' }).click();
    await page.waitForFunction(() => (globalThis as unknown as { sent: { type: string }[] }).sent.some((message) => message.type === 'request'));
    const requests = (await dashboard.sent()).filter((message) => message.type === 'request') as unknown as { id: number; request: unknown }[];
    assert.deepEqual(
      requests.map(({ request }) => request),
      [{ name: 'set', target: 2000 }],
    );
    await dashboard.post({ type: 'reply', id: requests[0]!.id, ok: false, error: { code: 'usage', message: 'No more than 1,000.', remedy: 'Ask for less.' } });
    await page.getByText('No more than 1,000. Ask for less.').waitFor();
    assert.equal(
      (await dashboard.sent()).some((message) => message.type === 'failure'),
      false,
    );
  });
});

/** Width and number of colours of a PNG, as the browser decodes it. */
async function look(page: Page, base64: string): Promise<{ width: number; height: number; colors: number }> {
  return page.evaluate(async (data) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d')!;
    context.drawImage(image, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
    return { width: image.width, height: image.height, colors: new Set(pixels).size };
  }, base64);
}

test('a chart is copied as PNG with title, curves and legend; without the clipboard it is saved', { timeout: 90_000 }, async () => {
  const directory = join(repository, 'test-results', 'screenshots');
  mkdirSync(directory, { recursive: true });
  await withDashboard('vscode-light', syntheticComparison(), async ({ page }) => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy PNG of Established (server)' }).click();
    await page.locator('.notice').getByText('The image is on the clipboard.').waitFor();
    const copied = await page.evaluate(async () => {
      const [item] = await navigator.clipboard.read();
      const bytes = new Uint8Array(await (await item!.getType('image/png')).arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    });
    writeFileSync(join(directory, 'chart-copied.png'), Buffer.from(copied, 'base64'));
    const { width, height, colors } = await look(page, copied);
    assert.ok(width > 400 && height > 200, `${width} × ${height}`);
    assert.ok(colors > 10, `${colors} colours: not empty`);
  });
  await withDashboard('vscode-dark', syntheticSnapshot(60), async (dashboard) => {
    const { page } = dashboard;
    await page.context().clearPermissions();
    await page.evaluate(() => {
      // As a webview without the focus or the permission has it.
      navigator.clipboard.write = () => Promise.reject(new DOMException('denied', 'NotAllowedError'));
    });
    await page.getByRole('button', { name: 'Copy PNG of Memory' }).click();
    await page.waitForFunction(() => (globalThis as unknown as { sent: { type: string }[] }).sent.some((message) => message.type === 'request'));
    const [message] = (await dashboard.sent()).filter(({ type }) => type === 'request') as unknown as {
      id: number;
      request: { name: string; fileName: string; base64: string };
    }[];
    assert.equal(message!.request.name, 'saveImage');
    assert.equal(message!.request.fileName, '01K0000000-ledger.png');
    writeFileSync(join(directory, 'chart-saved.png'), Buffer.from(message!.request.base64, 'base64'));
    assert.ok((await look(page, message!.request.base64)).colors > 10);
    await dashboard.post({ type: 'reply', id: message!.id, ok: true, value: true });
    await page.locator('.notice').getByText('The image was saved.').waitFor();
  });
});
