import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HumanError } from '../core/errors.js';

/** The kinds of host that a payload is made for. */
const hostKinds = ['x64-glibc', 'x64-musl', 'arm64-glibc', 'arm64-musl'] as const;
export type HostKind = (typeof hostKinds)[number];

export interface PayloadFile {
  /** With `/`, relative to the payload's directory. */
  path: string;
  /** On the laptop. */
  from: string;
  bytes: number;
  sha256: string;
}

/** The files that one kind of host needs. */
export interface Payload {
  files: PayloadFile[];
  /** As `sha256sum -c` reads it. */
  manifest: string;
  /** SHA-256 of the manifest: the name of its directory on hosts. */
  digest: string;
}

/** Reads `dist/host` and makes the payload of each kind of host. A kind whose native library is not in the build is missing. */
export async function readPayloads(directory: string): Promise<Map<HostKind, Payload>> {
  const files = await readFiles(directory);
  if (!files.some((file) => file.path === 'agent.cjs')) {
    throw new HumanError(`The agent was not found in ${directory}.`, { remedy: 'Build it with `npm run build`.' });
  }
  const payloads = new Map<HostKind, Payload>();
  for (const kind of hostKinds) {
    const [architecture, libc] = kind.split('-') as [string, string];
    const native = `node_modules/@koromix/koffi-linux-${architecture}/`;
    const chosen = files.filter((file) => {
      if (!file.path.startsWith('node_modules/@koromix/')) return true;
      // Of the two native libraries in the package only the one of the host's libc.
      const other = libc === 'musl' ? `linux_${architecture}/` : `musl_${architecture}/`;
      return file.path.startsWith(native) && !file.path.startsWith(native + other);
    });
    if (!chosen.some((file) => file.path.startsWith(native) && file.path.endsWith('.node'))) continue;
    const manifest = chosen.map((file) => `${file.sha256}  ${file.path}\n`).join('');
    payloads.set(kind, { files: chosen, manifest, digest: sha256(manifest) });
  }
  return payloads;
}

async function readFiles(directory: string): Promise<PayloadFile[]> {
  let names;
  try {
    names = await readdir(directory, { recursive: true });
  } catch (cause) {
    throw new HumanError(`The agent was not found in ${directory}.`, { remedy: 'Build it with `npm run build`.', cause });
  }
  const files: PayloadFile[] = [];
  for (const name of names) {
    const from = join(directory, name);
    const status = await stat(from);
    // Source maps serve people here, not programs there.
    if (!status.isFile() || name.endsWith('.map')) continue;
    files.push({ path: name.replaceAll('\\', '/'), from, bytes: status.size, sha256: sha256(await readFile(from)) });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
