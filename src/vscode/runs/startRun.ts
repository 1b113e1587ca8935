import { l10n, ProgressLocation, QuickPickItemKind, window, type QuickPickItem } from 'vscode';
import { HumanError } from '../../core/errors.js';
import { fieldProblem, specFromInput } from '../../core/profile.js';
import { withoutMarks } from '../../core/fieldTexts.js';
import type { ProtocolChoice, RunSpec } from '../../protocol/spec.js';
import { specFields } from '../../protocol/specFields.js';
import type { HostRegistry, KnownHost } from '../hosts/hostRegistry.js';
import { inputStep, keep, pickStep, runSteps, type StepResult } from '../multiStep.js';
import type { PlanDocuments } from './planDocument.js';
import { commandLines, globalChanges, planLines } from '../planItems.js';
import { runTitle } from '../../core/run/model.js';
import type { RunPlan } from '../../core/plan/hostPlans.js';
import type { PlanRun } from '../planRun.js';
import { settings } from '../settings.js';
import { askModal } from '../messages.js';

interface Choice<T> extends QuickPickItem {
  value: T;
}

const totalSteps = 3;

/** Asks for host, protocol and connections; undefined when the user gave up. `host` is given when a host was chosen in the tree. */
export async function askForSpec(registry: HostRegistry, host?: string): Promise<RunSpec | undefined> {
  const title = l10n.t('Start C10M run');
  const answers: { host: string; protocol: ProtocolChoice; connections: string } = {
    host: host ?? 'local',
    protocol: 'tcp',
    connections: settings.defaultConnections.value,
  };
  const hostStep = async (): Promise<StepResult<unknown>> => {
    const items = (await registry.list()).map((known) => hostItem(known));
    if (items.length === 0) {
      throw new HumanError(l10n.t('There is no host to run on: this machine is not Linux.'), {
        code: 'usage',
        remedy: l10n.t('Add a Linux host with the command "C10M: Add Host".'),
      });
    }
    const result = await pickStep({ title, step: 1, totalSteps }, items, { placeholder: l10n.t(specFields.host.title) });
    return keep(result, (item) => (answers.host = item.value));
  };
  const protocolStep = async (): Promise<StepResult<unknown>> =>
    keep(
      await pickStep({ title, step: 2, totalSteps }, protocolItems(), { placeholder: l10n.t(specFields.protocol.title) }),
      (item) => (answers.protocol = item.value),
    );
  const connectionsStep = async (): Promise<StepResult<unknown>> =>
    keep(
      await inputStep(
        { title, step: 3, totalSteps },
        {
          prompt: withoutMarks(l10n.t(specFields.connections.description)),
          value: answers.connections,
          validate: (value) => fieldProblem('connections', value),
        },
      ),
      (value) => (answers.connections = value),
    );
  const steps = host === undefined ? [hostStep, protocolStep, connectionsStep] : [protocolStep, connectionsStep];
  if (!(await runSteps(steps))) return undefined;
  return specFromInput({ host: answers.host, protocol: answers.protocol, connections: answers.connections, hold: settings.defaultHold.value });
}

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
  const lines = planLines(checked.plan, checked.facts);
  const go: QuickPickItem = {
    label: `$(play) ${l10n.t('Start')}`,
    detail: lines[0] === undefined ? '' : `${lines[0].label}: ${lines[0].detail}`,
    alwaysShow: true,
  };
  const whole: QuickPickItem = {
    label: `$(list-unordered) ${l10n.t('Show the whole plan')}`,
    detail: l10n.t('walls, kernel settings and workers, as a document; nothing is started'),
  };
  const separator: QuickPickItem = { label: l10n.t('Plan'), kind: QuickPickItemKind.Separator };
  const items: QuickPickItem[] = [
    go,
    separator,
    ...[...commandLines(spec), ...lines.slice(1)].map((line) => ({ label: line.label, ...(line.detail === '' ? {} : { detail: line.detail }) })),
    whole,
  ];
  const choice = await window.showQuickPick(items, {
    title: l10n.t('Start C10M run'),
    placeHolder: l10n.t('Enter starts the run, Escape leaves everything as it is'),
    ignoreFocusOut: true,
  });
  if (choice !== undefined && choice !== go) await plans.show(runTitle(spec), checked.plan, checked.facts);
  if (choice !== go) return undefined;
  const changes = globalChanges(checked.plan);
  if (changes === undefined) return checked;
  const accept = l10n.t('Change and Start');
  const detail = l10n.t('These settings hold for the whole host, not only for this run. They are restored when it ends.\n\n{0}', changes);
  const answer = await askModal(l10n.t('Change kernel settings of {0}?', checked.facts.hostname), { detail }, accept);
  return answer === accept ? checked : undefined;
}

function hostItem(host: KnownHost): Choice<string> {
  const label = host.kind === 'local' ? l10n.t('This machine') : host.name;
  return { label: `$(${host.kind === 'local' ? 'device-desktop' : 'server'}) ${label}`, description: host.detail, value: host.target };
}

function protocolItems(): Choice<ProtocolChoice>[] {
  const labels: Record<ProtocolChoice, string> = { tcp: 'TCP', websocket: 'WebSocket', both: l10n.t('Both') };
  return Object.entries(specFields.protocol.choices ?? {}).map(([value, words]) => ({
    label: labels[value as ProtocolChoice],
    description: l10n.t(words),
    value: value as ProtocolChoice,
  }));
}
