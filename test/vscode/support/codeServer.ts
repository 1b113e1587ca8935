import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { cpSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeServerDirectory, node24Path } from '../../../scripts/support/vscodeHost.mjs';

/** Root of the repository. */
export const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** The packed extension that `npm test` made before the suite; another one by C10M_VSIX. */
export function packedExtension(): string {
  const path = process.env['C10M_VSIX'] ?? join(repository, 'test-results', 'c10m.vsix');
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm test -- vscode", or "npm run package -- --out ${path}"`);
  return path;
}

/** Quiet and reproducible: without them screenshots catch fades, and pages of others open beside ours. */
const quietSettings = {
  'chat.disableAIFeatures': true,
  'workbench.startupEditor': 'none',
  'workbench.reduceMotion': 'on',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'window.commandCenter': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'workbench.colorTheme': 'Default Dark Modern',
  'window.autoDetectColorScheme': false,
};

export interface CodeServerOptions {
  /** A packed VSIX to install first; absent: nothing is installed (see `developmentPayload`). */
  vsix?: string;
  /** Folders of unpacked extensions to install first, each named `PUBLISHER.NAME-VERSION`. */
  extensionFolders?: readonly string[];
  /** More user settings. */
  settings?: Record<string, unknown>;
  /** More environment for the extension host. */
  environment?: Record<string, string>;
  /** Leave workspace trust on, to test restricted mode. */
  workspaceTrust?: boolean;
  /** Files to write into the workspace: name to text. */
  files?: Record<string, string>;
}

/** A running VS Code server of its own: own home, own settings, own port, one empty workspace folder. */
export interface CodeServer {
  readonly port: number;
  readonly origin: string;
  /** The folder that is opened. */
  readonly workspace: string;
  /** $HOME of the extension host: ~/.ssh and the state of the agent are there. */
  readonly home: string;
  /** settings.json of the user. */
  readonly userSettings: string;
  /** `--user-data-dir`: the runs of the extension are in `User/globalStorage/c10m.c10m/runs`. */
  readonly userData: string;
  /** Where the server writes its output. */
  readonly logFile: string;
  /** Address of the workbench with the workspace open; `payload` as VS Code for the Web takes it. */
  url(payload?: [string, string][]): string;
  /** Ends the server with all it started and removes its folders. */
  stop(): Promise<void>;
}

/** `extensionDevelopmentPath` (and `extensionTestsPath`) as the workbench takes them from its address. */
export function developmentPayload(port: number, extensionTestsPath?: string): [string, string][] {
  const remote = (path: string) => `vscode-remote://localhost:${port}${path}`;
  const payload: [string, string][] = [['extensionDevelopmentPath', remote(repository)]];
  if (extensionTestsPath !== undefined) payload.push(['extensionTestsPath', remote(extensionTestsPath)]);
  return payload;
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no port'));
      });
    });
  });
}

async function waitForHealth(origin: string, child: ChildProcess, logFile: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`code-server ended with exit code ${child.exitCode}; see ${logFile}`);
    try {
      if ((await fetch(`${origin}/healthz`)).ok) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`code-server did not answer within 30 s; see ${logFile}`);
}

/** Starts a server. The caller must `stop()` it, in an `after` hook or a `finally`. */
export async function startCodeServer(options: CodeServerOptions = {}): Promise<CodeServer> {
  const folder = mkdtempSync(join(tmpdir(), 'c10m-vscode-'));
  const workspace = join(folder, 'workspace');
  const home = join(folder, 'home');
  const userData = join(folder, 'user');
  const extensions = join(folder, 'extensions');
  const logFile = join(folder, 'server.log');
  for (const directory of [workspace, home, join(userData, 'User'), extensions]) mkdirSync(directory, { recursive: true });
  writeFileSync(join(userData, 'User', 'settings.json'), JSON.stringify({ ...quietSettings, ...options.settings }, undefined, 2));
  writeFileSync(join(folder, 'config.yaml'), '');
  for (const path of options.extensionFolders ?? []) cpSync(path, join(extensions, basename(path)), { recursive: true });
  for (const [name, text] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(workspace, name)), { recursive: true });
    writeFileSync(join(workspace, name), text);
  }

  const entry = join(codeServerDirectory(), 'node_modules', 'code-server', 'out', 'node', 'entry.js');
  const places = ['--config', join(folder, 'config.yaml'), '--user-data-dir', userData, '--extensions-dir', extensions];
  // An empty gallery: the tests ask nothing outside this machine.
  const environment = { ...process.env, EXTENSIONS_GALLERY: '{}', HOME: home, ...options.environment };
  // Inherited from a terminal of VS Code, these would make the server talk to that window.
  for (const name of Object.keys(environment)) if (name.startsWith('VSCODE_')) Reflect.deleteProperty(environment, name);

  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  if (options.vsix !== undefined) {
    const installed = spawnSync(node24Path(), [entry, ...places, '--install-extension', options.vsix], { env: environment, encoding: 'utf8', timeout: 60_000 });
    if (installed.status !== 0) {
      remove();
      throw new Error(`The VSIX could not be installed: ${installed.stdout}${installed.stderr}`);
    }
  }

  const port = await freePort();
  const origin = `http://localhost:${port}`;
  // Its own process group: the extension host and what it starts end with it.
  const child = spawn(
    node24Path(),
    [
      entry,
      ...['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, ...places],
      ...['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override', '--disable-proxy'],
      ...(options.workspaceTrust === true ? [] : ['--disable-workspace-trust']),
      // Without it a released workbench silently ignores extensionDevelopmentPath and extensionTestsPath.
      ...['--vscode-option', 'enable-smoke-test-driver'],
    ],
    { env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const log = createWriteStream(logFile);
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const stop = async () => {
    const ended = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
    if (child.pid !== undefined) {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // The group has ended already.
      }
    }
    await ended;
    remove();
  };
  try {
    await waitForHealth(origin, child, logFile);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    origin,
    workspace,
    home,
    userSettings: join(userData, 'User', 'settings.json'),
    userData,
    logFile,
    url: (payload = []) => `${origin}/?folder=${encodeURIComponent(workspace)}&payload=${encodeURIComponent(JSON.stringify(payload))}`,
    stop,
  };
}
