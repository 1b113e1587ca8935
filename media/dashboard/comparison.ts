import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { messageOf } from '../../src/core/errors.js';
import { unreachedField } from '../../src/core/figures/compare.js';
import { bandText } from '../../src/core/figures/comparisonTexts.js';
import { valueAt } from '../../src/core/figures/downsample.js';
import { metrics } from '../../src/core/figures/metrics.js';
import { lastHeldRow, SampleColumnStore } from '../../src/core/figures/sampleColumns.js';
import { formatCount } from '../../src/core/units.js';
import type { ComparisonSnapshot, SampleColumns } from '../../src/protocol/panel.js';
import { alignedTimes } from './alignedTimes.js';
import './chart.js';
import { onChart, type ChartElement, type ChartView } from './chart.js';
import type { ChartDefinition } from './chartDefinitions.js';
import type { Host } from './host.js';
import { copyOrSave, saveText } from './saveImage.js';
import { text } from '../../src/core/texts.js';
import { tableView } from './tableView.js';
import { onThemeChange, type ColorName } from './theme.js';

/** The metrics drawn over time. */
const drawn = ['establishedServer', 'connectRate', 'bytesPerEnd', 'ledgerBytes', 'cpuHost', 'failed'] as const;
/** Colour and dashes of each run: told apart by either. */
const strokes: { color: ColorName; dash?: number[] }[] = [
  { color: 'blue' },
  { color: 'orange', dash: [8, 4] },
  { color: 'green', dash: [2, 3] },
  { color: 'purple', dash: [12, 3, 3, 3] },
  { color: 'red' },
  { color: 'yellow', dash: [8, 4] },
  { color: 'foreground', dash: [2, 3] },
  { color: 'muted', dash: [12, 3, 3, 3] },
];
interface Look {
  view?: ChartView | undefined;
  hiddenSeries: ReadonlySet<string>;
  enlarged?: string | undefined;
}
/** Points of the common time axis: more than any screen has pixels. */
const maximumPoints = 20_000;

/** Runs side by side: curves aligned at the start of the ramp, a verdict for each metric, differences, ledgers. */
export class ComparisonElement extends LitElement {
  host!: Host;
  snapshot!: ComparisonSnapshot;

  private store = new SampleColumnStore();
  private endThemeChange: () => void = () => undefined;
  private definitions: ChartDefinition[] = [];
  /** Until a reader points elsewhere, the values are those of the last moment at which all runs held their connections. */
  private restRow: number | undefined;
  private look: Look = { hiddenSeries: new Set() };
  private notice = '';

