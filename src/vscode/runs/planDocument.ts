import { EventEmitter, l10n, Uri, window, workspace, type Disposable } from 'vscode';
import { formatCount } from '../../core/units.js';
import type { HostFacts } from '../../protocol/facts.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { text } from '../../core/texts.js';
import { commandLines, hostLines, planLines } from '../planItems.js';

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

  async show(name: string, plan: Plan, facts: HostFacts, spec: RunSpec): Promise<void> {
    const uri = Uri.from({ scheme, path: `/${l10n.t('Plan of {0}', name)}.txt` });
    // One text per name: a plan that is made again replaces the one before.
    this.texts.set(uri.path, planText(plan, facts, spec));
    this.changed.fire(uri);
    await window.showTextDocument(await workspace.openTextDocument(uri), { preview: true });
  }
}

/** The whole plan as one page that can be read aloud: what will run where, what it takes, what stops it, what changes, and then the tables behind that. */
export function planText(plan: Plan, facts: HostFacts, spec: RunSpec): string {
  const section = (title: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`), '']);
  return [
    ...section(
      text('What will happen'),
      [...commandLines(spec), ...planLines(plan, facts, spec)].map((line) =>
        line.detail === '' ? sentence(line.label) : `${line.label}: ${sentence(line.detail)}`,
      ),
    ),
    ...section(text('What would stop it, in the order in which it stands'), plan.walls.flatMap(wallLines)),
    ...section(
      text('What will change'),
      plan.sysctls.map((sysctl) =>
        text(
          '{0} from {1} to {2}, in {3}: {4}',
          sysctl.key,
          sysctl.current.replaceAll(/\s+/g, ' '),
          sysctl.target.replaceAll(/\s+/g, ' '),
          sysctl.scope === 'netns' ? text("the run's own namespace") : text('the whole host, until the run ends'),
          sentence(sysctl.reason),
        ),
      ),
    ),
    ...section(text('The host'), hostLines(facts, plan)),
    ...section(
      text('Workers'),
      [...plan.serverWorkers, ...plan.clientWorkers].map((worker) =>
        text('{0}: {1} connections, up to {2} open files', worker.id, formatCount(worker.connections), formatCount(worker.nofile)),
      ),
    ),
  ].join('\n');
}

function wallLines(wall: Plan['walls'][number]): string[] {
  const before = wall.at === wall.atAfterTuning || wall.at === null ? '' : ` (${text('{0} before tuning', formatCount(wall.at))})`;
  const at = wall.atAfterTuning === null ? text('no limit here') : text('at {0} connections', formatCount(wall.atAfterTuning));
  return [`${wall.title}, ${at}${before}.`, `    ${wall.evidence}`, `    ${wall.remedy}`];
}

function sentence(said: string): string {
  return /[.!?]$/.test(said) ? said : `${said}.`;
}
