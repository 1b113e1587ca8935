import type { ComparedMetric, Comparison, Difference, MetricVerdict } from '../../protocol/comparison.js';
import type { Sample } from '../../protocol/events.js';
import type { SavedRun } from '../../protocol/result.js';
import { formatBytes } from '../units.js';
import { isTargetReached } from '../verdict.js';
import { type ComparedFigure, comparedFigures } from './comparedFigures.js';
import { ledgerItems } from './ledger.js';
import { ledgerEnds } from './ledgerEnds.js';
import { bandOfMeans, bandOfSingles, isWithin, spreadOf } from './noise.js';

/** A run with its samples, as it is compared. */
export interface ComparedRun {
  run: SavedRun;
  samples: readonly Sample[];
  /** The orders that were given to it, in words. */
  orders?: readonly string[];
}

/**
 * Compares runs with the first one. `history`: further runs, of which the repetitions of the compared ones (`sameSpecKey`) give the noise band: three of
 * them at least. Where both specs have so many, the means of the repetitions are compared, else the single runs. A run that is judged against repetitions
 * of the first one is none of them: it would widen the band until it lies within. Runs without a summary have no values.
 */
export function compareRuns(runs: readonly ComparedRun[], history: readonly SavedRun[] = []): Comparison {
  const saved = runs.map(({ run }) => run);
  const [baseline] = saved;
  const judged = new Set(saved.filter((run) => run !== baseline && sameSpecKey(run) === sameSpecKey(baseline!)).map((run) => run.id));
  const known = [...new Map([...history, ...saved].map((run) => [run.id, run])).values()].filter((run) => !judged.has(run.id) && isWhole(run));
  const ofKey = new Map<string, SavedRun[]>();
  for (const run of known) ofKey.set(sameSpecKey(run), [...(ofKey.get(sameSpecKey(run)) ?? []), run]);
  return {
    runs: saved.map((run) => ({
      id: run.id,
      label: run.name ?? run.id,
      startedAt: run.startedAt,
      host: run.facts?.hostname ?? run.spec.host,
      exitCode: run.summary?.exitCode ?? null,
    })),
    spec: differences(runs.map(runFields)),
    host: differences(saved.map(hostFields)),
    tuning: differences(saved.map((run) => Object.fromEntries((run.plan?.sysctls ?? []).map(({ key, target }) => [key, target])))),
    metrics: comparedFigures.flatMap((figure) => compareMetric(figure, runs, (run) => ofKey.get(sameSpecKey(run)) ?? [])),
    ledger: compareLedgers(saved),
    walls: saved.map((run) => (run.summary?.walls ?? []).map((wall) => wall.id)),
    rampStartMs: runs.map(({ samples }) => samples.find((sample) => sample.phase === 'ramping' || sample.phase === 'holding')?.t ?? 0),
  };
}

/** A repetition that says something: one that did what it was asked to. */
function isWhole({ summary, spec }: SavedRun): boolean {
  return summary?.verdict === 'finished' && isTargetReached(summary, spec);
}

/** One value beside the first, and the band in which they are the same. */
interface Judged {
  change: number | null;
  band: number;
  isMeasured: boolean;
  /** Runs behind the first value and behind this one. */
  repetitions: [number, number];
}

function compareMetric(figure: ComparedFigure, runs: readonly ComparedRun[], repetitionsOf: (run: SavedRun) => readonly SavedRun[]): ComparedMetric[] {
  const { id, title, unit, better } = figure;
  const values = runs.map(({ run }) => (run.summary === undefined ? null : figure.value(run.summary)));
  if (values.every((value) => value === null)) return [];
  const groups = runs.map(({ run }) => repetitionsOf(run).flatMap(({ summary }) => (summary === undefined ? [] : (figure.value(summary) ?? []))));
  const judged = values.map((value, index) => {
    const isRepetition = sameSpecKey(runs[index]!.run) === sameSpecKey(runs[0]!.run);
    return judge(figure, { value: values[0]!, group: groups[0]! }, { value, group: isRepetition ? [] : groups[index]! });
  });
  const verdicts = judged.map(({ change, band }, index): MetricVerdict => {
    if (index === 0) return 'baseline';
    if (change === null) return 'unknown';
    if (isWithin(change, band)) return 'same';
    if (better === null) return 'differs';
    return change > 0 === (better === 'higher') ? 'better' : 'worse';
  });
  const others = judged.slice(1);
  const shown = others.length === 0 ? judged : others;
  return [
    {
      id,
      title,
      unit,
      better,
      values,
      texts: values.map((value) => (value === null ? '–' : figure.format(value))),
      changes: judged.map(({ change }, index) => (index === 0 && change !== null ? 0 : change)),
      verdicts,
      noise: Math.max(...shown.map(({ band }) => band)),
      noiseSource: shown.every(({ isMeasured }) => isMeasured) ? 'measured' : 'assumed',
      repetitions: judged.map(({ repetitions }) => repetitions),
    },
  ];
}

