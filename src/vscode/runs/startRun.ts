import { l10n, ProgressLocation, QuickPickItemKind, window, type QuickPickItem } from 'vscode';
import type { RunSpec } from '../../protocol/spec.js';
import type { PlanDocuments } from './planDocument.js';
import { commandLines, globalChanges, planLines, planRows } from '../planItems.js';
import { runTitle } from '../../core/run/model.js';
import type { RunPlan } from '../../core/plan/hostPlans.js';
import type { PlanRun } from '../planRun.js';
import { askModal } from '../messages.js';

/** Probes and plans with a notification that shows the steps and can be cancelled. */
export function planWithProgress(spec: RunSpec, plan: PlanRun): Thenable<RunPlan> {
  const title = l10n.t('C10M: checking {0}', spec.host === 'local' ? l10n.t('this machine') : spec.host);
  return window.withProgress({ location: ProgressLocation.Notification, title, cancellable: true }, (progress, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => abort.abort());
    return plan(spec, (message) => progress.report({ message }), abort.signal);
  });
}

/** Shows the plan and asks whether to go; resolves with the plan that was confirmed. The question names every key of the whole host that would change. */
export async function confirmPlan(spec: RunSpec, { plan, plans }: { plan: PlanRun; plans: PlanDocuments }): Promise<RunPlan | undefined> {
  const checked = await planWithProgress(spec, plan);
  const lines = planLines(checked.plan, checked.facts, spec);
  const go: QuickPickItem = {
    label: `$(play) ${l10n.t('Start')}`,
    description: lines[0]?.label ?? '',
    alwaysShow: true,
  };
  const whole: QuickPickItem = {
    label: `$(list-unordered) ${l10n.t('Show the whole plan')}`,
    detail: l10n.t('walls, kernel settings and workers, as a document; nothing is started'),
  };
  const separator: QuickPickItem = { label: l10n.t('Plan'), kind: QuickPickItemKind.Separator };
  const items: QuickPickItem[] = [go, separator, ...[...commandLines(spec), ...lines].flatMap(planRows).map((label) => ({ label })), whole];
  const choice = await window.showQuickPick(items, {
    title: l10n.t('Start C10M run'),
    placeHolder: l10n.t('Enter starts the run, Escape leaves everything as it is'),
    ignoreFocusOut: true,
  });
  if (choice !== undefined && choice !== go) await plans.show(runTitle(spec), checked.plan, checked.facts, spec);
  if (choice !== go) return undefined;
  return (await confirmChanges(checked)) ? checked : undefined;
}

/** Asks before settings of the whole host change; true where none does. */
export async function confirmChanges({ plan, facts }: Pick<RunPlan, 'plan' | 'facts'>): Promise<boolean> {
  const changes = globalChanges(plan);
  if (changes === undefined) return true;
  const accept = l10n.t('Change and Start');
  const detail = l10n.t('These settings hold for the whole host, not only for this run. They are restored when it ends.\n\n{0}', changes);
  return (await askModal(l10n.t('Change kernel settings of {0}?', facts.hostname), { detail }, accept)) === accept;
}
