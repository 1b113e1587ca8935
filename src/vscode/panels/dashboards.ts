import { ViewColumn, window, type Disposable, type Event, type WebviewPanel, type WebviewPanelSerializer } from 'vscode';
import { messageOf } from '../../core/errors.js';
import { DashboardPanel, type PanelDependencies, type RunSource } from './dashboardPanel.js';
import { panelTypes } from '../ids.js';

/** The runs that go on, as panels show them. */
export interface LiveSources {
  get(runId: string): RunSource | undefined;
  all: readonly RunSource[];
  onDidChange: Event<void>;
  onDidEnd: Event<{ runId: string }>;
}

/** The open dashboards, at most one for each run. Brings them back after a reload of the window. */
export class Dashboards implements Disposable, WebviewPanelSerializer {
  private readonly panels = new Map<string, DashboardPanel>();
  private readonly subscriptions: Disposable[];

  constructor(
    private readonly live: LiveSources,
    private readonly savedSource: (runId: string) => RunSource,
    private readonly dependencies: PanelDependencies,
  ) {
    this.subscriptions = [
      window.registerWebviewPanelSerializer(panelTypes.dashboard, this),
      // A panel that showed a run from disk turns live when the run is attached to again.
      live.onDidChange(() => {
        for (const run of live.all) {
          const panel = this.panels.get(run.runId);
          if (panel !== undefined && !panel.shows(run)) panel.replaceSource(run);
        }
      }),
      live.onDidEnd((run) => this.showSaved(run.runId)),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    // The panels stay: VS Code restores them through the serializer.
  }

  get(runId: string): DashboardPanel | undefined {
    return this.panels.get(runId);
  }

  /** Whether somebody can see the dashboard of a run. */
  isVisible(runId: string): boolean {
    return this.panels.get(runId)?.panel.visible === true;
  }

  /** `preserveFocus`: the tree keeps the keyboard, so that Delete and F2 go on working there. */
  open(runId: string, preserveFocus = false): DashboardPanel {
    const existing = this.panels.get(runId);
    if (existing !== undefined) {
      existing.reveal(preserveFocus);
      return existing;
    }
    const source = this.live.get(runId) ?? this.savedSource(runId);
    const panel = window.createWebviewPanel(
      panelTypes.dashboard,
      source.title,
      { viewColumn: ViewColumn.Active, preserveFocus },
      {
        enableScripts: true,
        localResourceRoots: [this.dependencies.assets],
      },
    );
    return this.adopt(panel, source);
  }

  close(runId: string): void {
    this.panels.get(runId)?.panel.dispose();
  }

  deserializeWebviewPanel(panel: WebviewPanel, state: unknown): Promise<void> {
    const runId = typeof state === 'object' && state !== null && 'runId' in state && typeof state.runId === 'string' ? state.runId : undefined;
    if (runId === undefined) {
      panel.dispose();
      return Promise.resolve();
    }
    try {
      this.adopt(panel, this.live.get(runId) ?? this.savedSource(runId));
    } catch (error) {
      this.dependencies.onFailure(messageOf(error), undefined);
      panel.dispose();
    }
    return Promise.resolve();
  }

  private adopt(panel: WebviewPanel, source: RunSource): DashboardPanel {
    const { runId } = source;
    const dashboard = new DashboardPanel(panel, source, this.dependencies, () => {
      if (this.panels.get(runId) === dashboard) this.panels.delete(runId);
    });
    this.panels.set(runId, dashboard);
    return dashboard;
  }

  /** Shows what was changed of a saved run, such as its name. A run in progress takes it up when it is over. */
  refresh(runId: string): void {
    if (this.live.get(runId) === undefined) this.showSaved(runId);
  }

  private showSaved(runId: string): void {
    const panel = this.panels.get(runId);
    if (panel === undefined) return;
    try {
      panel.replaceSource(this.savedSource(runId));
    } catch (error) {
      // A run that could not begin was never saved: its panel goes on to show why.
      this.dependencies.onFailure(messageOf(error), undefined);
    }
  }
}
