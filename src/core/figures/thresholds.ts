import type { Summary } from '../../protocol/events.js';
import { HumanError } from '../errors.js';
import { formatFigure, parseCount } from '../units.js';

export type ThresholdOperator = '<' | '<=' | '>' | '>=' | '==' | '!=';

export interface Threshold {
  /** As the user wrote it. */
  text: string;
  metric: string;
  operator: ThresholdOperator;
  value: number;
}

type SummarySource = Omit<Summary, 'thresholds' | 'exitCode'>;

/** What a threshold may name, with its unit. `established` is the smaller of both sides. Adding one touches this list only. */
export const thresholdMetrics: Record<string, { unit: string; value: (summary: SummarySource) => number | null }> = {
  established: { unit: 'connections', value: ({ established }) => Math.min(established.server, established.client) },
  'established.server': { unit: 'connections', value: ({ established }) => established.server },
  'established.client': { unit: 'connections', value: ({ established }) => established.client },
  failed: { unit: 'connections', value: ({ failed }) => failed.total },
  lost: { unit: 'connections', value: ({ lost }) => lost },
  'connectRate.mean': { unit: 'connections/s', value: ({ connectRate }) => connectRate.mean },
  'connectRate.p50': { unit: 'connections/s', value: ({ connectRate }) => connectRate.p50 },
  'connectRate.max': { unit: 'connections/s', value: ({ connectRate }) => connectRate.max },
  bytesPerEnd: { unit: 'bytes', value: ({ bytesPerEnd }) => bytesPerEnd },
  bytesPerPair: { unit: 'bytes', value: ({ bytesPerPair }) => bytesPerPair },
  explainedRatio: { unit: '0–1', value: ({ explainedRatio }) => explainedRatio },
  rampSeconds: { unit: 's', value: ({ rampSeconds }) => rampSeconds },
  elapsedSeconds: { unit: 's', value: ({ elapsedSeconds }) => elapsedSeconds },
  walls: { unit: 'walls', value: ({ walls }) => walls.length },
  'messages.planned': { unit: 'messages', value: ({ messages }) => messages?.planned ?? null },
  'messages.unanswered': { unit: 'messages', value: ({ messages }) => messages?.unanswered ?? null },
  'tls.rate': { unit: 'handshakes/s', value: ({ tls, rampSeconds }) => (tls === undefined || rampSeconds === 0 ? null : tls.handshakes.client / rampSeconds) },
  'tls.latency.p50': { unit: 'ms', value: ({ tls }) => tls?.latency?.p50 ?? null },
  'tls.latency.p99': { unit: 'ms', value: ({ tls }) => tls?.latency?.p99 ?? null },
  'tls.cpuServer': { unit: 'µs', value: ({ tls }) => tls?.cpuMicroseconds.server ?? null },
  'tls.cpuClient': { unit: 'µs', value: ({ tls }) => tls?.cpuMicroseconds.client ?? null },
  'messages.lost': { unit: 'messages', value: ({ messages }) => messages?.lost ?? null },
  'latency.p50': { unit: 'ms', value: ({ latency }) => latency?.p50 ?? null },
  'latency.p99': { unit: 'ms', value: ({ latency }) => latency?.p99 ?? null },
  'latency.p999': { unit: 'ms', value: ({ latency }) => latency?.p999 ?? null },
  'latency.max': { unit: 'ms', value: ({ latency }) => latency?.max ?? null },
};

const compare: Record<ThresholdOperator, (left: number, right: number) => boolean> = {
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
};

/** `bytesPerEnd<5000`, `established>=1M`. Throws a HumanError (usage) that lists the metrics. */
export function parseThreshold(text: string): Threshold {
  const match = /^\s*([A-Za-z][A-Za-z0-9.]*)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*$/.exec(text);
  const known = Object.keys(thresholdMetrics).join(', ');
  if (match === null) {
    throw new HumanError(`"${text}" is not a threshold.`, {
      code: 'usage',
      remedy: `Write METRIC OPERATOR NUMBER, such as bytesPerEnd<5000. Metrics: ${known}.`,
    });
  }
  const metric = match[1]!;
  if (!Object.hasOwn(thresholdMetrics, metric)) {
    throw new HumanError(`"${metric}" in the threshold "${text}" is not a metric.`, { code: 'usage', remedy: `Metrics: ${known}.` });
  }
  const plain = Number(match[3]);
  const value = Number.isFinite(plain) ? plain : parseCount(match[3]!, `the threshold "${text}"`);
  return { text: text.trim(), metric, operator: match[2] as ThresholdOperator, value };
}

/** The value of a threshold's metric for people: `23,321.2 bytes`, `0.98`; without digits that nobody measured. */
export function formatThresholdValue({ expression, value }: { expression: string; value: number | null }): string {
  if (value === null) return 'no value';
  // A saved run may have thresholds of another version.
  const metric = /^\s*([\w.]+)/.exec(expression)?.[1] ?? '';
  const unit = Object.hasOwn(thresholdMetrics, metric) ? thresholdMetrics[metric]!.unit : '';
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : 3;
  const figure = formatFigure(value, digits);
  return unit === '' || unit === '0–1' ? figure : `${figure} ${unit}`;
}

/** A threshold over a figure that the run does not have (no latency without traffic) has failed. */
export function evaluateThreshold(threshold: Threshold, summary: SummarySource): { expression: string; value: number | null; passed: boolean } {
  const value = thresholdMetrics[threshold.metric]?.value(summary) ?? null;
  return { expression: threshold.text, value, passed: value !== null && compare[threshold.operator](value, threshold.value) };
}

/** Judges expressions as they stand in a spec. One that this version does not understand, such as a metric of a later one, is not known to hold. */
export function evaluateThresholds(expressions: readonly string[], summary: SummarySource): { expression: string; value: number | null; passed: boolean }[] {
  return expressions.map((expression) => {
    try {
      return evaluateThreshold(parseThreshold(expression), summary);
    } catch (error) {
      if (error instanceof HumanError) return { expression, value: null, passed: false };
      throw error;
    }
  });
}
