import type { ChartMark } from '../core/figures/marks.js';
import { timeLabel, timeTicks, valueTicks } from '../core/figures/ticks.js';
import { htmlText } from '../core/foreignText.js';

/** One line of a chart. `values` beside the chart's `x`; null is a gap. */
export interface ChartLine {
  label: string;
  values: readonly (number | null)[];
  /** Distinguishable without colour too. */
  dash?: string;
  color: string;
}

export interface Chart {
  title: string;
  /** Seconds. */
  x: readonly number[];
  lines: readonly ChartLine[];
  format(value: number): string;
  /** What happened meanwhile, by the seconds of `x`. */
  marks?: readonly ChartMark[];
}

const width = 880;
const height = 240;
const left = 92;
const bottom = 28;
const top = 10;
/** Points of a line: more than the pixels there are cannot be seen. */
const maximumPoints = 1_600;

/** Places at which the values of a chart can be read with the pointer: eight charts of them are a quarter of a megabyte. */
const maximumPlaces = 150;
const markColors: Record<ChartMark['kind'], string> = { phase: '#808080', order: '#b5179e', wall: '#c1121f' };

/** A line chart as inline SVG that follows the colours of the page. Minimum and maximum of each bucket are kept, so no spike is lost. */
export function svgChart(chart: Chart): string {
  const all = chart.lines.flatMap((line) => line.values.filter((value): value is number => value !== null));
  const highest = Math.max(
    1e-9,
    all.reduce((a, b) => Math.max(a, b), 0),
  );
  const ticksOfValues = valueTicks(highest, 7);
  const maximum = highest * 1.05;
  const lastX = Math.max(1, chart.x.at(-1) ?? 1);
  const xOf = (seconds: number) => left + (seconds / lastX) * (width - left - 10);
  const yOf = (value: number) => top + (1 - value / maximum) * (height - top - bottom);
  const grid = ticksOfValues.map((value) => {
    const y = yOf(value).toFixed(1);
    return `<line x1="${left}" x2="${width - 10}" y1="${y}" y2="${y}" class="grid"/><text x="${left - 6}" y="${y}" dy="4" text-anchor="end">${htmlText(chart.format(value))}</text>`;
  });
  const ticks = timeTicks(0, lastX, 8).map(
    (seconds) => `<text x="${xOf(seconds).toFixed(1)}" y="${height - 8}" text-anchor="middle">${htmlText(timeLabel(seconds, lastX))}</text>`,
  );
  const marks = (chart.marks ?? [])
    .filter(({ seconds }) => seconds >= 0 && seconds <= lastX)
    .map(({ kind, seconds, text }) => {
      const x = xOf(seconds).toFixed(1);
      const dash = { phase: '1 3', order: '6 3', wall: 'none' }[kind];
      return `<g class="mark"><title>${htmlText(text)}</title><line x1="${x}" x2="${x}" y1="${top}" y2="${height - bottom}" stroke="${markColors[kind]}" stroke-dasharray="${dash}"/><rect x="${(Number(x) - 4).toFixed(1)}" y="${top}" width="8" height="10" fill="${markColors[kind]}" fill-opacity="0.6"/></g>`;
    });
  const lines = chart.lines.map(
    (line) =>
      `<path d="${pathOf(chart.x, line.values, xOf, yOf)}" fill="none" stroke="${line.color}" stroke-width="1.6" stroke-linecap="round"${line.dash === undefined ? '' : ` stroke-dasharray="${line.dash}"`}/>`,
  );
  const legend = chart.lines.map(
    (line) =>
      `<span><svg width="26" height="8" aria-hidden="true"><line x1="0" x2="26" y1="4" y2="4" stroke="${line.color}" stroke-width="2"${line.dash === undefined ? '' : ` stroke-dasharray="${line.dash}"`}/></svg> ${htmlText(line.label)}</span>`,
  );
  return `<figure><figcaption>${htmlText(chart.title)}</figcaption><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${htmlText(textOf(chart))}">${grid.join('')}${ticks.join('')}${lines.join('')}${places(chart, lastX, xOf).join('')}${marks.join('')}</svg><div class="legend">${legend.join(' ')}</div></figure>`;
}

/** Bands over the chart that name the values at their time: a report is hovered without a script. */
function places(chart: Chart, lastX: number, xOf: (seconds: number) => number): string[] {
  const step = Math.max(1, Math.ceil(chart.x.length / maximumPlaces));
  const shown = chart.x.map((_seconds, index) => index).filter((index) => index % step === 0);
  return shown.map((index, position) => {
    const seconds = chart.x[index]!;
    const from = position === 0 ? 0 : (seconds + chart.x[shown[position - 1]!]!) / 2;
    const next = shown[position + 1];
    const to = next === undefined ? lastX : (seconds + chart.x[next]!) / 2;
    const values = chart.lines.flatMap(({ label, values: all }) => {
      const value = all[index];
      return value === null || value === undefined ? [] : [`${label} ${chart.format(value)}`];
    });
    const title = `${timeLabel(seconds, lastX)}: ${values.join(', ')}`;
    return `<rect class="at" x="${xOf(from).toFixed(1)}" y="${top}" width="${Math.max(0.5, xOf(to) - xOf(from)).toFixed(1)}" height="${height - top - bottom}"><title>${htmlText(title)}</title></rect>`;
  });
}

/** The text that stands for the chart. */
function textOf(chart: Chart): string {
  const parts = chart.lines.map((line) => {
    const values = line.values.filter((value): value is number => value !== null);
    const last = values.at(-1);
    return last === undefined
      ? `${line.label}: no values`
      : `${line.label}: highest ${chart.format(values.reduce((a, b) => Math.max(a, b), 0))}, last ${chart.format(last)}`;
  });
  return `${chart.title} over ${(chart.x.at(-1) ?? 0).toFixed(0)} s. ${parts.join('. ')}.`;
}

function pathOf(x: readonly number[], values: readonly (number | null)[], xOf: (seconds: number) => number, yOf: (value: number) => number): string {
  const step = Math.max(1, Math.ceil((2 * x.length) / maximumPoints));
  const parts: string[] = [];
  let pen = 'M';
  const draw = (index: number) => {
    const value = values[index];
    if (value === null || value === undefined) {
      pen = 'M';
      return;
    }
    parts.push(`${pen}${xOf(x[index]!).toFixed(1)} ${yOf(value).toFixed(1)}`);
    pen = 'L';
  };
  for (let from = 0; from < x.length; from += step) {
    const indexes = Array.from({ length: Math.min(step, x.length - from) }, (_value, offset) => from + offset).filter((index) => values[index] !== null);
    if (indexes.length === 0) pen = 'M';
    const byValue = [...indexes].sort((a, b) => values[a]! - values[b]!);
    // A gap within a bucket is narrower than a pixel: it must not take the peak beside it.
    const ends = step === 1 || indexes.length < 2 ? indexes : [...new Set([byValue[0]!, byValue.at(-1)!])].sort((a, b) => a - b);
    for (const index of ends) {
      // A value between two gaps would be no line: a dot stands for it.
      const isAlone = step === 1 && pen === 'M' && (values[index + 1] ?? null) === null;
      draw(index);
      if (isAlone) parts.push('h0.1');
    }
  }
  return parts.join('');
}
