import { lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { HumanError } from '../core/errors.js';
import { planSchema } from '../protocol/plan.js';
import { runSpecSchema } from '../protocol/spec.js';
import { isAlive } from '../linux/process.js';
import { replaceFile } from '../files/durableFile.js';
import { Journal } from './restoration/journal.js';
import { outerFactsSchema } from './outerFacts.js';
import { isComplete } from './spool.js';

const identitySchema = v.object({ pid: v.number(), startTime: v.number() });

/** What a supervisor is started with. Written once, by the relay. */
export const runOrderSchema = v.object({
  runId: v.string(),
  owner: v.string(),
  startedAt: v.string(),
  spec: runSpecSchema,
  plan: v.optional(planSchema),
  role: v.optional(v.picklist(['whole', 'server', 'client']), 'whole'),
  outer: outerFactsSchema,
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

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export type RunCondition = 'running' | 'ended' | 'abandoned';

/** Whether a run lives, ended in order, or was left by a supervisor and a guardian that both died. */
export function conditionOf(state: RunState | undefined): RunCondition {
  if (state === undefined) return 'abandoned';
  if (state.ended) return 'ended';
  const keepers = [state.supervisor, state.guardian].filter((identity) => identity !== null);
  return keepers.some(isAlive) ? 'running' : 'abandoned';
}

/** The condition of a run on the disk, where a full disk may have kept the last note of its end from being written. */
export function conditionOfRun(run: RunDirectory): RunCondition {
  const condition = conditionOf(run.readState());
  if (condition !== 'abandoned' || !isComplete(run.spoolPath)) return condition;
  return Journal.load(run.journalPath)?.isClosed === false ? 'abandoned' : 'ended';
}

/** Finished runs kept for a controller that never came back for them. */
const keptEndedRuns = 20;

/** The state of this user's runs on this host. */
export class StateDirectory {
  constructor(readonly path: string) {}

  run(runId: string): RunDirectory {
    return new RunDirectory(join(this.path, 'runs', runId), runId);
  }

  /** Throws a HumanError when the directory cannot be made (a full or read-only disk). */
  createRun(runId: string): RunDirectory {
    const run = this.run(runId);
    try {
      mkdirSync(join(this.path, 'runs'), { recursive: true, mode: 0o700 });
      mkdirSync(run.path, { mode: 0o700 });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
        throw new HumanError(`A run with the id ${runId} exists on this host already.`, { code: 'usage', remedy: 'Use another id.', cause });
      }
      throw new HumanError(`The state directory ${run.path} cannot be written (${(cause as Error).message}); nothing was changed.`, {
        remedy: 'Free some space, or set C10M_STATE_DIRECTORY to a directory that can be written.',
        cause,
      });
    }
    return run;
  }

  runs(): RunDirectory[] {
    let names: string[];
    try {
      names = readdirSync(join(this.path, 'runs'));
    } catch {
      return [];
    }
    return names.sort().map((name) => this.run(name));
  }

  /** Leaves no empty directory behind once the last run is forgotten. */
  removeIfEmpty(): void {
    for (const path of [join(this.path, 'runs'), this.path]) {
      try {
        rmdirSync(path);
      } catch {
        // Something lies there, or another process was quicker.
      }
    }
  }

  /** Removes the oldest of the ended runs that nobody fetched, so that the directory stays bounded. Ids sort by time. */
  prune(): void {
    const ended = this.runs().filter((run) => conditionOfRun(run) === 'ended');
    for (const run of ended.slice(0, Math.max(0, ended.length - keptEndedRuns))) run.remove();
  }
}

/**
 * The state directory of this user: `$C10M_STATE_DIRECTORY`, or `~/.local/state/c10m`, or `/var/tmp/c10m-UID` where the home cannot be
 * written. It survives a reboot, so that a run that a reboot ended can still tell so.
 */
export function openStateDirectory(variables: NodeJS.ProcessEnv, userId: number): StateDirectory {
  const explicit = variables.C10M_STATE_DIRECTORY;
  if (explicit !== undefined && explicit !== '') return new StateDirectory(explicit);
  const stateHome = variables.XDG_STATE_HOME;
  const candidates = [stateHome?.startsWith('/') === true ? join(stateHome, 'c10m') : join(homedir(), '.local', 'state', 'c10m'), `/var/tmp/c10m-${userId}`];
  for (const candidate of candidates) {
    try {
      mkdirSync(candidate, { recursive: true, mode: 0o700 });
      const stat = lstatSync(candidate);
      // In /var/tmp anybody may have made it before us.
      if (stat.isDirectory() && stat.uid === userId) return new StateDirectory(candidate);
    } catch {
      continue;
    }
  }
  throw new HumanError(`No directory for the state of runs can be written (tried ${candidates.join(' and ')}).`, {
    remedy: 'Set C10M_STATE_DIRECTORY to a directory that can be written.',
  });
}

function readJson<Schema extends v.GenericSchema>(path: string, schema: Schema): v.InferOutput<Schema> | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
