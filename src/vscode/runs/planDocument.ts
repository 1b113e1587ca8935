import { EventEmitter, l10n, Uri, window, workspace, type Disposable } from 'vscode';
import { formatCount } from '../../core/units.js';
import type { HostFacts } from '../../protocol/facts.js';
import type { Plan } from '../../protocol/plan.js';
import { hostLines, planLines } from '../planItems.js';

const scheme = 'c10m-plan';

/** Plans as read-only documents: text that can be read by a screen reader, searched and copied. */
export class PlanDocuments implements Disposable {
  private readonly texts = new Map<string, string>();
  private readonly changed = new EventEmitter<Uri>();
  private readonly registration: Disposable;

  constructor() {
    this.registration = workspace.registerTextDocumentContentProvider(scheme, {
      onDidChange: this.changed.event,
      provideTextDocumentContent: (uri) => this.texts.get(uri.path) ?? '',
    });
  }

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
  }

  async show(name: string, plan: Plan, facts: HostFacts): Promise<void> {
    const uri = Uri.from({ scheme, path: `/${l10n.t('Plan of {0}', name)}.txt` });
    // One text per name: a plan that is made again replaces the one before.
    this.texts.set(uri.path, planText(plan, facts));
    this.changed.fire(uri);
    await window.showTextDocument(await workspace.openTextDocument(uri), { preview: true });
  }
}

/** The whole plan in words. */
export function planText(plan: Plan, facts: HostFacts): string {
  const section = (title: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`), '']);
  return [
    ...section(l10n.t('Host'), hostLines(facts, plan)),
    ...section(
      l10n.t('Plan'),
      planLines(plan, facts).map((line) => (line.detail === '' ? line.label : `${line.label}: ${line.detail}`)),
    ),
    ...section(
      l10n.t('Walls, in the order in which they stand'),
      plan.walls.flatMap((wall) => [
        `${wall.atAfterTuning === null ? l10n.t('no limit') : formatCount(wall.atAfterTuning)}${wall.at === wall.atAfterTuning || wall.at === null ? '' : ` (${l10n.t('{0} before tuning', formatCount(wall.at))})`}  ${wall.title}`,
        `    ${wall.evidence}`,
        `    ${wall.remedy}`,
      ]),
    ),
    ...section(
      l10n.t('Kernel settings'),
      plan.sysctls.map(
        (sysctl) =>
          `${sysctl.key} ${sysctl.current} → ${sysctl.target} (${sysctl.scope === 'netns' ? l10n.t("the run's namespace") : l10n.t('the whole host')}): ${sysctl.reason}`,
      ),
    ),
    ...section(
      l10n.t('Workers'),
      [...plan.serverWorkers, ...plan.clientWorkers].map((worker) =>
        l10n.t('{0}: {1} connections, up to {2} open files', worker.id, formatCount(worker.connections), formatCount(worker.nofile)),
      ),
    ),
  ].join('\n');
}
