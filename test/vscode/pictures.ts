/**
 * `npm run pictures`: takes the pictures of README and walkthrough anew, from real runs on this machine in the real workbench.
 * It needs what `npm test -- vscode` needs and takes about two minutes.
 */
import assert from 'node:assert/strict';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { prepareVscodeTests } from '../../scripts/support/vscodeHost.mjs';
import { openWindow, screenshot } from './support/browser.js';
import { developmentPayload, repository, startCodeServer } from './support/codeServer.js';
import { StateDirectory } from './support/stateDirectory.js';
import { selectors, Workbench } from './support/workbench.js';

/** A README that is slow to open is not read, and the VSIX carries all of them. */
const maximumPictureBytes = 200_000;
const size = { width: 1280, height: 900 };
/** The panel is as wide as the column that a walkthrough has for its pictures. */
const walkthroughSize = { width: 940, height: 900 };
/** `C10M_PICTURES_CONNECTIONS` makes it quick while the script itself is worked on. */
const connections = Number(process.env['C10M_PICTURES_CONNECTIONS'] ?? 50_000);
const profile = (name: string, engine: string): string =>
  `${JSON.stringify({ version: 1, name, connections, protocol: 'websocket', engine, rate: Math.round(connections / 12), hold: '15s' }, undefined, 2)}\n`;
const files = { 'epoll.c10m.json': profile('The floor', 'epoll'), 'node.c10m.json': profile('Node with ws', 'node') };
/** Aliases as a user has them; nothing connects to them. */
const sshConfig = ['web1', 'web2', 'database'].map((alias, index) => `Host ${alias}\n  HostName 192.0.2.${index + 1}\n  User root\n`).join('');
const themes = { dark: 'Dark Modern', light: 'Light Modern' } as const;

function check(path: string): void {
  const bytes = statSync(join(repository, path)).size;
  console.log(`${path}: ${Math.round(bytes / 1000)} kB`);
  assert.ok(bytes <= maximumPictureBytes, `${path} has ${bytes} bytes; a picture may have ${maximumPictureBytes}`);
}

async function savePart(page: Page, path: string, clip: { x: number; y: number; width: number; height: number }): Promise<void> {
  await page.screenshot({ path: join(repository, path), clip });
  check(path);
}

/** Takes the pictures with a window that shows the workbench. Each part builds on the one before. */
class Photographer {
  private readonly workbench: Workbench;

  constructor(private readonly page: Page) {
    this.workbench = new Workbench(page);
  }

  private get panel(): FrameLocator {
    return this.workbench.webview();
  }

  async open(url: string): Promise<void> {
    await this.workbench.open(url);
    await this.workbench.chooseTheme(themes.dark);
    await this.workbench.openContainer('C10M');
    await this.workbench.treeRow('web1').waitFor();
  }

  /** Two real runs; the first picture is of the second one while it holds its connections. */
  async runs(): Promise<void> {
    for (const name of ['epoll', 'node']) {
      await this.showPlan(name);
      await this.workbench.pick('Start');
      await this.panel.locator('[data-c10m=phase]').getByText('holding', { exact: true }).waitFor({ timeout: 90_000 });
      if (name === 'node') {
        await this.workbench.runCommand('View: Close Other Editors in Group');
        await this.panel.locator('[data-c10m=phase]').getByText('holding', { exact: true }).waitFor();
        // Some seconds of the plateau.
        await this.page.waitForTimeout(6_000);
        await savePart(this.page, 'media/pictures/dashboard.png', { x: 0, y: 0, ...size });
      }
      await this.panel.locator('[data-c10m=verdict]').waitFor({ timeout: 60_000 });
    }
  }

  async comparison(): Promise<void> {
    await this.compare();
    await savePart(this.page, 'media/pictures/comparison.png', { x: 0, y: 0, ...size });
  }

