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
import { askForSpec, confirmPlan } from './startRun.js';
import { showInformation } from '../messages.js';

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
  const { live, dashboards, log } = dependencies;
  const plan = await confirmPlan(spec, dependencies);
  if (plan === undefined) return undefined;
  const { run, outcome } = live.start(spec, plan);
  // The dashboard shows everything about a run, an error included; a run that ended before it could be seen is reported.
  outcome.catch((error: unknown) => reportError(log, error));
  dashboards.open(run.runId);
  return run.runId;
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
      const spec = await askForSpec(registry);
      return spec === undefined ? undefined : startRun(dependencies, spec);
    }),
    guarded<KnownHost>(commandIds.startOnHost, async (host) => {
      const spec = await askForSpec(registry, host?.target);
      return spec === undefined ? undefined : startRun(dependencies, spec);
    }),
    guarded<RunItem>(commandIds.stop, (item) => {
      const run = item === undefined ? live.current : live.get(item.id);
      if (run === undefined) throw new HumanError(l10n.t('No run is in progress.'), { code: 'usage' });
      run.stop();
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
    guarded<RunTreeElement>(commandIds.deleteRun, (item, selected) => {
      const items = chosenRuns(tree, item, selected).filter(({ id }) => live.get(id) === undefined);
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
      const text = undos.length === 1 ? l10n.t('The run was deleted.') : l10n.t('{0} runs were deleted.', undos.length);
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
