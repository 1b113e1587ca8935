import type { ComparedMetric, Comparison, Difference, MetricVerdict } from '../../protocol/comparison.js';
import type { Sample, Summary } from '../../protocol/events.js';
import type { SavedRun } from '../../protocol/result.js';
import { ledgerItems } from './ledger.js';
import { formatBytes, formatCount, formatDuration, formatKilobytesPerEnd, formatRate } from '../units.js';

/** A run with its samples, as it is compared. */
export interface ComparedRun {
  run: SavedRun;
  samples: readonly Sample[];
}

interface MetricDefinition {
  id: string;
  title: string;
  unit: string;
  better: ComparedMetric['better'];
  /** Noise assumed while there are no repetitions: measured spread of quiet repetitions on one virtual machine. */
  assumedNoise: number;
  value(summary: Summary, samples: readonly Sample[]): number | null;
  format(value: number): string;
}

const definitions: readonly MetricDefinition[] = [
  {
    id: 'established',
    title: 'Established',
    unit: 'connections',
    better: 'higher',
    assumedNoise: 0,
    value: ({ established }) => Math.min(established.server, established.client),
    format: formatCount,
  },
  { id: 'failed', title: 'Failed', unit: 'connections', better: 'lower', assumedNoise: 0, value: ({ failed }) => failed.total, format: formatCount },
  { id: 'lost', title: 'Lost', unit: 'connections', better: 'lower', assumedNoise: 0, value: ({ lost }) => lost, format: formatCount },
  {
    id: 'bytesPerEnd',
    title: 'Bytes per end',
    unit: 'bytes',
    better: 'lower',
    assumedNoise: 0.02,
    value: ({ bytesPerEnd }) => bytesPerEnd,
    format: formatKilobytesPerEnd,
  },
  {
    id: 'connectRateMean',
    title: 'Connect rate, mean',
    unit: 'connections/s',
    better: 'higher',
    assumedNoise: 0.25,
    value: ({ connectRate }) => connectRate.mean,
    format: formatRate,
  },
  {
    id: 'connectRateP50',
    title: 'Connect rate, median',
    unit: 'connections/s',
    better: 'higher',
    assumedNoise: 0.25,
    value: ({ connectRate }) => connectRate.p50,
    format: formatRate,
  },
  { id: 'rampSeconds', title: 'Ramp', unit: 's', better: 'lower', assumedNoise: 0.25, value: ({ rampSeconds }) => rampSeconds, format: formatDuration },
  {
    id: 'cpuPerConnection',
    title: 'CPU time per connection',
    unit: 'µs',
    better: 'lower',
    assumedNoise: 0.25,
    value: ({ cpuMicrosecondsPerConnection }) => cpuMicrosecondsPerConnection,
    format: (value) => `${value.toFixed(0)} µs`,
  },
  {
    id: 'ledgerBytes',
    title: 'Memory of the run',
    unit: 'bytes',
    better: 'lower',
    assumedNoise: 0.02,
    value: ({ ledger }) => ledger?.explainedBytes ?? null,
    format: formatBytes,
  },
  {
    id: 'explainedRatio',
    title: 'Explained',
    unit: '0–1',
    better: null,
    assumedNoise: 0.03,
    value: ({ explainedRatio }) => explainedRatio,
    format: (value) => `${(value * 100).toFixed(1)} %`,
  },
  {
    id: 'latencyP50',
    title: 'Latency p50',
    unit: 'ms',
    better: 'lower',
    assumedNoise: 0.25,
    value: ({ latency }) => latency?.p50 ?? null,
    format: milliseconds,
  },
  {
    id: 'latencyP99',
    title: 'Latency p99',
    unit: 'ms',
    better: 'lower',
    assumedNoise: 0.5,
    value: ({ latency }) => latency?.p99 ?? null,
    format: milliseconds,
  },
];

function milliseconds(value: number): string {
  return `${value.toFixed(2)} ms`;
}

/**
 * Compares runs with the first one. `history`: further runs, of which those with the same spec on the same host as one of the compared
 * give the noise band (three of them at least). A run that is judged against repetitions of the first one is none of them: it would
 * widen the band until it lies within. Runs without a summary have no values.
 */
