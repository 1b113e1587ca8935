import { kernelFloorBytesPerEnd } from '../core/plan/costs.js';
import { htmlText, markdownText } from '../core/foreignText.js';
import { ledgerItems } from '../core/figures/ledger.js';
import { ledgerEnds } from '../core/figures/ledgerEnds.js';
import { metrics } from '../core/figures/metrics.js';
import { formatThresholdValue } from '../core/figures/thresholds.js';
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
import { judgeRun, verdictWord } from '../core/verdict.js';
import { marksOf } from '../core/figures/marks.js';
import { entryText } from '../core/run/line.js';
import { formatBytes, formatCount, formatDuration, formatKilobytesPerEnd } from '../core/units.js';
import type { Comparison } from '../protocol/comparison.js';
import type { Ledger, Sample } from '../protocol/events.js';
import type { PanelEntry } from '../protocol/panel.js';
import type { SavedRun } from '../protocol/result.js';
import { comparisonTables, htmlTable, markdownTable, type ReportTable } from './comparisonReport.js';
import { unreadableText } from './exchange.js';
import { type Chart, svgChart } from './svgChart.js';

/** A run with its samples, as read from the store. */
export interface ReportedRun {
  run: SavedRun;
  samples: readonly Sample[];
  /** What happened, oldest first. */
  entries?: readonly PanelEntry[];
  /** Lines of its events that could not be read. */
  unreadableLines?: number;
}

export const reportFormats = ['html', 'md', 'csv', 'json'] as const;
export type ReportFormat = (typeof reportFormats)[number];

/**
 * A report of one run, or of several side by side, as one self-contained text. CSV has the samples, all others the results too; HTML and
 * Markdown begin with the verdicts where there is a comparison.
 */
export function reportText(format: ReportFormat, runs: readonly ReportedRun[], comparison?: Comparison): string {
  const tables = comparison === undefined ? [] : comparisonTables(comparison);
  switch (format) {
    case 'html':
      return htmlReport(runs, tables);
    case 'md':
      return [...(tables.length === 0 ? [] : [`# Comparison of ${runs.length} runs\n`]), ...tables.map(markdownTable), ...runs.map(markdownOf)].join('\n');
    case 'csv':
      return csvReport(runs);
    case 'json':
      return `${JSON.stringify(
        runs.map(({ run, samples }) => ({ run, samples })),
        undefined,
        1,
      )}\n`;
  }
}

export function titleOf(run: SavedRun): string {
  return run.name ?? `${protocolTitle(run.spec.protocol)} on ${run.spec.host}, ${run.spec.engine}`;
}

/** Less is within what a quiet host does. */
const reusedWorthShowingBytes = 1024 ** 2;