  constructor() {
    super();
    // Once, however often it is put into the page.
    onChart(this, 'chart-zoom', ({ view }) => this.set({ view }));
    onChart(this, 'chart-enlarge', (id) => this.set({ enlarged: this.look.enlarged === id ? undefined : id }));
    onChart(this, 'chart-series', (id) => {
      const hiddenSeries = new Set(this.look.hiddenSeries);
      if (!hiddenSeries.delete(id)) hiddenSeries.add(id);
      this.set({ hiddenSeries });
    });
    onChart(this, 'chart-cursor', ({ row }) => this.querySelectorAll<ChartElement>('c10m-chart').forEach((chart) => (chart.cursorRow = row)));
    onChart(this, 'chart-image', ({ id, image }) => void this.keep(() => copyOrSave(this.host, `comparison-${id}.png`, image)));
    onChart(this, 'chart-csv', ({ id, csv }) => void this.keep(() => saveText(this.host, `comparison-${id}.csv`, csv)));
  }

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const { comparison, samples } = this.snapshot;
    this.store = alignedStore(samples, comparison.rampStartMs);
    const held = samples.flatMap((_columns, index) => lastHeldRow(this.store.column(`${index}.establishedServer`)) ?? []);
    this.restRow = held.length === 0 ? undefined : Math.min(...held);
    this.definitions = drawn.map((id) => this.definition(id));
    this.endThemeChange = onThemeChange(() => this.querySelectorAll<ChartElement>('c10m-chart').forEach((chart) => chart.redraw()));
  }

  override disconnectedCallback(): void {
    this.endThemeChange();
    super.disconnectedCallback();
  }

  override render(): TemplateResult {
    const { comparison } = this.snapshot;
    const { runs } = comparison;
    return html`
      <header class="head">
        <div class="title">
          <h1>${text('Comparison of {0} runs', runs.length)}</h1>
          <p class="muted">${text('Verdicts are against the baseline, the first run. Within the noise band two figures count as the same.')}</p>
        </div>
        <div class="actions"><button type="button" class="secondary" @click=${() => void this.exportReport()}>${text('Export report…')}</button></div>
        ${this.notice === '' ? nothing : html`<p class="notice" role="status">${this.notice}</p>`}
      </header>
      <section class="card" aria-labelledby="differences-title">
        <h2 id="differences-title">${text('Differences')}</h2>
        ${this.differences(text('Run'), comparison.spec)} ${this.differences(text('Host'), comparison.host)}
        ${this.differences(text('Kernel settings'), comparison.tuning)}
      </section>
      <section class="card" aria-labelledby="metrics-title">
        <h2 id="metrics-title">${text('Results')}</h2>
        ${unequalWarning(comparison)}
        <table class="comparison">
          <thead>
            <tr>
              <th scope="col">${text('Metric')}</th>
              ${runs.map((run, index) => html`<th scope="col">${run.label} ${index === 0 ? html`<span class="badge">${text('baseline')}</span>` : this.baselineButton(run)}</th>`)}
              <th scope="col">${text('Noise band')}</th>
            </tr>
          </thead>
          <tbody>
            ${comparison.metrics.map(
              (metric) =>
                html`<tr data-metric=${metric.id}>
                  <th scope="row">${metric.title}</th>
                  ${metric.texts.map((value, index) => html`<td>${value} ${verdictView(metric.verdicts[index], metric.changes[index])}</td>`)}
                  <td class="muted">${bandText(metric)}</td>
                </tr>`,
            )}
            <tr>
              <th scope="row">${text('Walls')}</th>
              ${comparison.walls.map((walls) => html`<td>${walls.join(', ') || text('none')}</td>`)}
              <td></td>
            </tr>
          </tbody>
        </table>
      </section>
      <div class="charts">
        ${this.definitions.map((definition) => html`<c10m-chart .definition=${definition} .samples=${this.store} .view=${this.look.view} .revision=${0} .restRow=${this.restRow} .hiddenSeries=${this.look.hiddenSeries} .enlarged=${this.look.enlarged === definition.id} class=${this.look.enlarged === definition.id ? 'enlarged' : ''}></c10m-chart>`)}
      </div>
      <section class="card" aria-labelledby="ledger-title">
        <h2 id="ledger-title">${text('Where each byte goes')}</h2>
        ${this.table(
          text('Bytes per end'),
          comparison.ledger.map((row) => ({ label: row.label, values: row.bytesPerEnd.map((bytes) => (bytes === null ? '–' : formatCount(bytes))) })),
        )}
      </section>
    `;
  }

  private baselineButton({ id, label }: ComparisonSnapshot['comparison']['runs'][number]): TemplateResult {
    return html`<button
      type="button"
      class="quiet baseline"
      aria-label=${text('Make baseline: {0}', label)}
      @click=${() => void this.keep(() => this.host.request({ name: 'baseline', runId: id }).then(() => '', messageOf))}
    >
      ${text('Make baseline')}
    </button>`;
  }

  private differences(title: string, rows: readonly { field: string; values: (string | null)[] }[]): TemplateResult {
    if (rows.length === 0) return html`<p class="empty">${title}: ${text('no difference')}</p>`;
    return this.table(
      title,
      rows.map((row) => ({ label: row.field, values: row.values.map((value) => value ?? '–') })),
    );
  }

  private table(title: string, rows: readonly { label: string; values: readonly string[] }[]): TemplateResult {
    return tableView([text('Field'), ...this.snapshot.comparison.runs.map((run) => run.label)], rows, { caption: title, className: 'comparison' });
  }

  private definition(id: string): ChartDefinition {
    const metric = metrics.find((candidate) => candidate.id === id)!;
    return {
      id,
      title: metric.title,
      description: text('{0} over the seconds since the start of the ramp, one line for each run.', metric.title),
      format: (value) => metric.format(value),
      unit: metric.unit,
      ...(metric.unit.startsWith('connections') ? { steps: 'counts' as const } : id === 'ledgerBytes' ? { steps: 'bytes' as const } : {}),
      series: this.snapshot.comparison.runs.map((run, index) => ({
        label: run.label,
        ...strokes[index % strokes.length]!,
        values: (store) => store.column(`${index}.${id}`),
      })),
    };
  }

  private async exportReport(): Promise<void> {
    try {
      await this.host.request({ name: 'command', command: 'exportReport' });
    } catch (error) {
      this.notice = messageOf(error);
      this.requestUpdate();
    }
  }

  private set(look: Partial<Look>): void {
    this.look = { ...this.look, ...look };
    this.requestUpdate();
  }

  private async keep(action: () => Promise<string>): Promise<void> {
    this.notice = await action();
    this.requestUpdate();
  }
}
customElements.define('c10m-comparison', ComparisonElement);

