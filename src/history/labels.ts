import { join } from 'node:path';
import * as v from 'valibot';
import { parseForeign } from '../core/foreignText.js';
import { replaceFile } from '../files/durableFile.js';
import { readRegular } from '../files/regularFile.js';
import type { RunFile, SavedRun } from '../protocol/result.js';

export const labelsFileName = 'labels.json';
const maximumLabelsBytes = 1024 * 1024;

/** `labels.json` of a run's directory: what a person gave to a run in the history. Written by the history only, as `run.json` is by the run only. */
const labelsSchema = v.object({
  format: v.literal(1),
  /** Null: the person removed the name; absent: none was given, and that of the spec holds. */
  name: v.optional(v.nullable(v.string())),
  tags: v.optional(v.array(v.string()), []),
  pinned: v.optional(v.boolean(), false),
});
type Labels = v.InferOutput<typeof labelsSchema>;

/** What changes; what is absent stays. */
export interface LabelChanges {
  /** Undefined or empty: no name. */
  name?: string | undefined;
  tags?: string[];
  pinned?: boolean;
}

/** The labels of a run. Until they are changed for the first time, those of 0.1.0 in `run.json`; damaged ones count as none. */
export function readLabels(directory: string, run: RunFile): Labels {
  let text: string;
  try {
    text = readRegular(join(directory, labelsFileName), maximumLabelsBytes).toString('utf8');
  } catch {
    return { format: 1, ...(run.name === undefined ? {} : { name: run.name }), tags: run.tags ?? [], pinned: run.pinned ?? false };
  }
  const parsed = v.safeParse(labelsSchema, parseForeign(text));
  return parsed.success ? parsed.output : { format: 1, tags: [], pinned: false };
}

/** Throws what node:fs throws; the labels are then as they were. */
export function changeLabels(directory: string, run: RunFile, changes: LabelChanges): void {
  const labels = readLabels(directory, run);
  if (changes.tags !== undefined) labels.tags = changes.tags;
  if (changes.pinned !== undefined) labels.pinned = changes.pinned;
  if ('name' in changes) labels.name = changes.name === undefined || changes.name.trim() === '' ? null : changes.name.trim();
  writeLabels(directory, labels);
}

/** A run of 0.1.0 that is written again would lose the labels in its `run.json`: they get their own file first. */
export function moveOldLabels(directory: string, run: RunFile): void {
  if (run.name !== undefined || run.tags !== undefined || run.pinned !== undefined) writeLabels(directory, readLabels(directory, run));
}

function writeLabels(directory: string, labels: Labels): void {
  replaceFile(join(directory, labelsFileName), `${JSON.stringify(labels, undefined, 1)}\n`);
}

/** What is written to `run.json`. */
export function withoutLabels(run: RunFile): RunFile {
  const record = { ...run };
  delete record.name;
  delete record.tags;
  delete record.pinned;
  return record;
}

/** A run with its labels. */
export function withLabels(directory: string, record: RunFile): SavedRun {
  const { name, tags, pinned } = readLabels(directory, record);
  const shown = name === undefined ? record.spec.name : (name ?? undefined);
  const run: SavedRun = { ...withoutLabels(record), tags, pinned };
  if (shown !== undefined) run.name = shown;
  return run;
}
