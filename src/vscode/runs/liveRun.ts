import { EventEmitter, type Disposable, type Event } from 'vscode';
import { HumanError, toPlainError } from '../../core/errors.js';
import { savingText } from '../../core/figures/resultTexts.js';
import { isFinal } from '../../core/phases.js';
import type { PanelDelta, PanelRequest } from '../../protocol/panel.js';
import type { RunSpec } from '../../protocol/spec.js';
import type { RunHandle } from '../../run/runHandle.js';
import type { RunSource } from '../panels/dashboardPanel.js';
import { RunView, runTitle } from '../panels/runView.js';

/** A run in progress in this window: the controller's events as a view that panels can ask for at any time. */
export class LiveRun implements RunSource, Disposable {
  private readonly deltas = new EventEmitter<PanelDelta>();
  readonly onDelta: Event<PanelDelta> = this.deltas.event;
  readonly view: RunView;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly controller: RunHandle,
    readonly runId: string,
    readonly spec: RunSpec,
    private readonly abort: AbortController,
    private readonly runCommand: (request: PanelRequest) => Promise<unknown>,
  ) {
    this.view = new RunView({
      runId,
      title: runTitle(spec),
      host: spec.host,
      startedAt: new Date().toISOString(),
      spec,
      link: 'live',
      linkText: undefined,
      tags: [],
    });
    this.unsubscribe = controller.onEvent((event) => {
      if (event.type === 'saving') this.tell(controller.state.unsaved === undefined ? '' : savingText(controller.state.unsaved));
      else if (event.type !== 'link') this.deltas.fire(this.view.observe(event));
      else if (controller.state.linkLost === undefined) this.tell('', 'live');
      else this.tell(controller.state.linkLost, 'lost');
    });
  }

  get title(): string {
    return this.view.run.title;
  }

  get ended(): boolean {
    const phase = this.view.run.phases.at(-1)?.phase;
    return this.view.run.summary !== undefined || (phase !== undefined && isFinal(phase));
  }

  /** What is being done before the first event or to get the link back, or what is wrong with it; empty: nothing. */
  tell(text: string, link = this.view.run.link): void {
    this.deltas.fire(this.view.change({ linkText: text, link }));
  }

  /** The run is over, by its summary or by an error that left none. */
  end(error?: unknown): void {
    const linkText = error === undefined ? '' : HumanError.fromPlain(toPlainError(error)).text;
    this.deltas.fire(this.view.change({ link: 'saved', linkText }));
  }

  snapshot(): ReturnType<RunSource['snapshot']> {
    return Promise.resolve({ run: this.view.run, samples: this.view.samples.snapshot(), entries: [...this.view.entries] });
  }

  async handle(request: PanelRequest): Promise<unknown> {
    switch (request.name) {
      case 'stop':
        this.stop();
        return null;
      case 'set':
        return this.controller.set({
          ...(request.target === undefined ? {} : { target: request.target }),
          ...(request.rate === undefined ? {} : { rate: request.rate }),
        });
      case 'burst':
        return this.controller.burst(request.messages, request.bytes);
      case 'removeAll':
        return this.controller.removeAll();
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
}
