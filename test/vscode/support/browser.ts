import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { repository } from './codeServer.js';

const executables = ['/usr/bin/chromium', '/usr/bin/google-chrome', '/usr/bin/chromium-browser'];
/** Nothing in the background, nothing drawn by a GPU that is not there. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** One browser with one window of the workbench. */
export interface Window {
  readonly browser: Browser;
  readonly context: BrowserContext;
  readonly page: Page;
  /** Addresses outside this machine that the page asked for; the tests expect none. */
  readonly foreignRequests: string[];
  close(): Promise<void>;
}

/** Opens an empty window of 1440 × 900, or of `size`; go to `CodeServer.url()` next. The caller must `close()` it. */
export async function openWindow(
  options: { colorScheme?: 'dark' | 'light'; size?: { width: number; height: number }; deviceScaleFactor?: number } = {},
): Promise<Window> {
  const executablePath = executables.find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error('chromium is not installed: npm test -- vscode installs it');
  const browser = await chromium.launch({ executablePath, args: flags });
  const context = await browser.newContext({
    viewport: options.size ?? { width: 1440, height: 900 },
    deviceScaleFactor: options.deviceScaleFactor ?? 1,
    colorScheme: options.colorScheme ?? 'dark',
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(20_000);
  const foreignRequests: string[] = [];
  context.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (!protocol.startsWith('http') || hostname === 'localhost' || hostname === '127.0.0.1') return;
    // Webviews are served by the workbench's own service worker under a made-up name.
    if (hostname.endsWith('.localhost') || hostname.endsWith('vscode-resource.vscode-cdn.net')) return;
    foreignRequests.push(request.url());
  });
  const page = await context.newPage();
  return { browser, context, page, foreignRequests, close: () => browser.close() };
}

/** Saves `test-results/screenshots/NAME.png`. */
export async function screenshot(page: Page, name: string): Promise<string> {
  const directory = join(repository, 'test-results', 'screenshots');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.png`);
  await page.screenshot({ path });
  return path;
}
