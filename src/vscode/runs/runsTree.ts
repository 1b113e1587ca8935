import {
  commands,
  EventEmitter,
  l10n,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  window,
  type Disposable,
  type Memento,
  type TreeDataProvider,
  type TreeView,
} from 'vscode';
import { formatCount, formatKilobytesPerEnd } from '../../core/units.js';
import { type RunVerdict, verdictLooks, type VerdictSeverity, verdictWord } from '../../core/verdict.js';
import type { RunListEntry } from '../../history/runIndex.js';
import type { RunStore } from '../../history/store.js';
import { commandIds, contextKeys, itemContexts, viewIds } from '../ids.js';
import type { KeptRun, KeptRuns } from './keptRuns.js';
import type { LiveRun } from './liveRun.js';
import type { LiveRuns } from './liveRuns.js';
import { groupRuns, localDay, matchesFilter, type Grouping, type RunGroup } from './runGroups.js';
import { phaseOf, runTitle } from '../../core/run/model.js';

/** A run in the tree. */
export interface RunItem {
  id: string;
  entry: RunListEntry;
}
/** Runs that hosts keep and nobody here follows. */
export interface KeptGroup {
  kept: readonly KeptRun[];
}
export type RunTreeElement = RunItem | RunGroup | KeptGroup | KeptRun;

const groupingKey = 'c10m.runs.grouping';

/** The tree Runs: by day or by host, the latest first, pinned runs and runs in progress at the top. */
export class RunsTree implements TreeDataProvider<RunTreeElement>, Disposable {
  private readonly changed = new EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  readonly view: TreeView<RunTreeElement>;
  private readonly subscriptions: Disposable[];
  private liveIds = '';
  private filter = '';

  constructor(
    private readonly store: RunStore,
    private readonly live: LiveRuns,
    private readonly keptRuns: KeptRuns,
    private readonly memento: Memento,
  ) {
    this.view = window.createTreeView(viewIds.runs, { treeDataProvider: this, canSelectMany: true, showCollapseAll: true });
    this.subscriptions = [
      keptRuns.onDidChange(() => this.refresh()),
      live.onDidChange(() => {
        // Once a second while a run lives: only a change of the list itself draws the tree again.
        const ids = live.all.map((run) => `${run.runId}:${phaseOf(run.model) ?? ''}`).join(' ');
        this.updateBadge();
        if (ids === this.liveIds) return;
        this.liveIds = ids;
        this.refresh();
      }),
    ];
    this.publish();
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.view.dispose();
    this.changed.dispose();
  }

  refresh(): void {
    this.changed.fire(undefined);
  }

  get grouping(): Grouping {
    return this.memento.get(groupingKey) === 'host' ? 'host' : 'day';
  }

  async setGrouping(grouping: Grouping): Promise<void> {
    await this.memento.update(groupingKey, grouping);
    this.publish();
    this.refresh();
  }

  get filterText(): string {
    return this.filter;
  }

  setFilter(filter: string): void {
    this.filter = filter.trim();
    this.publish();
    this.refresh();
  }

  getChildren(element?: RunTreeElement): RunTreeElement[] {
    if (element !== undefined) return childrenOf(element);
    const entries = this.store.list();
    const shown = this.filter === '' ? entries : entries.filter((entry) => matchesFilter(entry, runTitle(entry), this.filter));
    this.view.message = this.filter === '' ? '' : l10n.t('Filter: {0} ({1} of {2})', this.filter, shown.length, entries.length);
    const groups = groupRuns(shown, this.grouping, localDay);
    const kept = this.keptRuns.list((id) => this.live.get(id) !== undefined);
    if (kept.length > 0) return [{ kept }, ...groups];
    // A single group is no help.
    return groups.length === 1 && groups[0]?.kind !== 'pinned' ? this.getChildren(groups[0]) : groups;
  }

  getTreeItem(element: RunTreeElement): TreeItem {
    if ('entries' in element) return groupItem(element, this.grouping);
    if ('kept' in element) return keptGroupItem(element);
    return 'run' in element ? keptItem(element) : this.runItem(element);
  }

  private runItem({ id, entry }: RunItem): TreeItem {
    if (entry.state === 'unreadable') {
      const item = new TreeItem(id);
      item.id = id;
      item.iconPath = new ThemeIcon('question');
      item.description = l10n.t('not a run that can be read');
      item.tooltip = entry.problem ?? '';
      item.contextValue = itemContexts.runBroken;
      return item;
    }
    const liveRun = this.live.get(id);
    const title = runTitle(entry);
    const description = this.describe(entry, liveRun);
    const item = new TreeItem(title);
    item.id = id;
    item.contextValue = contextOf(entry, liveRun !== undefined);
    item.command = { command: commandIds.openRun, title: l10n.t('Open run'), arguments: [{ id, entry } satisfies RunItem] };
    item.description = description;
    item.iconPath = liveRun === undefined ? verdictIcon(entry.result ?? 'incomplete') : new ThemeIcon('sync~spin');
    const startedAt = new Date(entry.startedAt).toLocaleString();
    item.tooltip = [title, startedAt, description, ...(entry.tags.length === 0 ? [] : [l10n.t('Tags: {0}', entry.tags.join(', '))]), id].join('\n');
    item.accessibilityInformation = { label: `${title}, ${description}, ${startedAt}` };
    return item;
  }