  /** The four pictures of the walkthrough: what each step is about, and no more. */
  async walkthrough(theme: keyof typeof themes): Promise<void> {
    const { page, workbench } = this;
    const path = (name: string): string => `media/walkthrough/${name}-${theme}.png`;
    await workbench.chooseTheme(themes[theme]);
    await workbench.runCommand('View: Close All Editors');
    await workbench.treeRow('web1').hover();
    // Long enough for the buttons, too short for the tooltip.
    await page.waitForTimeout(150);
    await savePart(page, path('hosts'), { x: 48, y: 30, width: 302, height: 160 });
    await this.showPlan('epoll');
    const plan = (await page.locator(selectors.quickInput).boundingBox())!;
    await savePart(page, path('run'), { x: plan.x - 20, y: Math.max(0, plan.y - 8), width: plan.width + 40, height: plan.height + 20 });
    await page.keyboard.press('Escape');
    await workbench.treeRow('The floor').click();
    const ledger = this.panel.locator('section[aria-labelledby=ledger-title]');
    await ledger.scrollIntoViewIfNeeded();
    await ledger.screenshot({ path: join(repository, path('ledger')) });
    check(path('ledger'));
    await this.compare();
    const results = this.panel.locator('section[aria-labelledby=metrics-title]');
    await results.screenshot({ path: join(repository, path('compare')) });
    check(path('compare'));
  }

  /** Opens a profile and presses its lens: the plan is shown, nothing is started. */
  private async showPlan(name: string): Promise<void> {
    const { page, workbench } = this;
    const file = `${name}.c10m.json`;
    await page.keyboard.press('Control+P');
    await page.locator(selectors.quickInputBox).first().fill(file);
    await workbench.pick(file);
    await page.locator(selectors.editorTab).filter({ hasText: file }).waitFor();
    await page.locator('.codelens-decoration a', { hasText: 'Run' }).first().click();
    await workbench.quickInputTitled('First wall').waitFor({ timeout: 60_000 });
    // The list is laid out in steps.
    await page.waitForTimeout(500);
  }

  private async compare(): Promise<void> {
    const { page, workbench } = this;
    await workbench.treeRow('Node with ws').click();
    await workbench.treeRow('The floor').click({ modifiers: ['Control'] });
    await workbench.runCommand('C10M: Compare Runs');
    await this.panel.getByRole('heading', { name: 'Comparison of 2 runs' }).waitFor({ timeout: 30_000 });
    await this.panel.locator('canvas').first().waitFor();
    await page.waitForTimeout(1_000);
  }
}

for (const folder of ['pictures', 'walkthrough']) mkdirSync(join(repository, 'media', folder), { recursive: true });
const obstacle = prepareVscodeTests();
if (obstacle !== undefined) throw new Error(obstacle);
const state = new StateDirectory();
const server = await startCodeServer({ environment: state.environment, files });

/** Opens a window, lets it be photographed and closes it whatever happens. */
async function photograph(options: Parameters<typeof openWindow>[0], action: (photographer: Photographer) => Promise<void>): Promise<void> {
  const window = await openWindow(options);
  try {
    const photographer = new Photographer(window.page);
    await photographer.open(server.url(developmentPayload(server.port)));
    await action(photographer);
  } catch (error) {
    await screenshot(window.page, 'pictures-failed');
    throw error;
  } finally {
    await window.close();
  }
}

try {
  mkdirSync(join(server.home, '.ssh'), { mode: 0o700 });
  writeFileSync(join(server.home, '.ssh', 'config'), sshConfig);
  await photograph({ size }, async (photographer) => {
    await photographer.runs();
    await photographer.comparison();
  });
  // VS Code shows pictures of a walkthrough at two thirds of their size.
  await photograph({ size: walkthroughSize, deviceScaleFactor: 1.5 }, async (photographer) => {
    await photographer.walkthrough('dark');
    await photographer.walkthrough('light');
  });
} finally {
  await server.stop();
  await state.release();
}