export function compareRuns(runs: readonly ComparedRun[], history: readonly SavedRun[] = []): Comparison {
  const saved = runs.map(({ run }) => run);
  const [baseline] = saved;
  const judged = new Set(saved.filter((run) => run !== baseline && sameSpecKey(run) === sameSpecKey(baseline!)).map((run) => run.id));
  const known = [...new Map([...history, ...saved].map((run) => [run.id, run])).values()].filter((run) => !judged.has(run.id));
  return {
    runs: saved.map((run) => ({
      id: run.id,
      label: run.name ?? run.id,
      startedAt: run.startedAt,
      host: run.facts?.hostname ?? run.spec.host,
      exitCode: run.summary?.exitCode ?? null,
    })),
    spec: differences(saved.map((run) => textFields(run.spec))),
    host: differences(saved.map(hostFields)),
    tuning: differences(saved.map((run) => Object.fromEntries((run.plan?.sysctls ?? []).map(({ key, target }) => [key, target])))),
    metrics: definitions.flatMap((definition) => compareMetric(definition, runs, known)),
    ledger: compareLedgers(saved),
    walls: saved.map((run) => (run.summary?.walls ?? []).map((wall) => wall.id)),
    rampStartMs: runs.map(({ samples }) => samples.find((sample) => sample.phase === 'ramping' || sample.phase === 'holding')?.t ?? 0),
  };
}

function compareMetric(definition: MetricDefinition, runs: readonly ComparedRun[], known: readonly SavedRun[]): ComparedMetric[] {
  const { id, title, unit, better } = definition;
  const values = runs.map(({ run, samples }) => (run.summary === undefined ? null : definition.value(run.summary, samples)));
  if (values.every((value) => value === null)) return [];
  const measured = measuredNoise(definition, runs, known);
  const noise = measured ?? definition.assumedNoise;
  const [first] = values;
  const changes = values.map((value) => (value === null || first === null || first === undefined ? null : relativeChange(first, value)));
  const verdicts = changes.map((change, index): MetricVerdict => {
    if (index === 0) return 'baseline';
    if (change === null) return 'unknown';
    if (Math.abs(change) <= noise) return 'same';
    if (better === null) return 'differs';
    return change > 0 === (better === 'higher') ? 'better' : 'worse';
  });
  const texts = values.map((value) => (value === null ? '–' : definition.format(value)));
  return [{ id, title, unit, better, values, texts, changes, verdicts, noise, noiseSource: measured === undefined ? 'assumed' : 'measured' }];
}

function relativeChange(first: number, value: number): number {
  if (first === value) return 0;
  return first === 0 ? (value > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY) : (value - first) / Math.abs(first);
}

/** With fewer repetitions a spread says nothing. */
const repetitionsWorthABand = 3;

/** Largest distance from the median among repetitions of one of the compared runs, relative to the median. */
function measuredNoise(definition: MetricDefinition, runs: readonly ComparedRun[], known: readonly SavedRun[]): number | undefined {
  let widest: number | undefined;
  for (const key of new Set(runs.map(({ run }) => sameSpecKey(run)))) {
    const values = known
      .filter((run) => sameSpecKey(run) === key && run.summary?.verdict === 'finished')
      .map((run) => definition.value(run.summary!, []))
      .filter((value) => value !== null)
      .sort((a, b) => a - b);
    if (values.length < repetitionsWorthABand) continue;
    const median = values[values.length >> 1]!;
    if (median === 0) continue;
    const spread = Math.max(median - values[0]!, values[values.length - 1]! - median) / Math.abs(median);
    widest = Math.max(widest ?? 0, spread);
  }
  return widest;
}

/** Runs with the same key are repetitions: the same spec (whatever its name) on the same host and kernel. */
export function sameSpecKey(run: SavedRun): string {
  const spec = Object.entries(run.spec).filter(([field]) => field !== 'name' && field !== 'thresholds');
  return JSON.stringify([spec, run.facts?.hostname ?? null, run.facts?.kernel ?? null]);
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
        const ends = (summary?.established.server ?? 0) + (summary?.established.client ?? 0);
        return bytes === undefined || ends === 0 ? null : bytes / ends;
      }),
    }))
    .filter(({ bytesPerEnd }) => bytesPerEnd.some((value) => value !== null && Math.abs(value) >= 1));
}
