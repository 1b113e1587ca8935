import { EventEmitter, type Disposable, type Event } from 'vscode';
import { HumanError, toPlainError } from '../../core/errors.js';
import { isFinal } from '../../core/phases.js';
import { phaseOf, runTitle, type RunModel } from '../../core/run/model.js';
import type { PanelDelta, PanelRequest, PanelRun } from '../../protocol/panel.js';
import type { RunSpec } from '../../protocol/spec.js';
import type { Run } from '../../run/run.js';
import type { RunSource } from '../panels/dashboardPanel.js';
import { deltaOf, panelRunOf } from '../panels/panelRun.js';

/** A run in progress in this window, as panels can ask for it at any time. */
export class LiveRun implements RunSource, Disposable {
  private readonly deltas = new EventEmitter<PanelDelta>();
  readonly onDelta: Event<PanelDelta> = this.deltas.event;
  readonly title: string;
  /** What a panel shows beside the model: what is done to reach the host, and how the link is. */
  private link: Pick<PanelRun, 'link' | 'linkText'> = { link: 'live', linkText: undefined };
  private readonly unsubscribe: () => void;

  constructor(
    private readonly run: Run,
    private readonly abort: AbortController,
    private readonly runCommand: (request: PanelRequest) => Promise<unknown>,
  ) {
    this.title = runTitle(run.spec);
    this.unsubscribe = run.onEvent((_event, change) => this.send(deltaOf(change)));
  }

  get runId(): string {
    return this.run.id;
  }

  get spec(): RunSpec {
    return this.run.spec;
  }

  get model(): RunModel {
    return this.run.model;
  }

  get ended(): boolean {
    const phase = phaseOf(this.model);
    return this.model.summary !== undefined || (phase !== undefined && isFinal(phase));
  }

  /** What is being done to reach a host; empty: nothing. */
  showProgress(linkText: string): void {
    this.send({ type: 'delta', rows: [], entries: [], run: { linkText } });
  }

  /** The run is over, by its summary or by an error that left none. */
  end(error?: unknown): void {
    const linkText = error === undefined ? '' : HumanError.fromPlain(toPlainError(error)).text;
    this.send({ type: 'delta', rows: [], entries: [], run: { link: 'saved', linkText } });
  }

  snapshot(): ReturnType<RunSource['snapshot']> {
    const run = panelRunOf(this.model, { title: this.title, tags: [], ...this.link });
    return Promise.resolve({ run, samples: this.run.sampleColumns(), entries: [...this.model.lines] });
  }

  async handle(request: PanelRequest): Promise<unknown> {
    switch (request.name) {
      case 'stop':
        this.stop();
        return null;
      case 'set':
        return this.run.set({
          ...(request.target === undefined ? {} : { target: request.target }),
          ...(request.rate === undefined ? {} : { rate: request.rate }),
        });
      case 'burst':
        return this.run.burst(request.messages, request.bytes);
      case 'removeAll':
        return this.run.removeAll();
      default:
        return this.runCommand(request);
    }
  }

  /** It drains, restores and ends as `stopped`, whatever its phase; a run that has not begun is given up. */
  stop(): void {
    this.abort.abort();
  }

  dispose(): void {
    this.unsubscribe();
    this.deltas.dispose();
  }

  private send(delta: PanelDelta): void {
    const { link = this.link.link, linkText = this.link.linkText } = delta.run;
    this.link = { link, linkText };
    this.deltas.fire(delta);
  }
}