function verdictView(verdict: string | undefined, change: number | null | undefined): TemplateResult | typeof nothing {
  if (verdict === undefined || verdict === 'baseline' || verdict === 'unknown') return nothing;
  const percent =
    change === null || change === undefined || !Number.isFinite(change) || Math.abs(change) < 0.0005
      ? ''
      : ` ${change > 0 ? '+' : '−'}${Math.abs(change * 100).toFixed(1)} %`;
  const looks: Record<string, { word: string; sign: string; className: string; severity?: string }> = {
    same: { word: text('same'), sign: '', className: 'muted' },
    better: { word: text('better'), sign: '✓ ', className: 'badge', severity: 'success' },
    worse: { word: text('worse'), sign: '✗ ', className: 'badge', severity: 'error' },
    differs: { word: text('differs'), sign: '≠ ', className: 'badge' },
  };
  const look = looks[verdict];
  // What is the same needs no attention.
  return look === undefined ? nothing : html`<span class="${look.className} ${look.severity ?? ''}">${look.sign}${look.word}${percent}</span>`;
}

/** Verdicts between runs that were asked for different things are no verdicts on what changed: said above them. */
function unequalWarning({ spec }: ComparisonSnapshot['comparison']): TemplateResult | typeof nothing {
  const asked = spec.filter(({ field }) => decisive.has(field)).map(({ field, values }) => `${field} (${values.map((value) => value ?? '–').join(', ')})`);
  if (asked.length === 0) return nothing;
  return html`<p class="warning unequal">
    ${text('These runs did not do the same: {0}. Figures and verdicts below compare what differs for that reason, too.', asked.join('; '))}
  </p>`;
}
/** Names of `Comparison.spec` without which figures of two runs can be held beside each other. */
const decisive: ReadonlySet<string> = new Set(['connections', 'protocol', 'client', 'stages', unreachedField, 'orders', 'tls']);

/** All runs on one time axis that counts from the start of each run's ramp; the columns of run 1 are `0.…`, of run 2 `1.…`. */
function alignedStore(samples: readonly SampleColumns[], rampStartMs: readonly number[]): SampleColumnStore {
  const runs = samples.map((columns, index) => ({ store: new SampleColumnStore(columns), startSeconds: (rampStartMs[index] ?? 0) / 1000 }));
  const ends = runs.map(({ store, startSeconds }) => (store.column('seconds')[store.length - 1] ?? 0) - startSeconds);
  const peaks = runs.map(({ store }) => store.column('establishedServer').reduce((peak, value) => Math.max(peak, value), 0));
  const end = Math.max(1, ...ends);
  // Samples come once a second, but the ramp of a short run lies between two of them.
  const step = Math.max(end < 60 ? 0.1 : 1, end / maximumPoints);
  const result = new SampleColumnStore();
  const own = runs.map(({ store, startSeconds }) => Array.from(store.column('seconds'), (seconds) => seconds - startSeconds));
  for (const seconds of alignedTimes(own, step, end)) {
    const row: Record<string, number> = { seconds };
    runs.forEach(({ store, startSeconds }, index) => {
      const times = store.column('seconds');
      const at = startSeconds + seconds;
      const beyond = seconds > ends[index]! + step / 2 || store.length === 0;
      const held = valueAt(times, store.column('establishedServer'), at);
      // With few connections the cost of the processes alone would set the scale.
      const tooFew = !(held >= (peaks[index] ?? 0) / 10);
      for (const id of drawn) row[`${index}.${id}`] = beyond || (id === 'bytesPerEnd' && tooFew) ? Number.NaN : valueAt(times, store.column(id), at);
    });
    result.append(row);
  }
  return result;
}
