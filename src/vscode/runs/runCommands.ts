import { commands, l10n, Uri, window, workspace, type Disposable, type LogOutputChannel } from 'vscode';
import { HumanError } from '../../core/errors.js';
import type { PanelRequest } from '../../protocol/panel.js';
import type { RunSpec } from '../../protocol/spec.js';
import type { RunStore } from '../../history/store.js';
import type { Dashboards } from '../panels/dashboards.js';
import type { HostRegistry, KnownHost } from '../hosts/hostRegistry.js';
import { commandIds } from '../ids.js';
import type { LiveRuns } from './liveRuns.js';
import { chosenRuns } from './historyCommands.js';
import type { PlanDocuments } from './planDocument.js';
import { reportError } from '../reportError.js';
import type { RunItem, RunsTree, RunTreeElement } from './runsTree.js';
import type { PlanRun } from '../planRun.js';
import { byKey, focusedRuns } from './focusedRuns.js';
import type { LiveRun } from './liveRun.js';
import { announceEnd } from './runEnd.js';
import { confirmPlan } from './startRun.js';
import { askForSpec } from './startSteps.js';
import { showInformation, showWarning } from '../messages.js';
import { runTitle } from '../../core/run/model.js';
import type { RunPlan } from '../../core/plan/hostPlans.js';

export interface RunCommandDependencies {
  registry: HostRegistry;
  store: RunStore;
  live: LiveRuns;
  tree: RunsTree;
  dashboards: Dashboards;
  plan: PlanRun;
  plans: PlanDocuments;
  log: LogOutputChannel;
}

/** A run of a dashboard with its spec: one that did not begin is in no store. */
interface RunToRepeat {
  id: string;
  spec: RunSpec;
}

/** Starts a run whose spec is settled: shows the plan, asks, opens the dashboard, and reports how it went wrong if it does. */
export async function startRun(dependencies: RunCommandDependencies, spec: RunSpec): Promise<string | undefined> {
  const { live, dashboards } = dependencies;
  const plan = await confirmPlan(spec, dependencies);
  if (plan === undefined) return undefined;
  const { run, outcome } = live.start(spec, plan);
  // The dashboard shows everything about a run, an error included; a run that ended before it could be seen is reported.
  outcome.then(
    () => announceEnd(run, dependencies),
    (error: unknown) => void reportRunError(dependencies, spec, plan, error),
  );
  dashboards.open(run.runId);
  return run.runId;
}

/** A busy host is waited for at a button: the remedy of the terminal names options that nobody has here. */
async function reportRunError({ live, dashboards, log }: RunCommandDependencies, spec: RunSpec, plan: RunPlan, error: unknown): Promise<void> {
  if (!(error instanceof HumanError) || error.code !== 'busy') {
    reportError(log, error);
    return;
  }
  log.warn(error.text);
  const wait = l10n.t('Wait and Run');
  if ((await showWarning(l10n.t('{0} It can begin by itself when the host is free.', error.message), wait)) !== wait) return;
  const { run, outcome } = live.start({ ...spec, waitForHost: true }, plan);
  outcome.then(
    () => announceEnd(run, { dashboards }),
    (failure: unknown) => reportError(log, failure),
  );
  dashboards.open(run.runId);
}

/** The run that a command without an item is meant for: the only one, or the one that is chosen by name. */
async function chooseLive(live: LiveRuns): Promise<LiveRun | undefined> {
  const runs = live.all;
  if (runs.length < 2) return runs[0];
  const items = runs.map((run) => ({ label: run.title, description: run.spec.host === 'local' ? l10n.t('this machine') : run.spec.host, run }));
  return (await window.showQuickPick(items, { title: l10n.t('Choose the run to stop') }))?.run;
}

/** The spec of the latest run; undefined before the first. */
function lastSpec(store: RunStore): RunSpec | undefined {
  const last = store.list().find(({ state }) => state === 'ok');
  return last === undefined ? undefined : store.read(last.id).spec;
}

