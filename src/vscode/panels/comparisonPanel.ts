import { commands, l10n, ViewColumn, window, type Disposable, type WebviewPanel, type WebviewPanelSerializer } from 'vscode';
import { HumanError, toPlainError } from '../../core/errors.js';
import { rowOf, SampleColumnStore } from '../../core/figures/sampleColumns.js';
import { compareSaved } from '../../history/savedComparison.js';
import type { RunStore } from '../../history/store.js';
import type { ComparisonSnapshot, FromPanel, PanelRequest, ToPanel } from '../../protocol/panel.js';
import type { PanelDependencies } from './dashboardPanel.js';
import { commandIds, panelTypes } from '../ids.js';
import { showWarning } from '../messages.js';
import { panelHtml } from './panelHtml.js';
import { runTitle } from '../../core/run/model.js';

/** More curves than this cannot be told apart. */
export const maximumComparedRuns = 8;

/** Panels that show runs side by side. What is compared is over: each panel is filled once. */
export class Comparisons implements Disposable, WebviewPanelSerializer {
  private readonly registration: Disposable;

  constructor(
    private readonly store: RunStore,
    private readonly dependencies: PanelDependencies,
    private readonly saveImage: (request: PanelRequest) => Promise<unknown>,
  ) {
    this.registration = window.registerWebviewPanelSerializer(panelTypes.comparison, this);
  }

  dispose(): void {
    this.registration.dispose();
  }

  async open(runIds: readonly string[]): Promise<void> {
    if (runIds.length > maximumComparedRuns) {
      throw new HumanError(l10n.t('{0} runs are too many to compare.', runIds.length), {
        code: 'usage',
        remedy: l10n.t('Choose up to {0}.', maximumComparedRuns),
      });
    }
    // Before the panel: what cannot be read is reported instead of an empty panel.
    const snapshot = await this.snapshot(runIds);
    const title = l10n.t('Comparison of {0} runs', runIds.length);
    const panel = window.createWebviewPanel(panelTypes.comparison, title, ViewColumn.Active, {
      enableScripts: true,
      localResourceRoots: [this.dependencies.assets],
    });
    this.show(panel, title, runIds, snapshot);
  }

  deserializeWebviewPanel(panel: WebviewPanel, state: unknown): Promise<void> {
    const runIds =
      typeof state === 'object' && state !== null && 'runIds' in state && Array.isArray(state.runIds)
        ? state.runIds.filter((id): id is string => typeof id === 'string')
        : [];
    if (runIds.length < 2) panel.dispose();
    else this.show(panel, panel.title, runIds);
    return Promise.resolve();
  }

  private show(panel: WebviewPanel, title: string, given: readonly string[], first?: ComparisonSnapshot): void {
    const { webview } = panel;
    const { dependencies } = this;
    const { assets, icon, language } = dependencies;
    webview.options = { enableScripts: true, localResourceRoots: [assets] };
    panel.iconPath = icon;
    let prepared = first;
    let runIds = given;
    const post = async (message: ToPanel): Promise<void> => {
      await webview.postMessage(message);
    };
    const subscription = webview.onDidReceiveMessage(async (message: FromPanel) => {
      try {
        if (message.type === 'failure') dependencies.onFailure(message.message, message.stack);
        else if (message.type === 'ready') {
          await post(prepared ?? (await this.snapshot(runIds)));
          prepared = undefined;
        } else if (message.request.name === 'baseline') {
          const { runId } = message.request;
          if (runIds.includes(runId)) runIds = [runId, ...runIds.filter((id) => id !== runId)];
          await post(await this.snapshot(runIds));
          await post({ type: 'reply', id: message.id, ok: true, value: null });
        } else await post({ type: 'reply', id: message.id, ok: true, value: (await this.handle(message.request, runIds)) ?? null });
      } catch (error) {
        if (message.type === 'request') await post({ type: 'reply', id: message.id, ok: false, error: toPlainError(error) });
        else dependencies.onFailure(toPlainError(error).message, undefined);
      }
    });
    panel.onDidDispose(() => {
      subscription.dispose();
    });
    webview.html = panelHtml(webview, assets, title, language);
  }

  private async handle(request: PanelRequest, runIds: readonly string[]): Promise<unknown> {
    if (request.name === 'command' && request.command === 'exportReport') {
      const items = runIds.map((id) => ({ id }));
      const written: unknown = await commands.executeCommand(commandIds.exportReport, items[0], items);
      return written;
    }
    return this.saveImage(request);
  }

  private async snapshot(runIds: readonly string[]): Promise<ComparisonSnapshot> {
    const { comparison, compared, notes } = await compareSaved(this.store, runIds);
    if (notes.length > 0) void showWarning(notes.join(' '));
    comparison.runs.forEach((run, index) => {
      const saved = compared[index]!.run;
      run.label = `${index + 1}: ${runTitle({ ...saved.spec, name: saved.name })}`;
    });
    return {
      type: 'comparison',
      comparison,
      samples: compared.map(({ samples }) => {
        const store = new SampleColumnStore();
        for (const sample of samples) store.append(rowOf(sample));
        return store.snapshot();
      }),
      texts: this.dependencies.texts,
    };
  }
}
