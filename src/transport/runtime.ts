import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { HumanError } from '../core/errors.js';

/** koffi and the agent are built for Node 20 and newer. */
export const minimumNodeMajor = 20;

/** A Node that runs scripts on this machine; `environment` is what it needs besides ours. */
export interface NodeRuntime {
  executable: string;
  environment: Record<string, string>;
}

/** What decides which Node runs the agent on this machine. */
export interface RuntimeInputs {
  executable: string;
  versions: { node: string; electron?: string | undefined };
  searchPath: string;
  /** The version that an executable reports, such as `v20.11.1`; undefined when it cannot be run. */
  versionOf(executable: string): Promise<string | undefined>;
}

/** The major number of `v20.11.1`; 0 for anything else. */
export function nodeMajor(version: string | undefined): number {
  return Number(/^v?(\d+)\./.exec(version?.trim() ?? '')?.[1] ?? 0);
}

/**
 * Finds a Node for the agent on this machine: this very process when it is a plain node, else the first good one on PATH,
 * else the editor's own Electron run as Node.
 */
export async function findLocalNode(inputs: RuntimeInputs = localInputs()): Promise<NodeRuntime> {
  const isElectron = inputs.versions.electron !== undefined;
  const isPlainNode = !isElectron && /^node(js)?(\.exe)?$/.test(basename(inputs.executable));
  if (isPlainNode && nodeMajor(inputs.versions.node) >= minimumNodeMajor) return { executable: inputs.executable, environment: {} };
  for (const directory of inputs.searchPath.split(delimiter)) {
    // An empty or relative entry means the current directory: not a place to run programs from.
    if (!directory.startsWith('/')) continue;
    const executable = join(directory, 'node');
    if (nodeMajor(await inputs.versionOf(executable)) >= minimumNodeMajor) return { executable, environment: {} };
  }
  if (nodeMajor(inputs.versions.node) >= minimumNodeMajor) {
    return { executable: inputs.executable, environment: isElectron ? { ELECTRON_RUN_AS_NODE: '1' } : {} };
  }
  throw new HumanError(`This machine has no Node ${minimumNodeMajor} or newer.`, {
    code: 'unsupported',
    remedy: 'Install one and make sure that it is on PATH.',
  });
}

function localInputs(): RuntimeInputs {
  return {
    executable: process.execPath,
    versions: { node: process.versions.node, electron: process.versions['electron'] },
    searchPath: process.env['PATH'] ?? '',
    versionOf: reportedVersion,
  };
}

async function reportedVersion(executable: string): Promise<string | undefined> {
  try {
    await access(executable, constants.X_OK);
  } catch {
    return undefined;
  }
  return new Promise((resolve) => {
    // 5 s: a version manager's shim may take a second, a broken one must not hold us, nor one that ignores SIGTERM.
    const options = { timeout: 5_000, killSignal: 'SIGKILL' } as const;
    // It must run a script, whatever a shim prints around it.
    execFile(executable, ['-p', '"c10m-node "+process.version'], options, (error, stdout) =>
      resolve(error === null ? /^c10m-node (v\S+)$/m.exec(stdout)?.[1] : undefined),
    );
  });
}
