import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { HumanError } from '../../src/core/errors.js';
import { lastHeldRow } from '../../src/core/figures/sampleColumns.js';
import { formatThresholdValue } from '../../src/core/figures/thresholds.js';
import { formatBytes, formatCount, formatDuration, formatRate } from '../../src/core/units.js';
import type { PanelCommand, PanelRequest } from '../../src/protocol/panel.js';
import './chart.js';
import type { ChartElement, ChartView } from './chart.js';
import { chartDefinitions, type ChartDefinition } from './chartDefinitions.js';
import './controls.js';
import { figuresOf, phaseText, type Figures } from './figures.js';
import type { Host } from './host.js';
import { ledgerView } from './ledgerBar.js';
import { entriesView, wallsView } from './lists.js';
import type { DashboardModel } from './model.js';
import { copyOrSave } from './saveImage.js';
import { protocolsView } from './protocolsView.js';
import { specView } from './specView.js';
import { text } from '../../src/core/texts.js';
import { onThemeChange } from './theme.js';

/** How the panel looks; kept by VS Code over a reload of the panel. */
interface ViewState {
  view?: ChartView | undefined;
  /** Seconds of the running end that are shown; 0: everything. */
  tailSeconds: number;
  hiddenSeries: string[];
  withDetail: boolean;
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
  private notice = '';
  private announcedPhase: string | undefined;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const saved = this.host.viewState;
    if (typeof saved === 'object' && saved !== null && 'look' in saved) this.state = { ...this.state, ...(saved.look as Partial<ViewState>) };
    this.hiddenSeries = new Set(this.state.hiddenSeries);
    this.definitions = chartDefinitions();
    this.addEventListener('chart-zoom', (event) => this.change({ view: (event as CustomEvent<{ view: ChartView | undefined }>).detail.view }));
    this.addEventListener('chart-series', (event) => this.toggleSeries((event as CustomEvent<string>).detail));
    this.addEventListener('chart-cursor', (event) => {
      const { row } = (event as CustomEvent<{ row: number | undefined }>).detail;
      this.querySelectorAll<ChartElement>('c10m-chart').forEach((chart) => (chart.cursorRow = row));
    });
    this.addEventListener('chart-image', (event) => void this.keepImage((event as CustomEvent<{ id: string; image: Blob }>).detail));
    onThemeChange(() => {
      this.querySelectorAll<ChartElement>('c10m-chart').forEach((chart) => chart.redraw());
      this.requestUpdate();
    });
  }

  override render(): TemplateResult {
    const { run, samples } = this.model;
    const figures = figuresOf(run);
    const established =
      run.summary?.ledger !== undefined && !figures.running
        ? figures.server + figures.client
        : (run.last?.established.server ?? 0) + (run.last?.established.client ?? 0);
    const ledger = figures.running || run.summary === undefined ? run.last?.ledger : run.summary.ledger;
    return html`
      ${this.head(figures)} ${this.outcome()} ${this.tiles(figures)}
      ${
        figures.running && run.link !== 'saved'
          ? html`<section class="card" aria-label=${text('Controls')}>
              <c10m-controls
                .send=${(request: PanelRequest) => this.host.request(request)}
                .target=${figures.target}
                .rate=${run.spec.rate ?? 0}
              ></c10m-controls>
            </section>`
          : nothing
      }
      ${protocolsView(run)} ${this.chartBar(figures)}
      <div class="charts">
        ${repeat(
          this.definitions.filter((definition) => definition.hidden?.(samples) !== true),
          (definition) => definition.id,
          (definition) =>
            html`<c10m-chart
              .definition=${definition}
              .samples=${samples}
              .view=${this.shownView(figures)}
              .revision=${this.model.revision}
              .hiddenSeries=${this.hiddenSeries}
              .restRow=${figures.running ? undefined : lastHeldRow(samples.column('establishedServer'))}
            ></c10m-chart>`,
        )}
      </div>
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
      <p class="visually-hidden" role="status" aria-live="polite">${this.announcement(figures)}</p>
    `;
  }

  /** States are announced, samples are not. */
  private announcement(figures: Figures): string {
    if (figures.phase !== this.announcedPhase) this.announcedPhase = figures.phase;
    return `${this.model.run.title}: ${phaseText(this.model.run)}. ${this.notice}`;
  }

  private head(figures: Figures): TemplateResult {
    const { run } = this.model;
    return html`<header class="head">
      <div class="title">
        <h1>${run.title}</h1>
        <p class="muted">
          ${run.host === 'local' ? text('This machine') : run.host},
          ${new Date(run.startedAt).toLocaleString()}${run.tags.map((tag) => html` <span class="badge">${tag}</span>`)}
        </p>
      </div>
      <span class="phase ${figures.phase ?? 'starting'}" data-c10m="phase">${phaseText(run)}</span>
      ${run.link === 'lost' ? html`<span class="badge warn">${text('Link lost, reconnecting')}</span>` : nothing}
      <div class="actions">
        ${
          figures.running
            ? html`<button type="button" class="stop" data-c10m="stop" ?disabled=${this.stopping} @click=${() => void this.stop()}>
                ${this.stopping ? text('Stopping…') : text('Stop')}
              </button>`
            : this.commandsAfterwards()
        }
        ${this.command('showLog', text('Log'))}
      </div>
      ${run.linkText === undefined || run.linkText === '' ? nothing : html`<p class="link-text" role="status">${run.linkText}</p>`}
    </header>`;
  }

  /** A run that did not begin was not saved: there is nothing to report of it. */
  private commandsAfterwards(): TemplateResult {
    const repeat = this.command('repeatRun', text('Run again'));
    if (this.model.run.phases.length === 0) return repeat;
    return html`${repeat} ${this.command('exportReport', text('Export report…'))} ${this.command('saveRunAsProfile', text('Save as profile…'))}`;
  }

  private command(command: PanelCommand, label: string): TemplateResult {
    return html`<button type="button" class="secondary" @click=${() => void this.request({ name: 'command', command })}>${label}</button>`;
  }

  private outcome(): TemplateResult | typeof nothing {
    const { summary } = this.model.run;
    if (summary === undefined) return this.notice === '' ? nothing : html`<p class="notice">${this.notice}</p>`;
    const failedThresholds = summary.thresholds.filter((threshold) => !threshold.passed);
    return html`<section class="card verdict ${summary.verdict}" aria-label=${text('Result')}>
      <p>
        <b data-c10m="verdict">${summary.verdict}</b>
        ${text('{0} of {1} connections held together', formatCount(Math.min(summary.established.server, summary.established.client)), formatCount(summary.target))},
        ${text('ramp {0} at {1}', formatDuration(summary.rampSeconds), formatRate(summary.connectRate.mean))}.
        ${summary.hostRestored ? text('The host is as it was found.') : html`<b class="warning">${text('The host could not be restored completely.')}</b>`}
      </p>
      ${summary.reason === undefined ? nothing : html`<p class="reason">${summary.reason}</p>`}
      ${summary.keys.filter((key) => key.outcome !== 'restored').map((key) => html`<p class="warning">${key.key}: ${key.original} → ${key.ours}, ${text('now {0}', key.now ?? '–')} (${key.outcome})</p>`)}
      ${failedThresholds.map((threshold) => html`<p class="warning">${text('Threshold failed: {0} (was {1})', threshold.expression, formatThresholdValue(threshold))}</p>`)}
      ${this.notice === '' ? nothing : html`<p class="notice">${this.notice}</p>`}
    </section>`;
  }

  private tiles(figures: Figures): TemplateResult {
    const memory = figures.availableBytes;
    const isStateless = this.model.run.spec.client === 'stateless';
    return html`<dl class="tiles">
      ${tile(
        text('Established'),
        html`<b data-c10m="established">${formatCount(Math.min(figures.server, figures.client))}</b>
          <span>${text('of {0}', formatCount(figures.target))}</span>`,
        html` <progress max="1" .value=${figures.progress} aria-label=${text('Established of target')}></progress>
          ${text('server')} <span data-c10m="established-server">${formatCount(figures.server)}</span>, ${text('client')}
          <span data-c10m="established-client">${formatCount(figures.client)}</span>`,
      )}
      ${tile(figures.running ? text('Connect rate') : text('Connect rate, mean'), html`<b data-c10m="rate">${formatRate(figures.rate)}</b>`, text('new connections'))}
      ${tile(isStateless ? text('Memory per server end') : text('Memory per end'), html`<b data-c10m="bytes-per-end">${figures.bytesPerEnd === null ? '–' : `${(figures.bytesPerEnd / 1000).toFixed(2)} kB`}</b>`, figures.bytesPerEnd === null ? '' : isStateless ? text('the client has no sockets') : text('{0} per connection', `${((figures.bytesPerEnd * 2) / 1000).toFixed(2)} kB`) + (figures.approximate ? `, ${text('approximate')}` : ''))}
      ${tile(text('Memory left'), html`<b data-c10m="memory-left">${memory === undefined ? '–' : formatBytes(memory)}</b>`, figures.totalBytes === undefined ? '' : text('of {0}', formatBytes(figures.totalBytes)))}
      ${this.timeTile(figures)}
      ${tile(text('First wall ahead'), html`<b class="wall">${figures.nextWall === undefined ? '–' : formatCount(figures.nextWall.at)}</b>`, figures.nextWall === undefined ? text('none known') : html`<span title=${`${figures.nextWall.evidence} ${figures.nextWall.remedy}`}>${figures.nextWall.title}</span>`)}
      ${tile(text('Failures'), html`<b data-c10m="failed">${formatCount(figures.failed)}</b>`, this.failureDetail(figures))}
    </dl>`;
  }

  /** How long it goes on, or how long it took. */
  private timeTile({ running, secondsLeft }: Figures): TemplateResult {
    const { summary } = this.model.run;
    if (!running && summary !== undefined) {
      return tile(text('Ran for'), html`<b>${formatDuration(Math.round(summary.elapsedSeconds))}</b>`, text('ramp {0}', formatDuration(summary.rampSeconds)));
    }
    const value = html`<b>${secondsLeft === undefined ? '–' : formatDuration(Math.round(secondsLeft.seconds))}</b>`;
    if (secondsLeft?.phase === 'holding') return tile(text('Hold left'), value, text('then it drains'));
    return tile(text('Time left'), value, secondsLeft === undefined ? '' : text('until the target'));
  }

  private failureDetail(figures: Figures): string {
    const byErrno = (this.model.run.summary ?? this.model.run.last)?.failed.byErrno ?? {};
    const parts = Object.entries(byErrno).map(([name, count]) => `${name} ${formatCount(count)}`);
    if (figures.lost > 0) parts.push(text('lost {0}', formatCount(figures.lost)));
    return parts.join(', ') || text('none');
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

  private async keepImage({ id, image }: { id: string; image: Blob }): Promise<void> {
    this.notice = await copyOrSave(this.host, `${this.model.run.runId}-${id}.png`, image);
    this.requestUpdate();
  }
}
customElements.define('c10m-dashboard', DashboardElement);

function tile(label: string, value: TemplateResult, detail: unknown): TemplateResult {
  return html`<div class="tile">
    <dt>${label}</dt>
    <dd>${value}</dd>
    <dd class="detail">${detail}</dd>
  </div>`;
}
