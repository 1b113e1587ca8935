import { html, LitElement, nothing, svg, type TemplateResult } from 'lit';
import uPlot from 'uplot';
import { downsampleMinMax, downsampleStack, lowerBound, visibleRange } from '../../src/core/figures/downsample.js';
import type { ChartMark } from '../../src/core/figures/marks.js';
import type { SampleColumnStore } from '../../src/core/figures/sampleColumns.js';
import { timeLabel, timeTicks, valueTicks } from '../../src/core/figures/ticks.js';
import { formatDuration } from '../../src/core/units.js';
import { chartCsv } from './chartCsv.js';
import type { ChartDefinition } from './chartDefinitions.js';
import { chartImage } from './chartImage.js';
import { drawMarks, marksAt } from './chartMarks.js';
import { text } from '../../src/core/texts.js';
import { tableView } from './tableView.js';
import { color, gridColor, type ColorName } from './theme.js';

/** Seconds since the run began; undefined: all of it, following its end. */
export interface ChartView {
  from: number;
  to: number;
}

/** As high as reads well at the width: a chart of a wide window must not be a strip. */
function heightOf(widthPx: number, isEnlarged: boolean): number {
  const [least, share, most] = isEnlarged ? [300, 0.4, 480] : [180, 0.3, 260];
  return Math.round(Math.min(most, Math.max(least, widthPx * share)));
}
/** Rows of the table equivalent: enough to see the shape, few enough to read. */
const tableRows = 24;
/** Room that a mark of an axis needs. */
const tickPx = { x: 64, y: 28 };

/** What a chart asks its page for. */
export interface ChartEvents {
  'chart-cursor': { row: number | undefined };
  'chart-zoom': { view: ChartView | undefined };
  'chart-series': string;
  'chart-image': { id: string; image: Blob };
  'chart-csv': { id: string; csv: string };
  'chart-enlarge': string;
}

/** Calls `listener` with what a chart within `element` asks for. */
export function onChart<Name extends keyof ChartEvents>(element: HTMLElement, name: Name, listener: (detail: ChartEvents[Name]) => void): void {
  element.addEventListener(name, (event) => listener((event as CustomEvent<ChartEvents[Name]>).detail));
}

/** A value holds until the next one: there is no slope between two targets. */
const steppedPaths = uPlot.paths.stepped?.({ align: 1 });

/** A chart with its legend, keyboard cursor and table. Draws into the light DOM, so that one style sheet serves all. */
export class ChartElement extends LitElement {
  static override properties = {
    definition: { attribute: false },
    samples: { attribute: false },
    view: { attribute: false },
    revision: { attribute: false },
    hiddenSeries: { attribute: false },
    cursorRow: { attribute: false },
    restRow: { attribute: false },
    marks: { attribute: false },
    enlarged: { attribute: false },
  };
  declare definition: ChartDefinition;
  declare samples: SampleColumnStore;
  declare view: ChartView | undefined;
  /** Changes whenever the samples did. */
  declare revision: number;
  declare hiddenSeries: ReadonlySet<string>;
  /** The row that is read, by mouse or keys; the page sets it on all its charts. Undefined: `restRow`. */
  declare cursorRow: number | undefined;
  /** The row that is read while nobody points at one. Undefined: the last one. */
  declare restRow: number | undefined;
  /** What happened meanwhile; undefined: nothing is marked. */
  declare marks: readonly ChartMark[] | undefined;
  declare enlarged: boolean | undefined;

