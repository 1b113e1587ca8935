import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { HumanError } from '../../src/core/errors.js';
import { lastHeldRow } from '../../src/core/figures/sampleColumns.js';
import { marksOf } from '../../src/core/figures/marks.js';
import { formatDuration } from '../../src/core/units.js';
import { verdictLooks } from '../../src/core/verdict.js';
import type { PanelCommand, PanelRequest } from '../../src/protocol/panel.js';
import './chart.js';
import { onChart, type ChartElement, type ChartView } from './chart.js';
import { chartDefinitions, type ChartDefinition } from './chartDefinitions.js';
import './controls.js';
import { figuresOf, phaseText, type Figures } from './figures.js';
import type { Host } from './host.js';
import { ledgerView } from './ledgerBar.js';
import { entriesView, wallsView } from './lists.js';
import type { DashboardModel } from './model.js';
import { outcomeView } from './outcome.js';
import { copyOrSave, saveText } from './saveImage.js';
import { protocolsView } from './protocolsView.js';
import { specView } from './specView.js';
import { text } from '../../src/core/texts.js';
import { onThemeChange } from './theme.js';
import { tilesView } from './tiles.js';
import { verdictOf } from './verdictView.js';

/** How the panel looks; kept by VS Code over a reload of the panel. */
interface ViewState {
  view?: ChartView | undefined;
  /** Seconds of the running end that are shown; 0: everything. */
  tailSeconds: number;
  hiddenSeries: string[];
  withDetail: boolean;
  /** The chart that takes the whole width. */
  enlarged?: string | undefined;
}

const tails = [0, 60, 300, 3600];

/** The dashboard of one run. */
export class DashboardElement extends LitElement {
  static override properties = { model: { attribute: false }, revision: { attribute: false } };
  declare model: DashboardModel;
  declare revision: number;
  host!: Host;

  private state: ViewState = { tailSeconds: 0, hiddenSeries: [], withDetail: false };
  private definitions: readonly ChartDefinition[] = [];
  private hiddenSeries: ReadonlySet<string> = new Set();
  private stopping = false;
  private endThemeChange: () => void = () => undefined;
  private notice = '';

