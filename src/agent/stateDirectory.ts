import { existsSync, lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { HumanError, messageOf } from '../core/errors.js';
import { planSchema } from '../protocol/plan.js';
import { runSpecSchema } from '../protocol/spec.js';
import { keyFileNames } from '../protocol/tls.js';
import { replaceFile } from '../files/durableFile.js';
import { ownHome, isPlaceOf } from '../files/ownHome.js';
import { readOwnFile } from './ownFile.js';
import { outerFactsSchema } from './outerFacts.js';
import { identitySchema, StartLock, startLockName } from './startLock.js';

/** The order holds a profile and a plan, the state a hundred workers: this is a hundred times more. */
const maximumFileBytes = 16 * 1024 * 1024;
const runIdPattern = /^[0-9A-Za-z-]{1,64}$/;

/** What a supervisor is started with. Written once, by the relay. */
export const runOrderSchema = v.object({
  runId: v.string(),
  owner: v.string(),
  startedAt: v.string(),
  spec: runSpecSchema,
  plan: v.optional(planSchema),
  role: v.optional(v.picklist(['whole', 'server', 'client']), 'whole'),
  outer: outerFactsSchema,
  /** By which the programs of this run are recognised (`RunTraces`). */
  mark: v.string(),
  lockPath: v.string(),
});
export type RunOrder = v.InferOutput<typeof runOrderSchema>;

/** Who is at work for a run. Rewritten by the supervisor when it changes, and read by whoever comes after it. */
export const runStateSchema = v.object({
  bootId: v.string(),
  supervisor: v.nullable(identitySchema),
  guardian: v.nullable(identitySchema),
  workers: v.array(identitySchema),
  /** The run's own network namespace; null when it uses the host's. */
  namespace: v.nullable(v.string()),
  ended: v.boolean(),
});
export type RunState = v.InferOutput<typeof runStateSchema>;

/** The directory of one run on the host; removed on `forget`. */
export class RunDirectory {
  constructor(
    readonly path: string,
    readonly runId: string,
  ) {}

  get spoolPath(): string {
    return join(this.path, 'events.ndjson');
  }
  get journalPath(): string {
    return join(this.path, 'journal.json');
  }
  get logPath(): string {
    return join(this.path, 'supervisor.log');
  }
  /** The name of the supervisor's socket, relative to the directory: a path of a socket may have 107 bytes only, so both sides go there first. */
  get socketName(): string {
    return 'supervisor';
  }

  /** Whether we made it: the first file in it is the start lock. */
  get isOurs(): boolean {
    return existsSync(join(this.path, startLockName)) || existsSync(join(this.path, 'spec.json'));
  }

  readOrder(): RunOrder | undefined {
    return readJson(join(this.path, 'spec.json'), runOrderSchema);
  }

  writeOrder(order: RunOrder): void {
    replaceFile(join(this.path, 'spec.json'), JSON.stringify(order));
  }

  readState(): RunState | undefined {
    return readJson(join(this.path, 'state.json'), runStateSchema);
  }

  writeState(state: RunState): void {
    replaceFile(join(this.path, 'state.json'), JSON.stringify(state));
  }

  /** Removes the private key that a worker wrote for the user's server: it goes with the run, whatever became of that worker. */
  removeKeys(): void {
    for (const name of Object.values(keyFileNames)) rmSync(join(this.path, name), { force: true });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The state of this user's runs on this host. */
export class StateDirectory {
  constructor(readonly path: string) {}

  run(runId: string): RunDirectory {
    return new RunDirectory(join(this.path, 'runs', runId), runId);
  }

  /** Throws a HumanError when the directory cannot be made (a full or read-only disk). */
  createRun(runId: string): { run: RunDirectory; start: StartLock } {
    const run = this.run(runId);
    try {
      mkdirSync(join(this.path, 'runs'), { recursive: true, mode: 0o700 });
      mkdirSync(run.path, { mode: 0o700 });
      return { run, start: StartLock.create(run.path) };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
        throw new HumanError(`A run with the id ${runId} exists on this host already.`, { code: 'usage', remedy: 'Use another id.', cause });
      }
      throw new HumanError(`The state directory ${run.path} cannot be written (${(cause as Error).message}); nothing was changed.`, {
        remedy: 'Free some space, or set C10M_STATE_DIRECTORY to a directory that can be written.',
        cause,
      });
    }
  }

  /** Directories that we made; whatever else lies there is left alone. */
  runs(): RunDirectory[] {
    let names: string[];
    try {
      names = readdirSync(join(this.path, 'runs'));
    } catch {
      return [];
    }
    return names
      .filter((name) => runIdPattern.test(name) && isOwnDirectory(join(this.path, 'runs', name)))
      .sort()
      .map((name) => this.run(name))
      .filter((run) => run.isOurs);
  }

  /** Leaves no empty directory behind once the last run is forgotten, nor that of a run whose relay was killed as it made it. */
  removeIfEmpty(): void {
    const runs = join(this.path, 'runs');
    let names: string[] = [];
    try {
      names = readdirSync(runs).filter((name) => runIdPattern.test(name));
    } catch {
      // There is none.
    }
    for (const path of [...names.map((name) => join(runs, name)), runs, this.path]) {
      try {
        rmdirSync(path);
      } catch {
        // Something lies there, or another process was quicker.
      }
    }
  }
}

/**
 * The state directory of this user: `$C10M_STATE_DIRECTORY`, or `$XDG_STATE_HOME/c10m`, or `~/.local/state/c10m`, or
 * `/var/tmp/c10m-UID` where the home cannot be written. It survives a reboot, so that a run that a reboot ended can still say so.
 * Throws a HumanError for a directory that others can write: what lies there could be theirs, and is obeyed with our rights.
 */
export function openStateDirectory(variables: NodeJS.ProcessEnv, userId: number, home = ownHome(userId)): StateDirectory {
  const explicit = variables.C10M_STATE_DIRECTORY ?? '';
  if (explicit !== '') return new StateDirectory(openExplicit(explicit, userId));
  const stateHome = variables.XDG_STATE_HOME ?? '';
  const candidates = [
    ...(isAbsolute(stateHome) ? [join(stateHome, 'c10m')] : []),
    ...(home === undefined ? [] : [join(home, '.local', 'state', 'c10m')]),
    `/var/tmp/c10m-${userId}`,
  ];
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const reason = isPlaceOf(candidate, userId) ? whyUnusable(candidate, userId) : 'it would lie in the directory of another user';
    if (reason === undefined) return new StateDirectory(candidate);
    reasons.push(`${candidate}: ${reason}`);
  }
  throw new HumanError(`No directory for the state of runs can be used (${reasons.join('; ')}); nothing was changed.`, {
    remedy: 'Set C10M_STATE_DIRECTORY to a directory that only you can write.',
  });
}

function openExplicit(path: string, userId: number): string {
  const reason = isAbsolute(path) ? whyUnusable(path, userId) : 'it is relative, and so would be another one in each directory';
  if (reason === undefined) return path;
  throw new HumanError(`The state directory ${path} (C10M_STATE_DIRECTORY) cannot be used: ${reason}. Nothing was changed.`, {
    remedy: 'Set C10M_STATE_DIRECTORY to an absolute path of a directory that only you can write.',
  });
}

/** Makes a directory where there is none. Undefined when it can be used. */
function whyUnusable(path: string, userId: number): string | undefined {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stat = lstatSync(path);
    // In /var/tmp anybody may have made it before us.
    if (!stat.isDirectory()) return 'it is no directory';
    if (stat.uid !== userId) return `it belongs to user ${stat.uid}`;
    if ((stat.mode & 0o022) === 0) return undefined;
  } catch (error) {
    return messageOf(error);
  }
  throw new HumanError(`The state directory ${path} can be written by others, so what lies there is not trusted. Nothing was changed.`, {
    code: 'unsupported',
    remedy: `Look into it, then take the rights away: chmod 700 ${path}`,
  });
}

function isOwnDirectory(path: string): boolean {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() && stat.uid === process.getuid?.();
  } catch {
    return false;
  }
}

function readJson<Schema extends v.GenericSchema>(path: string, schema: Schema): v.InferOutput<Schema> | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(readOwnFile(path, maximumFileBytes)));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
