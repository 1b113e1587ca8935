import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { chromium, type Browser } from 'playwright-core';
import { WebSocket, type ClientOptions } from 'ws';

type Version = '1.2' | '1.3';

/** How a foreign client is to connect. */
export interface Visit {
  port: number;
  protocol: 'tcp' | 'websocket';
  /** PEM file of the only authority that it trusts; absent: it knows none that issued the run's certificate. */
  authority?: string;
  authorityPem?: string;
  serverName: string;
  minimumVersion: Version;
  maximumVersion: Version;
}

export interface ForeignClient {
  name: string;
  protocol: 'tcp' | 'websocket';
  /** Versions, authorities and names can be chosen; otherwise only whether it verifies at all. */
  isSettable: boolean;
  /** Connects, has 70 bytes (and over WebSocket 70,000 more) echoed, and leaves. Rejects with its own words. */
  visit(visit: Visit): Promise<void>;
}

const message = 'seventy bytes of text, which a server that echoes must send back again';
const patienceMs = 10_000;
const run = promisify(execFile);

const openssl: ForeignClient = {
  name: 'openssl s_client',
  protocol: 'tcp',
  isSettable: true,
  visit({ port, authority, serverName, minimumVersion, maximumVersion }) {
    const version = minimumVersion === maximumVersion ? [minimumVersion === '1.2' ? '-tls1_2' : '-tls1_3'] : [];
    const trust = authority === undefined ? ['-no-CAfile', '-no-CApath', '-no-CAstore'] : ['-CAfile', authority];
    const verify = ['-verify_return_error', '-verify_hostname', serverName, '-servername', serverName];
    const child = spawn('openssl', ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`, ...version, ...trust, ...verify]);
    return new Promise((resolve, reject) => {
      let [heard, words] = ['', ''];
      const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      child.stdout.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
        if (heard.includes(message)) child.kill('SIGKILL');
      });
      child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()));
      child.stdin.on('error', () => undefined);
      child.stdin.write(`${message}\n`);
      child.on('close', () => {
        clearTimeout(timer);
        if (heard.includes(message)) resolve();
        else reject(new Error(words));
      });
    });
  },
};

const pythonText = `
import asyncio, ssl, sys, websockets
url, authority, name, least, most = sys.argv[1:6]
versions = {'1.2': ssl.TLSVersion.TLSv1_2, '1.3': ssl.TLSVersion.TLSv1_3}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version, context.maximum_version = versions[least], versions[most]
if authority:
    context.load_verify_locations(authority)
async def main():
    async with websockets.connect(url, ssl=context, server_hostname=name) as ws:
        for text in [${JSON.stringify(message)}, 'x' * 70000]:
            await ws.send(text)
            assert await ws.recv() == text
asyncio.run(main())
`;

const python: ForeignClient = {
  name: 'Python websockets',
  protocol: 'websocket',
  isSettable: true,
  async visit({ port, authority, serverName, minimumVersion, maximumVersion }) {
    const args = ['-c', pythonText, `wss://127.0.0.1:${port}/ws`, authority ?? '', serverName, minimumVersion, maximumVersion];
    await run('/usr/bin/python3', args, { timeout: patienceMs });
  },
};

const ws: ForeignClient = {
  name: 'ws',
  protocol: 'websocket',
  isSettable: true,
  async visit({ port, authorityPem, serverName, minimumVersion, maximumVersion }) {
    const options: ClientOptions = {
      ca: authorityPem ?? [],
      minVersion: `TLSv${minimumVersion}`,
      maxVersion: `TLSv${maximumVersion}`,
      handshakeTimeout: patienceMs,
    };
    const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, Object.assign(options, { servername: serverName }));
    try {
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      for (const text of [message, 'x'.repeat(70_000)]) {
        const echo = new Promise<string>((resolve) => socket.once('message', (data: Buffer) => resolve(data.toString())));
        socket.send(text);
        if ((await echo) !== text) throw new Error('another echo');
      }
    } finally {
      socket.on('error', () => undefined).terminate();
    }
  },
};

const executables = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
let browser: Browser | undefined;

/** For `after`: the browser is begun by the first visit and serves all. */
export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

const chrome: ForeignClient = {
  name: 'chromium',
  protocol: 'websocket',
  isSettable: false,
  async visit({ port, authority, serverName }) {
    const executablePath = executables.find((path) => existsSync(path));
    if (executablePath === undefined) throw new Error('chromium is not installed');
    browser ??= await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const context = await browser.newContext({ ignoreHTTPSErrors: authority !== undefined });
    try {
      const page = await context.newPage();
      const outcome = await page.evaluate(
        ([url, texts]) =>
          new Promise<string>((resolve) => {
            const socket = new WebSocket(url);
            let echoes = 0;
            socket.onopen = () => texts.forEach((text) => socket.send(text));
            socket.onerror = () => resolve('error');
            socket.onmessage = ({ data }) => {
              if (data !== texts[echoes]) resolve('another echo');
              else if (++echoes === texts.length) resolve('');
            };
          }),
        [`wss://${serverName}:${port}/ws`, [message, 'x'.repeat(70_000)]] as const,
      );
      if (outcome !== '') throw new Error(outcome);
    } finally {
      await context.close();
    }
  },
};

export const foreignClients: readonly ForeignClient[] = [openssl, python, ws, chrome];