/** The result of a run as rows of name and value. */
export function resultRows({ run, unreadableLines }: ReportedRun): [name: string, value: string][] {
  const { summary, spec, facts } = run;
  const damage: [string, string][] = unreadableLines === undefined || unreadableLines === 0 ? [] : [['Damaged', unreadableText(unreadableLines)]];
  const rows: [string, string][] = [
    ['Run', run.id],
    ['Started', run.startedAt],
    ...damage,
    [
      'Host',
      facts === undefined
        ? spec.host
        : `${spec.host}: ${facts.hostname}, ${facts.distribution}, kernel ${facts.kernel}, ${facts.cores} cores, ${formatBytes(facts.memory.totalBytes)}`,
    ],
    [
      'Asked for',
      `${spec.connections === 'max' ? 'as many as fit' : formatCount(spec.connections)} connections, ${spec.protocol}${spec.client === 'stateless' ? ', a client without sockets' : ''}, engine ${spec.engine}${spec.command === undefined ? '' : ` (${spec.command})`}`,
    ],
  ];
  if (summary === undefined) return [...rows, ['Result', verdictWord('incomplete')]];
  const { established, failed, latency } = summary;
  const judgement = judgeRun(summary, spec);
  rows.push(
    ['Result', `${verdictWord(judgement.verdict)}${summary.reason === undefined ? '' : `: ${summary.reason}`}, exit code ${judgement.exitCode}`],
    ['Established', `${formatCount(established.server)} on the server, ${formatCount(established.client)} on the client`],
    ['Failed', failedText(failed)],
    ['Connect rate', connectRateText(summary)],
    [
      `Bytes per ${endName(spec)}`,
      `${formatKilobytesPerEnd(summary.bytesPerEnd)} (kernel floor ${formatKilobytesPerEnd(kernelFloorBytesPerEnd)}, in 2014 ${bytesPerEndIn2014Text(spec.protocol)})`,
    ],
    ['Bytes per pair', formatKilobytesPerEnd(summary.bytesPerPair)],
    ...(spec.protocol === 'both'
      ? Object.entries(summary.byProtocol).map(([protocol, part]): [string, string] => [protocolTitle(protocol), protocolPartText(part)])
      : []),
    ['Explained', summary.explainedRatio === null ? 'too little grew to say' : `${(summary.explainedRatio * 100).toFixed(1)} % of the growth of memory`],
  );
  const tls = tlsText(summary, run.plan);
  if (tls !== undefined) rows.push(['TLS', tls]);
  if (summary.messages !== undefined) rows.push(['Messages', messagesText(summary.messages)]);
  if (latency !== undefined) rows.push(['Latency', latencyText(latency)]);
  for (const wall of summary.walls) rows.push(['Wall', wallText(wall)]);
  const reused = summary.ledger?.reusedSlotBytes ?? 0;
  if (reused >= reusedWorthShowingBytes)
    rows.push(['Reused free slots', `${formatBytes(reused)} of the kernel's objects took slots that earlier runs had left: memory did not grow for them`]);
  if (summary.ledger?.approximate === true) rows.push(['Note', 'approximate: the kernel shows its object counts to root only']);
  for (const note of summary.ledger?.contamination ?? []) rows.push(['Note', note]);
  for (const threshold of summary.thresholds)
    rows.push(['Threshold', `${threshold.expression}: ${threshold.passed ? 'holds' : 'failed'} (${formatThresholdValue(threshold)})`]);
  rows.push(['Host afterwards', summary.hostRestored ? 'as it was found' : 'not fully restored']);
  return rows;
}

/** The ledger as rows of object, bytes, bytes per end and share, largest first. */
export function ledgerRows(ledger: Ledger, ends: number): [object: string, bytes: string, perEnd: string, share: string][] {
  const label = new Map(ledgerItems.map((item) => [item.id, item.label]));
  const total = Math.max(1, ledger.explainedBytes);
  const perEnd = (bytes: number) => (ends === 0 ? '–' : `${formatCount(bytes / ends)} B`);
  const rows = Object.entries(ledger.entries)
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([id, bytes]): [string, string, string, string] => [
      label.get(id) ?? id,
      formatBytes(bytes),
      perEnd(bytes),
      `${((100 * bytes) / total).toFixed(1)} %`,
    ]);
  return [...rows, ['Together', formatBytes(ledger.explainedBytes), perEnd(ledger.explainedBytes), '100 %']];
}

function endsOf({ run: { summary } }: ReportedRun): number {
  return summary?.ledger == null ? 0 : ledgerEnds(summary.ledger, summary.established);
}