interface Side {
  value: number | null;
  /** Values of its repetitions. */
  group: readonly number[];
}

function judge({ assumedNoise, resolution }: ComparedFigure, first: Side, other: Side): Judged {
  const [before, now] = [spreadOf(first.group), spreadOf(other.group)];
  if (before !== undefined && now !== undefined)
    return {
      change: relativeChange(before.mean, now.mean),
      band: bandOfMeans(before, now, resolution),
      isMeasured: true,
      repetitions: [before.count, now.count],
    };
  const change = first.value === null || other.value === null ? null : relativeChange(first.value, other.value);
  const spread = before ?? now;
  return {
    change,
    band: spread === undefined ? assumedNoise : bandOfSingles(spread, resolution),
    isMeasured: spread !== undefined,
    repetitions: [1, 1],
  };
}

function relativeChange(first: number, value: number): number {
  if (first === value) return 0;
  return first === 0 ? (value > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY) : (value - first) / Math.abs(first);
}

/** Fields of a spec that change nothing of what is measured. */
const irrelevantFields: ReadonlySet<string> = new Set(['name', 'thresholds', 'abortOnThresholdSeconds', 'leaseSeconds', 'waitForHost']);

/** Runs with the same key are repetitions: the same spec (whatever its name), by the same host and kernel. */
export function sameSpecKey(run: SavedRun): string {
  const spec = Object.entries(run.spec)
    .filter(([field, value]) => !irrelevantFields.has(field) && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([spec, run.facts?.hostname ?? null, run.facts?.kernel ?? null]);
}

/** The field of a comparison that says of a run that it did not reach its target. */
export const unreachedField = 'target reached';

/** What was asked for, and what was not reached: said before all figures. */
function runFields({ run, orders = [] }: ComparedRun): Record<string, string> {
  const { summary } = run;
  const held = summary === undefined ? undefined : Math.min(summary.established.server, summary.established.client);
  return {
    ...textFields(run.spec),
    ...(summary === undefined || held === undefined || isTargetReached(summary, run.spec) ? {} : { [unreachedField]: `no: ${held} of ${summary.target}` }),
    ...(orders.length === 0 ? {} : { orders: orders.join('; ') }),
    'C10M version': run.c10mVersion,
  };
}

function textFields(fields: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function hostFields({ facts }: SavedRun): Record<string, string> {
  if (facts === undefined) return {};
  const { hostname, kernel, distribution, architecture, nodeVersion, cores, privilege } = facts;
  const memory = formatBytes(facts.memory.totalBytes);
  return textFields({ hostname, kernel, distribution, architecture, nodeVersion, cores, memory, privilege, nofile: facts.nofile.raisable });
}

function differences(records: readonly Record<string, string>[]): Difference[] {
  const fields = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return fields
    .map((field) => ({ field, values: records.map((record) => record[field] ?? null) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}

function compareLedgers(runs: readonly SavedRun[]): Comparison['ledger'] {
  const labels = new Map(ledgerItems.map((item) => [item.id, item.label]));
  const ids = new Set([...labels.keys(), ...runs.flatMap((run) => Object.keys(run.summary?.ledger?.entries ?? {}))]);
  return [...ids]
    .map((id) => ({
      id,
      label: labels.get(id) ?? id,
      bytesPerEnd: runs.map(({ summary }) => {
        const bytes = summary?.ledger?.entries[id];
        const ends = summary?.ledger == null ? 0 : ledgerEnds(summary.ledger, summary.established);
        return bytes === undefined || ends === 0 ? null : bytes / ends;
      }),
    }))
    .filter(({ bytesPerEnd }) => bytesPerEnd.some((value) => value !== null && Math.abs(value) >= 1));
}