  private plot: uPlot | undefined;
  private columns: Float32Array[] = [];
  private tableOpen = false;
  private readonly resize = new ResizeObserver(() => this.fit());

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resize.disconnect();
    this.intersection.disconnect();
    this.plot?.destroy();
    this.plot = undefined;
  }

  /** Draws again with the colours of a changed theme. */
  redraw(): void {
    this.plot?.redraw(false, true);
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const { definition } = this;
    const row = this.shownRow();
    return html`
      <section class="chart card" aria-labelledby="title-${definition.id}">
        <header>
          <h2 id="title-${definition.id}">${definition.title}</h2>
          <span class="at">${row === undefined ? nothing : formatDuration(this.samples.column('seconds')[row] ?? 0)}</span>
          <button class="quiet" @click=${() => void this.copyImage()} aria-label=${text('Copy PNG of {0}', definition.title)}>PNG</button>
          <button class="quiet" @click=${() => this.exportCsv()} aria-label=${text('Save CSV of {0}', definition.title)}>CSV</button>
          <button
            class="quiet"
            aria-pressed=${this.enlarged === true ? 'true' : 'false'}
            @click=${() => this.send('chart-enlarge', definition.id)}
            aria-label=${text('Larger: {0}', definition.title)}
          >
            ${text('Larger')}
          </button>
        </header>
        <div
          class="plot"
          role="slider"
          tabindex="0"
          aria-label=${`${definition.title}. ${definition.description}`}
          aria-valuemin="0"
          aria-valuemax=${Math.max(0, this.samples.length - 1)}
          aria-valuenow=${row ?? 0}
          aria-valuetext=${this.readout(row)}
          @keydown=${(event: KeyboardEvent) => this.onKey(event)}
        ></div>
        <p class="pointer" aria-hidden="true"></p>
        <ul class="legend">
          ${definition.series.map((series, position) => this.legendItem(series.label, series.color, series.dash, position, row))}
        </ul>
        <details @toggle=${(event: Event) => this.onToggle(event)}>
          <summary>${text('Table')}</summary>
          ${this.tableOpen ? this.table() : nothing}
        </details>
      </section>
    `;
  }

  override updated(): void {
    const container = this.querySelector<HTMLElement>('.plot');
    if (container === null) return;
    if (this.plot === undefined && container.clientWidth > 0) {
      this.plot = new uPlot(this.options(container.clientWidth), this.data(container.clientWidth), container);
      this.resize.observe(container);
      this.intersection.observe(this);
    } else if (this.plot === undefined) {
      this.resize.observe(container);
    } else if (!this.visible) {
      return;
    } else if (this.drawnEnlarged !== this.enlarged) {
      this.fit(true);
    } else if (this.drawnRevision !== this.revision || this.drawnView !== this.view || this.drawnHidden !== this.hiddenSeries) {
      this.draw();
    } else {
      this.placeCursor();
    }
    this.drawnRevision = this.revision;
    this.drawnView = this.view;
    this.drawnHidden = this.hiddenSeries;
    this.drawnEnlarged = this.enlarged;
  }

  private drawing = false;
  /** Charts outside the window are drawn when they come into it. */
  private visible = true;
  private readonly intersection = new IntersectionObserver((entries) => {
    this.visible = entries.at(-1)?.isIntersecting ?? true;
    if (this.visible) this.requestUpdate();
  });
  private drawnRevision = -1;
  private drawnView: ChartView | undefined;
  private drawnHidden: ReadonlySet<string> | undefined;
  private drawnEnlarged: boolean | undefined;

  private legendItem(label: string, name: ColorName, dash: readonly number[] | undefined, position: number, row: number | undefined): TemplateResult {
    const shown = !this.hiddenSeries.has(`${this.definition.id}.${label}`);
    const value = row === undefined ? undefined : this.columns[position]?.[row];
    return html`<li>
      <button class="quiet" aria-pressed=${shown ? 'true' : 'false'} @click=${() => this.toggleSeries(label)}>
        <svg width="22" height="10" aria-hidden="true">${this.definition.stacked === true ? swatch(name) : stroke(name, dash)}</svg>
        <span>${label}</span>
        <b>${value === undefined || Number.isNaN(value) ? '–' : this.definition.format(value)}</b>
      </button>
    </li>`;
  }

  private readout(row: number | undefined): string {
    if (row === undefined) return text('No samples yet');
    const parts = this.definition.series.map((series, position) => `${series.label} ${this.formatted(this.columns[position]?.[row])}`);
    return `${formatDuration(this.samples.column('seconds')[row] ?? 0)}: ${parts.join(', ')}`;
  }

  private formatted(value: number | undefined): string {
    return value === undefined || Number.isNaN(value) ? '–' : this.definition.format(value);
  }

  private shownRow(): number | undefined {
    this.columns = this.definition.series.map((series) => series.values(this.samples));
    const last = this.samples.length - 1;
    if (last < 0) return undefined;
    return Math.min(this.cursorRow ?? this.restRow ?? last, last);
  }

  private range(): [number, number] {
    const seconds = this.samples.column('seconds');
    // A run is shown from its beginning, not from its first sample; a cut-out of a long one from where it begins.
    const first = seconds[0] ?? 0;
    const from = this.view?.from ?? (first < 15 ? Math.min(0, first) : first);
    const to = this.view?.to ?? seconds[seconds.length - 1] ?? 1;
    return [from, Math.max(to, from + 1)];
  }

  private data(widthPx: number): uPlot.AlignedData {
    const seconds = this.samples.column('seconds');
    const [from, to] = this.range();
    const { start, end } = visibleRange(seconds, from, to);
    // One bucket per pixel: more cannot be seen.
    const buckets = Math.max(50, Math.floor(widthPx));
    if (this.definition.stacked !== true) return gaps(downsampleMinMax(seconds, this.columns, start, end, buckets));
    const parts = this.columns.map((values, position) => (this.isHidden(position) ? new Float32Array(values.length) : values));
    const [x, ...rows] = downsampleStack(seconds, parts, start, end, buckets);
    const totals = new Array<number>(x!.length).fill(0);
    const cumulative = rows.map((row) => row.map((value, index) => (totals[index] = totals[index]! + Math.max(0, value))));
    // The uppermost first: each band is filled down to the next one.
    return [x!, ...cumulative.reverse()];
  }

  private isHidden(position: number): boolean {
    return this.hiddenSeries.has(`${this.definition.id}.${this.definition.series[position]!.label}`);
  }

  private draw(): void {
    const { plot, definition } = this;
    if (plot === undefined) return;
    this.drawing = true;
    // In a batch, everything is done when it returns: otherwise uPlot would move the cursor later, as if the mouse had.
    plot.batch(() => {
      if (definition.stacked !== true) definition.series.forEach((_series, position) => plot.setSeries(position + 1, { show: !this.isHidden(position) }));
      plot.setData(this.data(plot.width));
    });
    this.drawing = false;
    this.placeCursor();
  }

  private fit(isForced = false): void {
    const width = this.querySelector<HTMLElement>('.plot')?.clientWidth ?? 0;
    if (width === 0) return;
    if (this.plot === undefined) {
      this.requestUpdate();
    } else if (isForced || width !== this.plot.width) {
      const { plot } = this;
      this.drawing = true;
      plot.batch(() => plot.setSize({ width, height: heightOf(width, this.enlarged === true) }));
      this.draw();
    }
  }

  private options(width: number): uPlot.Options {
    const { definition } = this;
    const stacked = definition.stacked === true;
    const ordered = stacked ? [...definition.series].reverse() : definition.series;
    const axis = { stroke: () => color('muted'), grid: { stroke: () => gridColor(), width: 1 }, ticks: { stroke: () => gridColor(), width: 1 } };
    return {
      width,
      height: heightOf(width, this.enlarged === true),
      // To the right, half of the last time's label.
      padding: [8, 26, 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: false },
        y: false,
        points: { show: !stacked },
        bind: { dblclick: () => () => (this.zoom(undefined), null) },
      },
      scales: {
        x: { time: false, range: () => this.range() },
        y: { range: (_plot, _minimum, maximum) => [0, Number.isFinite(maximum) && maximum > 0 ? maximum * 1.08 : 1] },
      },
      axes: [
        {
          ...axis,
          size: 28,
          splits: (plot, _axis, from, to) => timeTicks(from, to, plot.width / tickPx.x),
          values: (_plot, splits) => splits.map((value) => timeLabel(value, this.range()[1])),
        },
        {
          ...axis,
          size: labelsWidth,
          splits: (plot, _axis, _from, to) => valueTicks(to, (plot.height - 36) / tickPx.y, definition.steps),
          values: (_plot, splits) => splits.map((value) => (definition.tick ?? definition.format)(value)),
        },
      ],
      series: [
        {},
        ...ordered.map((series) => ({
          label: series.label,
          stroke: () => color(series.color),
          width: stacked ? 1 : 1.5,
          ...(series.dash === undefined ? {} : { dash: [...series.dash] }),
          ...(series.stepped === true && steppedPaths !== undefined ? { paths: steppedPaths } : {}),
          ...(stacked ? { fill: () => color(series.color) } : {}),
          points: { show: false },
        })),
      ],
      ...(stacked ? { bands: ordered.slice(0, -1).map((_series, index): uPlot.Band => ({ series: [index + 1, index + 2] })) } : {}),
      hooks: {
        setCursor: [(plot) => this.onCursor(plot)],
        setSelect: [(plot) => this.onSelect(plot)],
        draw: [(plot) => drawMarks(plot, this.marks ?? [])],
      },
    };
  }

  private onCursor(plot: uPlot): void {
    if (this.drawing) return;
    const { left } = plot.cursor;
    this.showAtPointer(plot, left);
    this.announceCursor(left === undefined || left < 0 ? undefined : this.nearestRow(plot.posToVal(left, 'x')));
  }

  /** Values and marks beside the pointer, over the chart: nothing moves for them. */
  private showAtPointer(plot: uPlot, left: number | undefined): void {
    const place = this.querySelector<HTMLElement>('.pointer');
    if (place === null) return;
    const isShown = left !== undefined && left >= 0 && this.samples.length > 0;
    place.classList.toggle('shown', isShown);
    if (!isShown) return;
    const said = [this.readout(this.nearestRow(plot.posToVal(left, 'x'))), ...marksAt(plot, this.marks ?? [], left)];
    place.textContent = said.join('\n');
    const x = plot.over.offsetLeft + left;
    const isRight = left > plot.over.clientWidth / 2;
    place.style.left = isRight ? '' : `${x + 12}px`;
    place.style.right = isRight ? `${plot.width - x + 12}px` : '';
  }

  private announceCursor(row: number | undefined): void {
    if (row !== this.cursorRow) this.send('chart-cursor', { row });
  }

  /** uPlot drops its cursor when the data change, and knows nothing of the other charts. */
  private placeCursor(): void {
    const { plot, cursorRow } = this;
    if (plot === undefined) return;
    const left = cursorRow === undefined ? -10 : plot.valToPos(this.samples.column('seconds')[cursorRow] ?? 0, 'x');
    plot.setCursor({ left, top: plot.cursor.top !== undefined && plot.cursor.top >= 0 ? plot.cursor.top : 1 }, false);
  }

  private nearestRow(seconds: number): number {
    const x = this.samples.column('seconds');
    const after = Math.min(lowerBound(x, seconds), x.length - 1);
    return after > 0 && seconds - x[after - 1]! < x[after]! - seconds ? after - 1 : after;
  }

  private onSelect(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const view = { from: plot.posToVal(left, 'x'), to: plot.posToVal(left + width, 'x') };
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoom(view);
  }

  private zoom(view: ChartView | undefined): void {
    this.send('chart-zoom', { view });
  }

  private toggleSeries(label: string): void {
    this.send('chart-series', `${this.definition.id}.${label}`);
  }

  private onKey(event: KeyboardEvent): void {
    const last = this.samples.length - 1;
    if (last < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = this.cursorRow ?? last;
    const step = event.shiftKey ? 10 : 1;
    const moves: Record<string, number> = { ArrowLeft: row - step, ArrowRight: row + step, Home: 0, End: last, PageUp: row - 60, PageDown: row + 60 };
    const target = moves[event.key];
    if (target !== undefined) this.announceCursor(Math.max(0, Math.min(last, target)));
    else if (event.key === '+' || event.key === '=') this.zoomAround(row, 0.5);
    else if (event.key === '-') this.zoomAround(row, 2);
    else if (event.key === '0' || event.key === 'Escape') this.zoom(undefined);
    else return;
    event.preventDefault();
  }

  private zoomAround(row: number, factor: number): void {
    const [from, to] = this.range();
    const seconds = this.samples.column('seconds');
    const center = seconds[row]!;
    const half = ((to - from) * factor) / 2;
    const first = seconds[0]!;
    const last = seconds[seconds.length - 1]!;
    if (half * 2 >= last - first) this.zoom(undefined);
    else if (half * 2 >= 2) this.zoom({ from: Math.max(first, center - half), to: Math.min(last, center + half) });
  }

  private onToggle(event: Event): void {
    this.tableOpen = (event.target as HTMLDetailsElement).open;
    this.requestUpdate();
  }

  private table(): TemplateResult {
    const seconds = this.samples.column('seconds');
    const [from, to] = this.range();
    const { start, end } = visibleRange(seconds, from, to);
    const count = Math.min(tableRows, end - start);
    const rows = Array.from({ length: count }, (_value, index) => (count < 2 ? start : start + Math.round((index * (end - 1 - start)) / (count - 1))));
    return tableView(
      [text('Time'), ...this.definition.series.map((series) => series.label)],
      rows.map((row) => ({ label: formatDuration(seconds[row]!), values: this.columns.map((values) => this.formatted(values[row])) })),
      { caption: this.definition.title },
    );
  }

  private async copyImage(): Promise<void> {
    const canvas = this.querySelector('canvas');
    if (canvas === null) return;
    const { stacked, series } = this.definition;
    const legend = series
      .filter((_series, position) => !this.isHidden(position))
      .map(({ label, color, dash }) => ({ label, color, ...(stacked === true ? {} : { dash: dash ?? [] }) }));
    const image = await chartImage(canvas, this.definition.title, legend);
    this.send('chart-image', { id: this.definition.id, image });
  }

  private exportCsv(): void {
    this.send('chart-csv', { id: this.definition.id, csv: chartCsv(this.definition, this.samples) });
  }

  /** To the page, which knows the other charts and the extension. */
  private send<Name extends keyof ChartEvents>(name: Name, detail: ChartEvents[Name]): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
}
customElements.define('c10m-chart', ChartElement);

function stroke(name: ColorName, dash: readonly number[] | undefined): TemplateResult {
  return svg`<line x1="0" x2="22" y1="5" y2="5" stroke-width="2" stroke=${color(name)} stroke-dasharray=${dash?.join(' ') ?? 'none'} />`;
}

function swatch(name: ColorName): TemplateResult {
  return svg`<rect width="22" height="10" fill=${color(name)} />`;
}

/** As wide as its longest label, in a font of 12 px. */
function labelsWidth(_plot: uPlot, labels: string[] | null): number {
  return 22 + Math.max(4, ...(labels ?? []).map((label) => label.length)) * 7;
}

/** uPlot draws a gap where there is null. */
function gaps(columns: number[][]): uPlot.AlignedData {
  const [x, ...series] = columns;
  return [x!, ...series.map((values) => values.map((value) => (Number.isNaN(value) ? null : value)))];
}