  constructor() {
    super();
    // Once, however often it is put into the page.
    onChart(this, 'chart-zoom', ({ view }) => this.change({ view }));
    onChart(this, 'chart-series', (id) => this.toggleSeries(id));
    onChart(this, 'chart-enlarge', (id) => this.change({ enlarged: this.state.enlarged === id ? undefined : id }));
    onChart(this, 'chart-cursor', ({ row }) => this.querySelectorAll<ChartElement>('c10m-chart').forEach((chart) => (chart.cursorRow = row)));
    onChart(this, 'chart-image', ({ id, image }) => void this.keep(() => copyOrSave(this.host, `${this.model.run.runId}-${id}.png`, image)));
    onChart(this, 'chart-csv', ({ id, csv }) => void this.keep(() => saveText(this.host, `${this.model.run.runId}-${id}.csv`, csv)));
  }

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const saved = this.host.viewState;
    if (typeof saved === 'object' && saved !== null && 'look' in saved) this.state = { ...this.state, ...(saved.look as Partial<ViewState>) };
    this.hiddenSeries = new Set(this.state.hiddenSeries);
    this.definitions = chartDefinitions();
    this.endThemeChange = onThemeChange(() => {
      this.querySelectorAll<ChartElement>('c10m-chart').forEach((chart) => chart.redraw());
      this.requestUpdate();
    });
  }

  override disconnectedCallback(): void {
    this.endThemeChange();
    super.disconnectedCallback();
  }

  override render(): TemplateResult {
    const { run, samples } = this.model;
    const figures = figuresOf(run);
    const established =
      run.summary?.ledger !== undefined && !figures.running
        ? figures.server + figures.client
        : (run.last?.established.server ?? 0) + (run.last?.established.client ?? 0);
    const ledger = figures.running || run.summary === undefined ? run.last?.ledger : run.summary.ledger;
    const marks = marksOf(this.model.entries);
    return html`
      ${this.head(figures)} ${tilesView(run, figures)}
      <div class="slot">${this.controls(figures)} ${outcomeView(run, verdictOf(run))}</div>
      ${this.chartBar(figures)}
      <div class="charts">
        ${repeat(
          this.definitions.filter((definition) => definition.hidden?.(samples) !== true),
          (definition) => definition.id,
          (definition) =>
            html`<c10m-chart
              class=${this.state.enlarged === definition.id ? 'enlarged' : ''}
              .definition=${definition}
              .samples=${samples}
              .view=${this.shownView(figures)}
              .revision=${this.model.revision}
              .hiddenSeries=${this.hiddenSeries}
              .restRow=${figures.running ? undefined : lastHeldRow(samples.column('establishedServer'))}
              .marks=${marks}
              .enlarged=${this.state.enlarged === definition.id}
            ></c10m-chart>`,
        )}
      </div>
      ${protocolsView(run)}
      <section class="card" aria-labelledby="ledger-title">
        <h2 id="ledger-title">${text('Where each byte goes')}</h2>
        ${ledgerView(ledger, established)}
      </section>
      <div class="columns">
        <section class="card" aria-labelledby="walls-title">
          <h2 id="walls-title">${text('Walls')}</h2>
          ${wallsView(run)}
        </section>
        <section class="card" aria-labelledby="events-title">
          <header>
            <h2 id="events-title">${text('Events')}</h2>
            <label class="check"
              ><input
                type="checkbox"
                .checked=${this.state.withDetail}
                @change=${(event: Event) => this.change({ withDetail: (event.target as HTMLInputElement).checked })}
              />
              ${text('Details')}</label
            >
          </header>
          ${entriesView(this.model.entries, this.state.withDetail)}
        </section>
      </div>
      <section class="card" aria-labelledby="spec-title">
        <h2 id="spec-title">${text('Run and host')}</h2>
        ${specView(run)}
      </section>
      <p class="visually-hidden" role="status" aria-live="polite">${this.announcement()}</p>
      ${this.notice === '' ? nothing : html`<p class="notice" role="status">${this.notice}</p>`}
    `;
  }

  private controls(figures: Figures): TemplateResult | typeof nothing {
    const { run } = this.model;
    if (!figures.running || run.link === 'saved') return nothing;
    return html`<section class="card" aria-label=${text('Controls')}>
      <c10m-controls
        .send=${(request: PanelRequest) => this.host.request(request)}
        .target=${figures.target}
        .rate=${figures.askedRate}
        .held=${Math.min(figures.server, figures.client)}
      ></c10m-controls>
    </section>`;
  }

  /** States are announced, samples are not. */
  private announcement(): string {
    return `${this.model.run.title}: ${phaseText(this.model.run)}. ${this.notice}`;
  }

  private head(figures: Figures): TemplateResult {
    const { run } = this.model;
    const verdict = verdictOf(run);
    return html`<header class="head">
      <div class="title">
        <h1>${run.title}</h1>
        ${this.placeLine()}
      </div>
      <span class="phase ${verdict === undefined ? '' : verdictLooks[verdict].severity}" data-c10m="phase">${phaseText(run)}</span>
      <div class="actions">
        ${figures.running ? nothing : this.commandsAfterwards()} ${this.command('showLog', text('Log'))}
        ${
          // Its place stays empty afterwards: a second click must not hit another button.
          html`<button
            type="button"
            class="stop ${figures.running ? '' : 'spent'}"
            data-c10m=${figures.running ? 'stop' : nothing}
            ?disabled=${this.stopping || !figures.running}
            @click=${() => void this.stop()}
          >
            ${this.stopping ? text('Stopping…') : text('Stop')}
          </button>`
        }
      </div>
    </header>`;
  }

  /** Where and when; while something is wrong with the link, what: in the same line, so that nothing moves for it. */
  private placeLine(): TemplateResult {
    const { run } = this.model;
    const isLost = run.link === 'lost';
    if (isLost || (run.linkText !== undefined && run.linkText !== ''))
      return html`<p class="muted link-text" role="status">
        ${isLost ? html`<span class="badge warn">${text('Link lost, reconnecting')}</span>` : nothing} ${run.linkText}
      </p>`;
    const hostname = run.facts?.hostname;
    const place = run.host === 'local' ? (hostname === undefined ? text('This machine') : text('This machine ({0})', hostname)) : run.host;
    return html`<p class="muted">${place}, ${new Date(run.startedAt).toLocaleString()}${run.tags.map((tag) => html` <span class="badge">${tag}</span>`)}</p>`;
  }

  /** A run that did not begin was not saved: there is nothing to report of it. */
  private commandsAfterwards(): TemplateResult {
    const repeat = this.command('repeatRun', text('Run again'));
    if (this.model.run.phases.length === 0) return repeat;
    return html`${repeat} ${this.command('exportReport', text('Export report…'))} ${this.command('copySummary', text('Copy as Markdown'))}
    ${this.command('saveRunAsProfile', text('Save as profile…'))}`;
  }

  private command(command: PanelCommand, label: string): TemplateResult {
    return html`<button type="button" class="secondary" @click=${() => void this.request({ name: 'command', command })}>${label}</button>`;
  }

  private chartBar(figures: Figures): TemplateResult {
    const { tailSeconds, view } = this.state;
    return html`<div class="chart-bar" role="toolbar" aria-label=${text('Time shown')}>
      ${
        figures.running
          ? tails.map(
              (tail) =>
                html`<button
                  type="button"
                  class="quiet"
                  aria-pressed=${view === undefined && tail === tailSeconds ? 'true' : 'false'}
                  @click=${() => this.change({ tailSeconds: tail, view: undefined })}
                >
                  ${tail === 0 ? text('All') : text('Last {0}', formatDuration(tail))}
                </button>`,
            )
          : nothing
      }
      ${view === undefined ? nothing : html`<button type="button" class="quiet" @click=${() => this.change({ view: undefined })}>${text('Reset zoom')} (${formatDuration(view.from)} – ${formatDuration(view.to)})</button>`}
      <span class="muted hint">${text('Drag to zoom, double-click or 0 to reset, arrow keys to read values')}</span>
    </div>`;
  }

  private shownView(figures: Figures): ChartView | undefined {
    if (this.state.view !== undefined || !figures.running || this.state.tailSeconds === 0) return this.state.view;
    const seconds = this.model.samples.column('seconds');
    const to = seconds[seconds.length - 1] ?? 0;
    return { from: Math.max(seconds[0] ?? 0, to - this.state.tailSeconds), to };
  }

  private change(change: Partial<ViewState>): void {
    this.state = { ...this.state, ...change };
    this.host.saveViewState({ look: this.state });
    this.requestUpdate();
  }

  private toggleSeries(id: string): void {
    const hidden = new Set(this.hiddenSeries);
    if (!hidden.delete(id)) hidden.add(id);
    this.hiddenSeries = hidden;
    this.change({ hiddenSeries: [...hidden] });
  }

  private async stop(): Promise<void> {
    this.stopping = true;
    this.requestUpdate();
    await this.request({ name: 'stop' });
    this.stopping = false;
    this.requestUpdate();
  }

  private async request(request: PanelRequest): Promise<void> {
    try {
      await this.host.request(request);
      this.notice = '';
    } catch (error) {
      this.notice = error instanceof HumanError ? error.text : String(error);
    }
    this.requestUpdate();
  }

  private async keep(action: () => Promise<string>): Promise<void> {
    this.notice = await action();
    this.requestUpdate();
  }
}
customElements.define('c10m-dashboard', DashboardElement);
