import { EventEmitter, l10n, MarkdownString, ThemeIcon, TreeItem, window, type Disposable, type TreeDataProvider, type TreeView } from 'vscode';
import { markdownText } from '../../core/foreignText.js';
import { formatBytes, formatCount } from '../../core/units.js';
import type { HostFacts } from '../../protocol/facts.js';
import type { Plan } from '../../protocol/plan.js';
import type { HostRegistry, KnownHost } from './hostRegistry.js';
import { itemContexts, viewIds } from '../ids.js';
import { hostLines } from '../planItems.js';

/** Why a test failed; `isRefused`: the host was reached, but not entered, as with a changed key. */
export interface HostProblem {
  problem: string;
  isRefused: boolean;
}

/** The tree Hosts. What a test found is shown until the window closes. */
export class HostsTree implements TreeDataProvider<KnownHost>, Disposable {
  private readonly changed = new EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly tested = new Map<string, { facts: HostFacts; plan: Plan } | HostProblem>();
  readonly view: TreeView<KnownHost>;
  private readonly subscription: Disposable;

  constructor(private readonly registry: HostRegistry) {
    this.view = window.createTreeView(viewIds.hosts, { treeDataProvider: this, showCollapseAll: false });
    this.subscription = registry.onDidChange(() => this.changed.fire(undefined));
  }

  dispose(): void {
    this.subscription.dispose();
    this.view.dispose();
    this.changed.dispose();
  }

  showTest(target: string, result: { facts: HostFacts; plan: Plan } | HostProblem): void {
    this.tested.set(target, result);
    this.changed.fire(undefined);
  }

  getChildren(element?: KnownHost): Promise<KnownHost[]> {
    return element === undefined ? this.registry.list() : Promise.resolve([]);
  }

  getTreeItem(host: KnownHost): TreeItem {
    const label = host.kind === 'local' ? l10n.t('This machine') : host.name;
    const item = new TreeItem(label);
    item.id = `${host.kind}:${host.name}`;
    item.contextValue = { local: itemContexts.hostLocal, saved: itemContexts.hostSaved, alias: itemContexts.hostAlias }[host.kind];
    item.iconPath = new ThemeIcon(host.kind === 'local' ? 'device-desktop' : 'server');
    const test = this.tested.get(host.target);
    item.description = host.detail === host.name ? '' : host.detail;
    if (test === undefined) {
      item.tooltip = l10n.t('{0}, not tested yet', label);
    } else if ('problem' in test) {
      item.iconPath = new ThemeIcon('error');
      item.description = test.isRefused ? l10n.t('access refused') : l10n.t('not reached');
      item.tooltip = test.problem;
    } else {
      item.description = l10n.t(
        '{0} cores, {1}, fits {2}',
        test.facts.cores,
        formatBytes(test.facts.memory.totalBytes),
        formatCount(test.plan.largestFit.afterTuning),
      );
      item.tooltip = new MarkdownString(
        hostLines(test.facts, test.plan)
          .map((line) => `- ${markdownText(line)}`)
          .join('\n'),
      );
    }
    item.accessibilityInformation = { label: `${label} ${item.description}` };
    return item;
  }
}
