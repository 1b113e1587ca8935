import type { Disposable, Uri, WebviewPanel } from 'vscode';
import { toPlainError } from '../../core/errors.js';
import type { FromPanel, PanelDelta, PanelRequest, PanelSnapshot, ToPanel } from '../../protocol/panel.js';
import { DisposableStore } from '../disposables.js';
import { panelHtml } from './panelHtml.js';
import { mergeDeltas } from './panelRun.js';

/** A run that a panel shows. The source is the truth; the panel asks for a snapshot whenever it comes (back) to life. */
export interface RunSource {
  readonly runId: string;
  readonly title: string;
  snapshot(): Promise<Omit<PanelSnapshot, 'type' | 'texts'>>;
  onDelta(listener: (delta: PanelDelta) => void): Disposable;
  handle(request: PanelRequest): Promise<unknown>;
}

export interface PanelDependencies {
  assets: Uri;
  icon: { light: Uri; dark: Uri };
  language: string;
  texts: Record<string, string>;
  onFailure(message: string, stack: string | undefined): void;
}

/** Deltas are gathered this long: four pictures a second are as many as anyone reads. */
const batchMs = 250;

/** One editor panel for one run. Sends nothing while hidden; a hidden page is gone and asks anew with `ready`. */
export class DashboardPanel {
  private readonly owned = new DisposableStore();
  private sourceSubscription: Disposable;
  private pending: PanelDelta | undefined;
  private timer: NodeJS.Timeout | undefined;
  private ready = false;
  /** Deltas that were posted; tests look at it. */
  postedDeltas = 0;

  constructor(
    readonly panel: WebviewPanel,
    private source: RunSource,
    private readonly dependencies: PanelDependencies,
    onDispose: () => void,
  ) {
    const { webview } = panel;
    webview.options = { enableScripts: true, localResourceRoots: [dependencies.assets] };
    panel.iconPath = dependencies.icon;
    this.owned.add(webview.onDidReceiveMessage((message: FromPanel) => void this.receive(message)));
    this.owned.add(
      panel.onDidChangeViewState(() => {
        if (!panel.visible) this.quiet();
      }),
    );
    this.owned.add(
      panel.onDidDispose(() => {
        this.quiet();
        this.sourceSubscription.dispose();
        this.owned.dispose();
        onDispose();
      }),
    );
    this.sourceSubscription = source.onDelta((delta) => this.postDelta(delta));
    panel.title = source.title;
    webview.html = panelHtml(webview, dependencies.assets, source.title, dependencies.language);
  }

  get runId(): string {
    return this.source.runId;
  }

  /** The same run from another source: it ended and is now read from disk, or it was attached to again. */
  replaceSource(source: RunSource): void {
    this.sourceSubscription.dispose();
    this.source = source;
    this.sourceSubscription = source.onDelta((delta) => this.postDelta(delta));
    this.panel.title = source.title;
    if (this.ready) void this.sendSnapshot();
  }

  shows(source: RunSource): boolean {
    return this.source === source;
  }

  reveal(preserveFocus: boolean): void {
    this.panel.reveal(undefined, preserveFocus);
  }

  private quiet(): void {
    this.ready = false;
    this.pending = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private postDelta(delta: PanelDelta): void {
    if (delta.run.title !== undefined) this.panel.title = delta.run.title;
    if (!this.ready) return;
    this.pending = mergeDeltas(this.pending, delta);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const message = this.pending;
      this.pending = undefined;
      if (message === undefined || !this.ready) return;
      this.postedDeltas++;
      void this.post(message);
    }, batchMs);
  }

  private async receive(message: FromPanel): Promise<void> {
    switch (message.type) {
      case 'ready':
        await this.sendSnapshot();
        return;
      case 'failure':
        this.dependencies.onFailure(message.message, message.stack);
        return;
      case 'request': {
        const { id } = message;
        try {
          const value = await this.source.handle(message.request);
          await this.post({ type: 'reply', id, ok: true, value: value ?? null });
        } catch (error) {
          await this.post({ type: 'reply', id, ok: false, error: toPlainError(error) });
        }
      }
    }
  }

  private async sendSnapshot(): Promise<void> {
    const { source } = this;
    try {
      const snapshot = await source.snapshot();
      if (source !== this.source) return;
      this.pending = undefined;
      this.ready = this.panel.visible;
      await this.post({ type: 'snapshot', texts: this.dependencies.texts, ...snapshot });
    } catch (error) {
      const plain = toPlainError(error);
      this.dependencies.onFailure(plain.message, error instanceof Error ? error.stack : undefined);
    }
  }

  private async post(message: ToPanel): Promise<void> {
    await this.panel.webview.postMessage(message);
  }
}
