import { randomBytes } from 'node:crypto';
import { boundedLine } from '../core/foreignText.js';
import { posix } from 'node:path';
import { HumanError } from '../core/errors.js';
import type { HostShell } from './hostShell.js';
import {
  discardUploadScript,
  finishUploadScript,
  inspectScript,
  parseInspection,
  parseValues,
  prepareUploadScript,
  type Inspection,
  type InspectionInputs,
} from './hostScripts.js';
import type { HostKind, Payload } from './payload.js';

export interface DeployOptions {
  name: string;
  log: (line: string) => void;
  progress: (text: string) => void;
}

/** `uname -m` of the architectures that a payload exists for. */
const architectures: Readonly<Record<string, 'x64' | 'arm64'>> = { x86_64: 'x64', aarch64: 'arm64', arm64: 'arm64' };

/** Looks at a host: what it is, which Node it has, whether the payload is there. Changes nothing but the time stamp of the payload and, where there is none, its directory. */
export async function inspectHost(
  shell: HostShell,
  payloads: ReadonlyMap<HostKind, Payload>,
  looksFor: Omit<InspectionInputs, 'digests'>,
  { name, log }: DeployOptions,
): Promise<Inspection> {
  const digests: Record<string, string> = {};
  for (const [machine, architecture] of Object.entries(architectures)) {
    for (const libc of ['glibc', 'musl'] as const) {
      const payload = payloads.get(`${architecture}-${libc}`);
      if (payload !== undefined) digests[`${machine}-${libc}`] = payload.digest;
    }
  }
  const result = await shell.run(inspectScript({ digests, ...looksFor }));
  const found = parseInspection(result.stdout);
  if (found === undefined) {
    const said = boundedLine(`${result.stdout} ${result.stderr}`.trim().replace(/\s+/g, ' '), 300);
    throw new HumanError(`The account on ${name} runs no commands${said === '' ? '' : ` (it says: ${said})`}.`, {
      code: 'unsupported',
      remedy:
        'If its password has expired, log in once with ssh to set a new one. Otherwise its login shell must be a real shell, and no ForceCommand may be in force: use another account.',
    });
  }
  log(
    `${name}: ${found.system} ${found.machine} ${found.libc}, user ${found.userId}, node ${found.node === undefined ? 'none' : `${found.node.version} at ${found.node.path}`}`,
  );
  for (const other of found.unusableNodes) log(`${name}: not used as Node: ${other}`);
  if (looksFor.wantsSudo && found.sudoProblem !== undefined) log(`${name}: sudo cannot be used (${found.sudoProblem})`);
  return found;
}

/** The kind of a host, or a HumanError `unsupported` that says what C10M runs on. */
export function kindOfHost(found: Inspection, name: string, payloads: ReadonlyMap<HostKind, Payload>): HostKind {
  if (found.system !== 'Linux') {
    throw new HumanError(`${name} runs ${found.system === '' ? 'an unknown system' : found.system}, and a run needs Linux.`, {
      code: 'unsupported',
      remedy: 'Choose a Linux host.',
    });
  }
  const architecture = architectures[found.machine];
  const libc = found.libc === 'glibc' || found.libc === 'musl' ? found.libc : undefined;
  const kind: HostKind | undefined = architecture === undefined || libc === undefined ? undefined : `${architecture}-${libc}`;
  if (kind === undefined || !payloads.has(kind)) {
    const available = [...payloads.keys()].join(', ');
    throw new HumanError(
      `${name} is a ${found.machine} host with ${found.libc === 'unknown' ? 'an unknown C library' : found.libc}, for which this build of C10M has no agent.`,
      {
        code: 'unsupported',
        remedy: `It has one for: ${available}.`,
      },
    );
  }
  return kind;
}

/** Where a payload may go, or a HumanError that names each place that was tried. */
export function requireBase(found: Inspection, name: string): string {
  if (found.base === undefined) {
    throw new HumanError(`No directory on ${name} can take the agent (${found.rejected.join('; ')}).`, {
      code: 'unsupported',
      remedy: 'Make room or a writable directory that allows programs, such as ~/.cache.',
    });
  }
  return found.base;
}

/**
 * Brings files to `<base>/<digest>` in one step: they are uploaded under a temporary name, verified on the host by their
 * SHA-256, and renamed. Whatever is interrupted is never used. Returns the directory.
 */
export async function deploy(shell: HostShell, payload: Payload, base: string, what: string, options: DeployOptions): Promise<string> {
  const temporary = `${base}/.upload-${randomBytes(8).toString('hex')}`;
  const directories = [...new Set(payload.files.map((file) => posix.dirname(file.path)))].filter((directory) => directory !== '.');
  const prepared = await shell.run(prepareUploadScript(base, temporary, directories));
  if (parseValues(prepared.stdout)['done'] !== 'yes') throw notWritten(options.name, base, prepared.stderr);
  const total = payload.files.reduce((sum, file) => sum + file.bytes, 0);
  try {
    let shown = -1;
    await shell.upload(
      payload.files.map((file) => ({ from: file.from, to: `${temporary}/${file.path}`, bytes: file.bytes })),
      (bytes) => {
        const percent = Math.min(100, Math.floor((100 * bytes) / Math.max(total, 1)));
        // Each tenth is enough for a person to see that it moves.
        if (Math.floor(percent / 10) === Math.floor(shown / 10)) return;
        shown = percent;
        options.progress(`Bringing ${what} to ${options.name}: ${percent} %`);
      },
    );
    const finished = await shell.run(finishUploadScript(base, temporary, payload.manifest, payload.digest));
    const values = parseValues(finished.stdout);
    if (values['done'] === 'yes') {
      options.log(`${options.name}: ${what} deployed to ${base}/${payload.digest} (${total} bytes)`);
      return `${base}/${payload.digest}`;
    }
    const free = Number(values['free']);
    throw notWritten(
      options.name,
      base,
      values['damaged'] === 'yes' ? `what arrived is not what was sent${free < 1024 ? `; only ${free} KiB are free` : ''}` : finished.stderr,
    );
  } catch (error) {
    // Left over only when the link itself is gone; the next deployment removes it after a day.
    await shell.run(discardUploadScript(temporary)).catch(() => undefined);
    throw error;
  }
}

function notWritten(name: string, base: string, why: string): HumanError {
  return new HumanError(
    `The agent could not be put into ${base} on ${name}: ${boundedLine(why.trim(), 300) || 'no reason was given'}. Nothing of it is used.`,
    {
      code: 'unsupported',
      remedy: 'Check the free space and the rights of that directory.',
    },
  );
}
