import { EventEmitter } from 'vscode';
import { HumanError } from '../core/errors.js';
import type { PanelDelta, PanelRequest } from '../protocol/panel.js';
import type { RunStore } from '../history/store.js';
import type { RunSource } from './dashboardPanel.js';
import { RunView, runTitle } from './runView.js';

/** A run that is over, read from disk whenever a panel asks. */
export class SavedRunSource implements RunSource {
  private readonly deltas = new EventEmitter<PanelDelta>();
  readonly onDelta = this.deltas.event;

  constructor(
    private readonly store: RunStore,
    readonly runId: string,
    readonly title: string,
    private readonly runCommand: (request: PanelRequest) => Promise<unknown>,
  ) {}

  async snapshot(): ReturnType<RunSource['snapshot']> {
    const run = this.store.read(this.runId);
    const view = new RunView({
      runId: run.id,
      title: run.name ?? runTitle(run.spec),
      host: run.spec.host,
      startedAt: run.startedAt,
      spec: run.spec,
      link: 'saved',
      tags: run.tags,
      facts: run.facts,
      plan: run.plan,
      linkText: run.summary === undefined ? 'This run has no summary: it was interrupted, or it is followed by another window.' : undefined,
    });
    for (const event of await this.store.events(this.runId)) view.observe(event);
    view.change({ link: 'saved', startedAt: run.startedAt, ...(run.summary === undefined ? {} : { summary: run.summary }) });
    return { run: view.run, samples: view.samples.snapshot(), entries: view.entries };
  }

  handle(request: PanelRequest): Promise<unknown> {
    if (request.name === 'command' || request.name === 'saveImage') return this.runCommand(request);
    return Promise.reject(new HumanError('The run is over.', { code: 'usage' }));
  }
}
