import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HumanError } from '../core/errors.js';
import { highestStage } from '../core/figures/summary.js';
import { judgeRun, type RunVerdict } from '../core/verdict.js';
import { replaceFile } from '../files/durableFile.js';
import type { SavedRun } from '../protocol/result.js';
import { labelsFileName, withLabels } from './labels.js';
import { readRunFile, runFileName } from './runFiles.js';
import { runIdPattern } from './runId.js';

/** What a list shows of a run without reading its events. */
export interface RunListEntry {
  id: string;
  /** `unreadable`: the directory is there but is no run (any more); `problem` says why. */
  state: 'ok' | 'unreadable';
  problem?: string;
  name?: string;
  tags: string[];
  pinned: boolean;
  startedAt: string;
  endedAt?: string;
  host: string;
  protocol: string;
  engine: string;
  connections: number | 'max';
  /** Absent while it runs, or when its end was never seen. */
  verdict?: 'finished' | 'failed' | 'stopped';
  /** As this laptop judges it; absent as `verdict` is. */
  result?: RunVerdict;
  exitCode?: number;
  established?: number;
  bytesPerEnd?: number | null;
}

const indexFileName = 'index.json';
const indexFormat = 3;

interface IndexFile {
  format: number;
  entries: Record<string, { mtimeMs: number; labelsMtimeMs: number; entry: RunListEntry }>;
}

export function entryOf(run: SavedRun): RunListEntry {
  const { summary } = run;
  return {
    id: run.id,
    state: 'ok',
    ...(run.name === undefined ? {} : { name: run.name }),
    tags: run.tags,
    pinned: run.pinned,
    startedAt: run.startedAt,
    ...(run.endedAt === undefined ? {} : { endedAt: run.endedAt }),
    host: run.spec.host,
    protocol: run.spec.protocol,
    engine: run.spec.engine,
    connections: highestStage(run.spec.stages) ?? run.spec.connections,
    ...(summary === undefined
      ? {}
      : {
          verdict: summary.verdict,
          result: judgeRun(summary, run.spec).verdict,
          exitCode: summary.exitCode,
          established: Math.min(summary.established.server, summary.established.client),
          bytesPerEnd: summary.bytesPerEnd,
        }),
  };
}

/**
 * All runs of a store, newest first. Only `run.json` and `labels.json` files that changed since the last time are read (by their mtime), so that ten
 * thousand runs cost twenty thousand stat calls. The index is a cache: without it, or with a damaged one, the result is the same.
 */
export function listRuns(directory: string): RunListEntry[] {
  const known = readIndex(directory);
  const entries: IndexFile['entries'] = {};
  let changed = false;
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => runIdPattern.test(name));
  } catch {
    return [];
  }
  for (const name of names) {
    const path = join(directory, name);
    const mtimeMs = mtimeOf(join(path, runFileName));
    const labelsMtimeMs = mtimeOf(join(path, labelsFileName));
    const before = known[name];
    if (before !== undefined && before.mtimeMs === mtimeMs && before.labelsMtimeMs === labelsMtimeMs && mtimeMs !== 0) {
      entries[name] = before;
      continue;
    }
    changed = true;
    entries[name] = { mtimeMs, labelsMtimeMs, entry: readEntry(path, name) };
  }
  if (changed || Object.keys(known).length !== names.length) {
    try {
      replaceFile(join(directory, indexFileName), JSON.stringify({ format: indexFormat, entries } satisfies IndexFile));
    } catch {
      // A read-only store is listed all the same, only slower.
    }
  }
  return Object.values(entries)
    .map(({ entry }) => entry)
    .sort((a, b) => (a.id < b.id ? 1 : -1));
}

function mtimeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function readEntry(path: string, name: string): RunListEntry {
  try {
    // A directory that was renamed by hand keeps working under its new name.
    return { ...entryOf(withLabels(path, readRunFile(path))), id: name };
  } catch (error) {
    const problem = error instanceof HumanError ? error.text : String(error);
    return { id: name, state: 'unreadable', problem, tags: [], pinned: false, startedAt: '', host: '', protocol: '', engine: '', connections: 0 };
  }
}

function readIndex(directory: string): IndexFile['entries'] {
  try {
    const index = JSON.parse(readFileSync(join(directory, indexFileName), 'utf8')) as Partial<IndexFile>;
    return index.format === indexFormat && typeof index.entries === 'object' ? index.entries : {};
  } catch {
    return {};
  }
}
