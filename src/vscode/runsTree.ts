import { EventEmitter, l10n, ThemeColor, ThemeIcon, TreeItem, window, type Disposable, type TreeDataProvider, type TreeView } from 'vscode';
import { formatCount, formatKilobytesPerEnd } from '../core/units.js';
import type { RunListEntry } from '../history/runIndex.js';
import type { RunStore } from '../history/store.js';
import { commandIds, itemContexts, viewIds } from './ids.js';
import type { LiveRun } from './liveRun.js';
import type { LiveRuns } from './liveRuns.js';
import { runTitle } from './runView.js';

/** A row of the tree Runs. */
export interface RunItem {
  id: string;
  entry: RunListEntry;
}

/** The tree Runs: the latest first, a run in progress at the top. */
export class RunsTree implements TreeDataProvider<RunItem>, Disposable {
  private readonly changed = new EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  readonly view: TreeView<RunItem>;
  private readonly subscriptions: Disposable[];
  private liveIds = '';

  constructor(
    private readonly store: RunStore,
    private readonly live: LiveRuns,
  ) {
    this.view = window.createTreeView(viewIds.runs, { treeDataProvider: this, canSelectMany: true });
    this.subscriptions = [
      live.onDidChange(() => {
        // Once a second while a run lives: only a change of the list itself draws the tree again.
        const ids = live.all.map((run) => `${run.runId}:${run.view.run.phases.at(-1)?.phase ?? ''}`).join(' ');
        if (ids === this.liveIds) return;
        this.liveIds = ids;
        this.refresh();
      }),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.view.dispose();
    this.changed.dispose();
  }

  refresh(): void {
    this.changed.fire(undefined);
  }

  getChildren(element?: RunItem): RunItem[] {
    return element === undefined ? this.store.list().map((entry) => ({ id: entry.id, entry })) : [];
  }

  getTreeItem({ id, entry }: RunItem): TreeItem {
    const liveRun = this.live.get(id);
    if (entry.state === 'unreadable') {
      const item = new TreeItem(id);
      item.id = id;
      item.iconPath = new ThemeIcon('question');
      item.description = l10n.t('not a run that can be read');
      item.tooltip = entry.problem ?? '';
      item.contextValue = itemContexts.runBroken;
      return item;
    }
    const title = runTitle(entry);
    const description = this.describe(entry, liveRun);
    const item = new TreeItem(title);
    item.id = id;
    item.contextValue = liveRun === undefined ? itemContexts.runSaved : itemContexts.runLive;
    item.command = { command: commandIds.openRun, title: l10n.t('Open run'), arguments: [{ id, entry } satisfies RunItem] };
    item.description = description;
    item.iconPath = liveRun === undefined ? verdictIcon(entry.verdict) : new ThemeIcon('sync~spin');
    const startedAt = new Date(entry.startedAt).toLocaleString();
    item.tooltip = `${title}\n${startedAt}\n${description}`;
    item.accessibilityInformation = { label: `${title}, ${description}, ${startedAt}` };
    return item;
  }

  private describe(entry: RunListEntry, liveRun: LiveRun | undefined): string {
    const host = entry.host === 'local' ? l10n.t('this machine') : entry.host;
    if (liveRun !== undefined) return `${liveRun.view.run.phases.at(-1)?.phase ?? l10n.t('connecting')}, ${host}`;
    if (entry.verdict === undefined) return l10n.t('interrupted, {0}', host);
    return `${entry.verdict}, ${formatCount(entry.established ?? 0)}, ${formatKilobytesPerEnd(entry.bytesPerEnd ?? null)}, ${host}`;
  }
}

function verdictIcon(verdict: RunListEntry['verdict']): ThemeIcon {
  switch (verdict) {
    case 'finished':
      return new ThemeIcon('pass', new ThemeColor('testing.iconPassed'));
    case 'failed':
      return new ThemeIcon('error', new ThemeColor('testing.iconFailed'));
    case 'stopped':
      return new ThemeIcon('debug-stop');
    case undefined:
      return new ThemeIcon('circle-slash');
  }
}
