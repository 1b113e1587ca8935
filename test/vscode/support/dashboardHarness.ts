import { chromium, type Browser, type Page } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ToPanel } from '../../../src/protocol/panel.js';
import { themeVariables, type ThemeKind } from './themes.js';

const assets = join(import.meta.dirname, '../../../dist/dashboard');

/** A page that loads the built dashboard as a webview would: same policy, same body classes, a stand-in for the extension's end. */
export class DashboardPage {
  private constructor(
    readonly page: Page,
    private readonly browser: Browser,
    private readonly server: Server,
  ) {}

  static async open(theme: ThemeKind, size = { width: 1280, height: 1000 }): Promise<DashboardPage> {
    const server = createServer((request, response) => {
      const path = request.url ?? '/';
      if (path.endsWith('.js') || path.endsWith('.css')) {
        response.setHeader('Content-Type', path.endsWith('.js') ? 'text/javascript' : 'text/css');
        response.end(readFileSync(join(assets, path.slice(1))));
      } else {
        response.setHeader('Content-Type', 'text/html');
        response.end(html(theme));
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic'],
    });
    const page = await browser.newPage({ viewport: size });
    // tsx names functions with a helper that the page does not have.
    await page.addInitScript('globalThis.__name = (value) => value');
    const self = new DashboardPage(page, browser, server);
    try {
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await page.waitForFunction(() => (globalThis as unknown as { sent: unknown[] }).sent.length > 0);
    } catch (error) {
      await self.close();
      throw error;
    }
    return self;
  }

  /** Posts a message as the extension would; typed arrays survive as they do in VS Code. */
  async post(message: ToPanel): Promise<void> {
    // JSON knows no typed arrays and no NaN: both are marked, and made again in the page.
    const text = JSON.stringify(message, (_key, value: unknown) =>
      value instanceof Float32Array ? { float32: Array.from(value, (number) => (Number.isNaN(number) ? null : number)) } : value,
    );
    await this.page.evaluate((json) => {
      const isMarked = (value: unknown): value is { float32: (number | null)[] } => typeof value === 'object' && value !== null && 'float32' in value;
      const message = JSON.parse(json, (_key, value: unknown) =>
        isMarked(value) ? Float32Array.from(value.float32, (number) => number ?? Number.NaN) : value,
      ) as unknown;
      (globalThis as { postedAt?: number }).postedAt = performance.now();
      window.postMessage(message, '*');
    }, text);
  }

  /** What the dashboard sent to the extension. */
  sent(): Promise<{ type: string }[]> {
    return this.page.evaluate(() => (globalThis as unknown as { sent: { type: string }[] }).sent);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function html(theme: ThemeKind): string {
  const nonce = 'dGVzdA';
  const variables = Object.entries(themeVariables(theme))
    .map(([name, value]) => `${name}:${value};`)
    .join('');
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>C10M</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' data: blob:; style-src 'self' 'nonce-${nonce}'; font-src 'self'; script-src 'nonce-${nonce}';">
<style nonce="${nonce}">:root{${variables}}</style>
<link rel="stylesheet" href="/main.css">
<script nonce="${nonce}">let state; window.sent = []; window.acquireVsCodeApi = () => ({ postMessage: (m) => window.sent.push(m), getState: () => state, setState: (s) => { state = s; } });</script>
</head><body class="${theme}"><main id="root"></main><script type="module" nonce="${nonce}" src="/main.js"></script></body></html>`;
}