export function registerRunCommands(dependencies: RunCommandDependencies): Disposable[] {
  const { registry, store, live, tree, dashboards, log } = dependencies;
  const guarded = <T>(id: string, action: (argument?: T, selected?: T[]) => unknown): Disposable =>
    commands.registerCommand(id, async (argument?: T, selected?: T[]) => {
      try {
        return await action(argument, selected);
      } catch (error) {
        reportError(log, error);
        return undefined;
      }
    });
  return [
    guarded(commandIds.start, async () => {
      const spec = await askForSpec(registry, lastSpec(store));
      return spec === undefined ? undefined : startRun(dependencies, spec);
    }),
    guarded<KnownHost>(commandIds.startOnHost, async (host) => {
      const spec = await askForSpec(registry, lastSpec(store), host?.target);
      return spec === undefined ? undefined : startRun(dependencies, spec);
    }),
    guarded<RunItem>(commandIds.stop, async (item) => {
      if (live.all.length === 0) throw new HumanError(l10n.t('No run is in progress.'), { code: 'usage' });
      const run = item === undefined ? await chooseLive(live) : live.get(item.id);
      if (run === undefined) return;
      run.stop();
      void showInformation(l10n.t('{0} is being stopped: it drains, and the host is restored.', run.title));
    }),
    guarded(commandIds.openDashboard, () => {
      const runId = live.current?.runId ?? store.list()[0]?.id;
      if (runId === undefined)
        throw new HumanError(l10n.t('There is no run yet.'), { code: 'usage', remedy: l10n.t('Start one with the command "Start C10M run".') });
      dashboards.open(runId);
    }),
    guarded<RunItem | RunToRepeat>(commandIds.repeatRun, async (item) => {
      if (item !== undefined && 'spec' in item) return startRun(dependencies, item.spec);
      const id = item?.id ?? tree.view.selection.find((element): element is RunItem => 'id' in element)?.id ?? store.list()[0]?.id;
      return id === undefined ? undefined : startRun(dependencies, store.read(id).spec);
    }),
    guarded<RunItem>(commandIds.openRun, (item) => {
      if (item !== undefined) dashboards.open(item.id, true);
    }),
    guarded<RunTreeElement | typeof byKey>(commandIds.deleteRun, async (item, selected) => {
      const chosen = item === byKey ? await focusedRuns(tree) : chosenRuns(tree, item, selected as RunTreeElement[] | undefined);
      const items = chosen.filter(({ id }) => live.get(id) === undefined);
      if (items.length === 0) return;
      const undos: (() => void)[] = [];
      for (const { id } of items) {
        try {
          undos.push(store.remove(id));
          dashboards.close(id);
        } catch (error) {
          // The others can be deleted, and brought back, all the same.
          reportError(log, error);
        }
      }
      tree.refresh();
      if (undos.length === 0) return;
      const undo = l10n.t('Undo');
      const text =
        undos.length === 1
          ? l10n.t('The run was deleted: {0}', items.map(({ id, entry }) => (entry.state === 'ok' ? runTitle(entry) : id)).join(', '))
          : l10n.t('{0} runs were deleted.', undos.length);
      // Not awaited by the caller: the message may stay for minutes.
      void showInformation(text, undo).then((choice) => {
        if (choice !== undo) return;
        for (const restore of undos.reverse()) restore();
        tree.refresh();
      });
    }),
    commands.registerCommand(commandIds.showLog, () => {
      log.show();
    }),
  ];
}

/** What the buttons of a dashboard ask for, beside orders to the run. `spec`: that of a run which may not be saved. */
export async function handlePanelRequest(runId: string, request: PanelRequest, spec?: RunSpec): Promise<unknown> {
  switch (request.name) {
    case 'command':
      await commands.executeCommand(`c10m.${request.command}`, { id: runId, ...(spec === undefined ? {} : { spec }) });
      return null;
    case 'saveImage':
      return saveFile(request.fileName, Buffer.from(request.base64, 'base64'), { PNG: ['png'] });
    case 'saveText':
      return saveFile(request.fileName, Buffer.from(request.content), { CSV: ['csv'] });
    default:
      throw new HumanError(l10n.t('The run is over.'), { code: 'usage' });
  }
}

async function saveFile(fileName: string, bytes: Uint8Array, filters: Record<string, string[]>): Promise<boolean> {
  const folder = workspace.workspaceFolders?.[0]?.uri;
  const target = await window.showSaveDialog({ ...(folder === undefined ? {} : { defaultUri: Uri.joinPath(folder, fileName) }), filters });
  if (target === undefined) return false;
  await workspace.fs.writeFile(target, bytes);
  return true;
}
