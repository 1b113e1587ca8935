import { kernelFloorBytesPerEnd } from '../core/plan/costs.js';
import { ledgerItems } from '../core/figures/ledger.js';
import {
  bytesPerEndIn2014Text,
  connectRateText,
  endName,
  failedText,
  latencyText,
  messagesText,
  protocolPartText,
  protocolTitle,
  tlsText,
  wallText,
} from '../core/figures/resultTexts.js';
import { formatThresholdValue } from '../core/figures/thresholds.js';
import { formatBytes, formatCount, formatCountOf, formatKilobytesPerEnd } from '../core/units.js';
import type { Summary } from '../protocol/events.js';
import type { Plan } from '../protocol/plan.js';
import type { RunModel } from '../core/run/model.js';
import { judgeRun, verdictWord } from '../core/verdict.js';
import { table } from './table.js';

/** The table that ends a run in the terminal, and `c10m runs show`. */
export function summaryText(state: Pick<RunModel, 'summary' | 'spec' | 'runId'> & { plan?: Pick<Plan, 'tls'> | undefined }, directory: string): string {
  const { summary, spec } = state;
  if (summary === undefined)
    return `The run ${state.runId} has no summary: its end was not seen. If its host still keeps it, fetch it with: c10m runs follow ${state.runId}\n${directory}\n`;
  const { established, ledger } = summary;
  const rows: string[][] = [
    ['result', `${verdictWord(judgeRun(summary, spec).verdict)}${summary.reason === undefined ? '' : `: ${summary.reason}`}`],
    ['target', formatCountOf(summary.target, `${protocolTitle(spec.protocol)} connection`)],
    ['established', `${formatCount(established.server)} on the server, ${formatCount(established.client)} on the client`],
    ['failed', failedText(summary.failed)],
    ['connect rate', connectRateText(summary)],
    [
      `bytes per ${endName(spec)}`,
      `${formatKilobytesPerEnd(summary.bytesPerEnd)} (kernel floor ${formatKilobytesPerEnd(kernelFloorBytesPerEnd)}; 2014: ${bytesPerEndIn2014Text(spec.protocol)})`,
    ],
  ];
  if (summary.bytesPerPair !== null) rows.push(['bytes per pair', formatKilobytesPerEnd(summary.bytesPerPair)]);
  if (spec.client === 'stateless') rows.push(['client', 'without sockets']);
  if (spec.protocol === 'both') for (const [protocol, part] of Object.entries(summary.byProtocol)) rows.push([protocolTitle(protocol), protocolPartText(part)]);
  const tls = tlsText(summary, state.plan);
  if (tls !== undefined) rows.push(['TLS', tls]);
  if (summary.lost > 0) rows.push(['lost', `${formatCount(summary.lost)} connections ended by themselves`]);
  if (summary.latency !== undefined) rows.push(['latency', latencyText(summary.latency)]);
  if (summary.messages !== undefined) rows.push(['messages', messagesText(summary.messages)]);
  rows.push(...foreignRows(summary.foreign));
  for (const wall of summary.walls) rows.push(['wall', wallText(wall)]);
  for (const threshold of summary.thresholds)
    rows.push(['threshold', `${threshold.expression}: ${threshold.passed ? 'holds' : 'FAILED'} (${formatThresholdValue(threshold)})`]);
  rows.push([
    'host',
    summary.hostRestored
      ? 'as it was found'
      : `NOT fully restored: ${summary.keys
          .filter((key) => key.outcome === 'refused')
          .map((key) => key.key)
          .join(', ')}`,
  ]);
  rows.push(['saved run', directory]);
  return `\n${table(rows)}${ledger === null ? '' : `\n${ledgerText(ledger, spec.protocol === 'both' ? summary.byProtocol : {})}`}`;
}

/** Where the bytes are, largest first. `byProtocol`: a column for each, in a run of both. */
export function ledgerText(ledger: NonNullable<Summary['ledger']>, byProtocol: Summary['byProtocol'] = {}): string {
  const label = new Map(ledgerItems.map((item) => [item.id, item.label]));
  const total = ledger.explainedBytes;
  const parts = Object.values(byProtocol);
  const rows = Object.entries(ledger.entries)
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([id, bytes]) => [
      `  ${label.get(id) ?? id}`,
      formatBytes(bytes),
      `${((100 * bytes) / Math.max(1, total)).toFixed(1)} %`,
      ...parts.map(({ entries }) => formatBytes(entries?.[id] ?? 0)),
    ]);
  if (parts.length > 0) rows.unshift(['', '', '', ...Object.keys(byProtocol).map(protocolTitle)]);
  rows.push(['  together', formatBytes(total), ledger.explainedRatio === null ? '' : `${(100 * ledger.explainedRatio).toFixed(1)} % of what memory grew by`]);
  const reused = ledger.reusedSlotBytes ?? 0;
  if (reused >= 1024 ** 2) rows.push(['  reused free slots', formatBytes(reused), 'of it in slots that were free before']);
  const notes = [...(ledger.approximate ? ['approximate: the kernel shows its object counts to root only'] : []), ...ledger.contamination];
  return `where the bytes are\n${table(rows)}${notes.map((note) => `  note: ${note}\n`).join('')}`;
}

/** What the user's own server said and did beside holding connections. */
function foreignRows(foreign: Summary['foreign']): string[][] {
  if (foreign === undefined) return [];
  const { answers = [], upstream, keepAlive, notEchoed } = foreign;
  const rows: string[][] = [];
  if (upstream !== undefined)
    rows.push(['upstream', `${formatCountOf(upstream, 'socket')} of the server beside those of the clients: a proxy's, or of its backends here`]);
  if (keepAlive !== undefined)
    rows.push(['keep-alive', `${formatCount(keepAlive.sent)} sent, ${formatCount(keepAlive.answered)} answered, ${formatCount(keepAlive.unanswered)} not`]);
  if (notEchoed !== undefined) rows.push(['no echo', `${formatCount(notEchoed)} answers were not what was sent: the server is no echo server`]);
  for (const { when, text, count } of answers) rows.push(['server said', `${text === '' ? '(nothing)' : text} (${when}, ${formatCount(count)} times)`]);
  return rows;
}