function markdownOf(reported: ReportedRun): string {
  const rows = (lines: readonly (readonly string[])[]) => lines.map((line) => `| ${line.map(markdownText).join(' | ')} |`).join('\n');
  const ledger = reported.run.summary?.ledger;
  return `# ${markdownText(titleOf(reported.run))}\n\n| | |\n|---|---|\n${rows(resultRows(reported))}\n${
    ledger === null || ledger === undefined
      ? ''
      : `\n## Where each byte goes\n\n| Object | Bytes | Per end | Share |\n|---|---|---|---|\n${rows(ledgerRows(ledger, endsOf(reported)))}\n`
  }`;
}

/** RFC 4180. One line a sample; all metrics of the one list, and the entries of the ledger. */
function csvReport(runs: readonly ReportedRun[]): string {
  const entries = ledgerItems.map((item) => item.id);
  const quote = (value: string | number | null) =>
    value === null ? '' : typeof value === 'number' ? String(value) : /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  const header = [
    'run',
    'seconds',
    'phase',
    'target',
    ...metrics.map((metric) => `${metric.id} (${metric.unit})`),
    ...entries.map((id) => `ledger ${id} (bytes)`),
  ];
  const lines = runs.flatMap(({ run, samples }) =>
    samples.map((sample) => [
      run.id,
      sample.t / 1000,
      sample.phase,
      sample.target,
      ...metrics.map((metric) => metric.value(sample)),
      ...entries.map((id) => sample.ledger.entries[id] ?? null),
    ]),
  );
  return `${[header, ...lines].map((line) => line.map(quote).join(',')).join('\r\n')}\r\n`;
}

const colors = ['#1f77b4', '#d9730d', '#2a9d4f', '#b5179e', '#7a5195', '#8a6d3b'];
const dashes = [undefined, '6 3', '2 3', '8 3 2 3'];

type Drawn = Pick<(typeof metrics)[number], 'id' | 'title' | 'value' | 'format'>;
/** What the run aims at, drawn beside what it holds. */
const targetLine: Drawn = { id: 'target', title: 'Target', value: (sample) => sample.target, format: formatCount };

/** The charts of a report: each metric of all runs on one time axis that begins with the ramp. */
export function reportCharts(runs: readonly ReportedRun[]): Chart[] {
  const groups: [title: string, ids: string[]][] = [
    ['Established connections', ['establishedServer', 'establishedClient']],
    ['Connect rate', ['connectRate']],
    ['Bytes per end', ['bytesPerEnd']],
    ['Memory of the run', ['ledgerBytes']],
    ['CPU by role, in cores', ['cpuServer', 'cpuClient', 'cpuHost']],
    ['Failed connections', ['failed']],
    ['Messages per second', ['messagesPerSecond']],
    ['Latency', ['latencyP50', 'latencyP99']],
  ];
  const only = runs.length === 1 ? runs[0] : undefined;
  return groups.flatMap(([title, ids]) => {
    const chosen: readonly Drawn[] = [...metrics.filter((metric) => ids.includes(metric.id)), ...(ids.includes('establishedServer') ? [targetLine] : [])];
    const x = [...new Set(runs.flatMap(({ samples }) => relativeSeconds(samples)))].sort((a, b) => a - b);
    const lines = runs.flatMap(({ run, samples }, runIndex) =>
      chosen.map((metric, metricIndex) => {
        const at = new Map(relativeSeconds(samples).map((seconds, index) => [seconds, metric.value(samples[index]!)]));
        const dash = dashes[(runs.length > 1 ? runIndex : metricIndex) % dashes.length];
        // Times of other runs are no gaps of this one: only its own points are drawn.
        const values = x.map((seconds) => at.get(seconds) ?? null);
        return {
          label: runs.length > 1 ? `${metric.title}, ${titleOf(run)} (${run.id.slice(-6)})` : metric.title,
          values,
          color: colors[(runIndex * chosen.length + metricIndex) % colors.length]!,
          ...(dash === undefined ? {} : { dash }),
        };
      }),
    );
    const isEmpty = lines.every((line) => line.values.every((value) => value === null || value === 0));
    const first = chosen[0];
    return isEmpty || first === undefined
      ? []
      : [
          {
            title,
            x,
            lines: lines.map((line) => ({ ...line, values: runs.length > 1 ? interpolate(x, line.values) : line.values })),
            format: (value: number) => first.format(value),
            // Of several runs they would lie over each other.
            ...(only === undefined
              ? {}
              : { marks: marksOf(only.entries ?? []).map((mark) => ({ ...mark, seconds: mark.seconds - rampBegin(only.samples) / 1_000 })) }),
          },
        ];
  });
}

/** Seconds since the ramp began, to the millisecond: samples that follow each other closely stay apart. */
function relativeSeconds(samples: readonly Sample[]): number[] {
  const begin = rampBegin(samples);
  return samples.map((sample) => Math.max(0, Math.round(sample.t - begin) / 1000));
}

/** Milliseconds of the run at which its ramp began. */
function rampBegin(samples: readonly Sample[]): number {
  return samples.find((sample) => sample.phase === 'ramping')?.t ?? samples[0]?.t ?? 0;
}

/** The events of a run as rows of time, level and what was said. */
function entryRows(entries: readonly PanelEntry[]): [time: string, level: string, said: string][] {
  return entries.map((entry) => [formatDuration(entry.t / 1_000), entry.level, entryText(entry)]);
}

/** Fills points between two samples of the same run on a straight line, so that a shared axis draws no gaps. */
function interpolate(x: readonly number[], values: readonly (number | null)[]): (number | null)[] {
  const known = values.flatMap((value, index) => (value === null ? [] : [index]));
  const result = [...values];
  for (let position = 0; position + 1 < known.length; position++) {
    const from = known[position]!;
    const to = known[position + 1]!;
    for (let index = from + 1; index < to; index++)
      result[index] = values[from]! + ((values[to]! - values[from]!) * (x[index]! - x[from]!)) / (x[to]! - x[from]!);
  }
  return result;
}

const style = `:root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem;background:Canvas;color:CanvasText}
table{border-collapse:collapse;margin:1rem 0}th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid color-mix(in srgb,CanvasText 20%,transparent);vertical-align:top}
th{font-weight:600}td.number{text-align:right;font-variant-numeric:tabular-nums}figure{margin:1.5rem 0}figcaption{font-weight:600}svg text{font-size:11px;fill:CanvasText}.grid{stroke:color-mix(in srgb,CanvasText 18%,transparent)}
.at{fill:transparent}.at:hover{fill:color-mix(in srgb,CanvasText 12%,transparent)}.legend span{margin-right:1.25rem;white-space:nowrap}`;

function htmlReport(runs: readonly ReportedRun[], tables: readonly ReportTable[]): string {
  const title = runs.length === 1 ? titleOf(runs[0]!.run) : `Comparison of ${runs.length} runs`;
  const sections = runs.map((reported) => {
    const rows = resultRows(reported).map(([name, value]) => `<tr><th scope="row">${htmlText(name)}</th><td>${htmlText(value)}</td></tr>`);
    const ledger = reported.run.summary?.ledger;
    const ledgerTable =
      ledger === null || ledger === undefined
        ? ''
        : `<h3>Where each byte goes</h3><table><thead><tr><th scope="col">Object</th><th scope="col">Bytes</th><th scope="col">Per end</th><th scope="col">Share</th></tr></thead><tbody>${ledgerRows(
            ledger,
            endsOf(reported),
          )
            .map(
              ([object, ...cells]) =>
                `<tr><th scope="row">${htmlText(object)}</th>${cells.map((cell) => `<td class="number">${htmlText(cell)}</td>`).join('')}</tr>`,
            )
            .join('')}</tbody></table>`;
    const events = entryRows(reported.entries ?? []).map(
      ([time, level, said]) => `<tr class="${level}"><td class="number">${htmlText(time)}</td><td>${htmlText(said)}</td></tr>`,
    );
    const eventTable =
      events.length === 0 ? '' : `<details><summary>Events and orders (${events.length})</summary><table><tbody>${events.join('')}</tbody></table></details>`;
    return `<section>${runs.length === 1 ? '' : `<h2>${htmlText(titleOf(reported.run))}</h2>`}<table><tbody>${rows.join('')}</tbody></table>${ledgerTable}${eventTable}</section>`;
  });
  const charts = reportCharts(runs).map(svgChart);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>C10M: ${htmlText(title)}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>${style}</style></head>
<body><main><h1>${htmlText(title)}</h1>${tables.map(htmlTable).join('\n')}${sections.join('\n')}<h2>Over time</h2>${charts.length === 0 ? '<p>No samples.</p>' : charts.join('\n')}
<p>Made by C10M. An end is one of the two sockets of a connection; a pair is both. What each figure is, where it is from and how far it can be wrong: docs/method.md of C10M.</p></main></body></html>
`;
}