  private describe(entry: RunListEntry, liveRun: LiveRun | undefined): string {
    const host = entry.host === 'local' ? l10n.t('this machine') : entry.host;
    if (liveRun !== undefined) return `${phaseOf(liveRun.model) ?? l10n.t('connecting')}, ${host}`;
    if (entry.result === undefined) return `${verdictWord('incomplete')}, ${host}`;
    const tags = entry.tags.map((tag) => `#${tag}`).join(' ');
    const figures = `${verdictWord(entry.result)}, ${formatCount(entry.established ?? 0)}, ${formatKilobytesPerEnd(entry.bytesPerEnd ?? null)}, ${host}`;
    return tags === '' ? figures : `${figures}, ${tags}`;
  }

  /** On the icon of the activity bar: that runs go on, and how many. */
  private updateBadge(): void {
    const count = this.live.all.length;
    if (this.view.badge?.value === count || (count === 0 && this.view.badge === undefined)) return;
    const tooltip = count === 1 ? l10n.t('A run goes on') : l10n.t('{0} runs go on', count);
    this.view.badge = count === 0 ? undefined : { value: count, tooltip };
  }

  private publish(): void {
    void commands.executeCommand('setContext', contextKeys.filtered, this.filter !== '');
    void commands.executeCommand('setContext', contextKeys.grouping, this.grouping);
  }
}

function childrenOf(element: RunTreeElement): RunTreeElement[] {
  if ('entries' in element) return element.entries.map((entry) => ({ id: entry.id, entry }));
  return 'kept' in element ? [...element.kept] : [];
}

function contextOf({ result, pinned }: RunListEntry, isLive: boolean): string {
  if (isLive) return itemContexts.runLive;
  if (pinned) return itemContexts.runPinned;
  return result === undefined || result === 'incomplete' ? itemContexts.runIncomplete : itemContexts.runSaved;
}

function keptGroupItem({ kept }: KeptGroup): TreeItem {
  const item = new TreeItem(l10n.t('On hosts, not followed'), TreeItemCollapsibleState.Expanded);
  item.id = 'group:kept';
  item.description = String(kept.length);
  item.iconPath = new ThemeIcon('server');
  return item;
}

function keptItem(kept: KeptRun): TreeItem {
  const { host, run } = kept;
  const title = run.spec === undefined ? run.runId : runTitle(run.spec);
  const item = new TreeItem(title);
  item.id = `kept:${host}:${run.runId}`;
  item.contextValue = itemContexts.runKept;
  item.command = { command: commandIds.followRun, title: l10n.t('Follow run'), arguments: [kept] };
  const state = { running: l10n.t('running'), ended: l10n.t('ended, its result is there'), abandoned: l10n.t('died, to be restored') }[run.state];
  item.description = `${state}, ${host === 'local' ? l10n.t('this machine') : host}, ${run.owner}`;
  item.iconPath = new ThemeIcon(run.state === 'running' ? 'radio-tower' : 'archive');
  const startedAt = new Date(run.startedAt).toLocaleString();
  item.tooltip = [title, startedAt, item.description, run.runId].join('\n');
  item.accessibilityInformation = { label: `${title}, ${item.description}, ${startedAt}` };
  return item;
}

function groupItem(group: RunGroup, grouping: Grouping): TreeItem {
  const item = new TreeItem(groupLabel(group), TreeItemCollapsibleState.Expanded);
  item.id = `group:${group.kind}:${group.key}`;
  item.description = String(group.entries.length);
  item.iconPath = new ThemeIcon(group.kind === 'pinned' ? 'pinned' : group.key === '' ? 'question' : grouping === 'host' ? 'server' : 'calendar');
  return item;
}

function groupLabel(group: RunGroup): string {
  if (group.kind === 'pinned') return l10n.t('Pinned');
  if (group.key === '') return l10n.t('Not readable');
  if (group.kind === 'host') return group.key === 'local' ? l10n.t('This machine') : group.key;
  const today = localDay(new Date().toISOString());
  return group.key === today
    ? l10n.t('Today')
    : new Date(`${group.key}T12:00:00`).toLocaleDateString(undefined, { weekday: 'short', year: 'numeric', month: 'short', day: 'numeric' });
}

const severityColors: Record<VerdictSeverity, string | undefined> = {
  success: 'testing.iconPassed',
  warning: 'list.warningForeground',
  error: 'testing.iconFailed',
  neutral: undefined,
};

function verdictIcon(verdict: RunVerdict): ThemeIcon {
  const { icon, severity } = verdictLooks[verdict];
  const color = severityColors[severity];
  return color === undefined ? new ThemeIcon(icon) : new ThemeIcon(icon, new ThemeColor(color));
}
