import { EventEmitter, l10n } from 'vscode';
import { HumanError } from '../../core/errors.js';
import type { PanelDelta, PanelRequest } from '../../protocol/panel.js';
import type { RunStore } from '../../history/store.js';
import type { RunSource } from './dashboardPanel.js';
import { readRunView } from './savedRunView.js';

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
    const view = await readRunView(this.store, this.runId);
    return { run: view.run, samples: view.samples, entries: view.entries };
  }

  handle(request: PanelRequest): Promise<unknown> {
    if (request.name === 'command' || request.name === 'saveImage' || request.name === 'saveText') return this.runCommand(request);
    return Promise.reject(new HumanError(l10n.t('The run is over.'), { code: 'usage' }));
  }
}
