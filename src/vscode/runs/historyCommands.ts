import { commands, env, l10n, Uri, window, workspace, type Disposable, type LogOutputChannel } from 'vscode';
import { HumanError } from '../../core/errors.js';
import { reportSaved } from '../../history/savedComparison.js';
import { reportFormats, type ReportFormat } from '../../history/report.js';
import type { RunStore } from '../../history/store.js';
import type { Comparisons } from '../panels/comparisonPanel.js';
import type { Dashboards } from '../panels/dashboards.js';
import { commandIds } from '../ids.js';
import { reportError } from '../reportError.js';
import { runTitle } from '../../core/run/model.js';
import { byKey, focusedRuns } from './focusedRuns.js';
import { runLink } from './runLinks.js';
import type { RunItem, RunsTree, RunTreeElement } from './runsTree.js';
import { showInformation, showWarning } from '../messages.js';

export interface HistoryCommandDependencies {
  store: RunStore;
  tree: RunsTree;
  comparisons: Comparisons;
  dashboards: Dashboards;
  log: LogOutputChannel;
}

/** What a command works on: the item it was called on, all that are selected with it, or what the tree has selected. */
export function chosenRuns(tree: RunsTree, item: RunTreeElement | undefined, selected: readonly RunTreeElement[] | undefined): RunItem[] {
  const elements = selected !== undefined && selected.length > 0 ? selected : item === undefined ? tree.view.selection : [item];
  return elements.filter((element): element is RunItem => 'id' in element);
}

/** Commands on the history that change or export runs. */
export function registerHistoryCommands(dependencies: HistoryCommandDependencies): Disposable[] {
  const { store, tree, comparisons, dashboards, log } = dependencies;
  const onRuns = (id: string, action: (runs: RunItem[]) => unknown): Disposable =>
    commands.registerCommand(id, async (item?: RunTreeElement | typeof byKey, selected?: RunTreeElement[]) => {
      try {
        const runs = item === byKey ? await focusedRuns(tree) : chosenRuns(tree, item, selected);
        const needed = id === commandIds.compareRuns ? 2 : 1;
        return await action(runs.length >= needed ? runs : await pickRuns(store, needed > 1));
      } catch (error) {
        reportError(log, error);
        return undefined;
      }
    });
  const change = (runs: readonly RunItem[], changes: Parameters<RunStore['update']>[1]): void => {
    for (const { id } of runs) {
      store.update(id, changes);
      dashboards.refresh(id);
    }
    tree.refresh();
  };
  return [
    onRuns(commandIds.renameRun, async ([run]) => {
      if (run === undefined) return;
      const saved = store.read(run.id);
      const name = await window.showInputBox({
        title: l10n.t('Rename run'),
        value: saved.name ?? '',
        placeHolder: runTitle(saved.spec),
        prompt: l10n.t('Empty: named after what it did'),
      });
      if (name !== undefined) change([run], { name });
    }),
    onRuns(commandIds.tagRun, async (runs) => {
      const [run] = runs;
      if (run === undefined) return;
      const text = await window.showInputBox({
        title: l10n.t('Tags'),
        value: store.read(run.id).tags.join(', '),
        prompt: l10n.t('Words, separated by commas; empty removes all'),
      });
      if (text === undefined) return;
      change(runs, { tags: [...new Set(text.split(/[,\s]+/).filter((tag) => tag !== ''))] });
    }),
    onRuns(commandIds.pinRun, (runs) => change(runs, { pinned: true })),
    onRuns(commandIds.unpinRun, (runs) => change(runs, { pinned: false })),
    onRuns(commandIds.openRunFolder, async ([run]) => {
      if (run === undefined) return;
      const path = Uri.file(store.pathOf(run.id));
      // In a remote window the folder is not of the machine that shows it: its path goes to the clipboard.
      if (env.remoteName === undefined) await commands.executeCommand('revealFileInOS', Uri.joinPath(path, 'run.json'));
      else {
        await env.clipboard.writeText(path.fsPath);
        void showInformation(l10n.t('The path is on the clipboard: {0}', path.fsPath));
      }
    }),
    onRuns(commandIds.exportRun, async ([run]) => {
      if (run === undefined) return;
      const folder = (
        await window.showOpenDialog({
          canSelectFolders: true,
          canSelectFiles: false,
          openLabel: l10n.t('Export Here'),
          title: l10n.t('Export the directory of the run'),
        })
      )?.[0];
      if (folder === undefined) return;
      const target = Uri.joinPath(folder, `c10m-${run.id}`);
      await store.exportDirectory(run.id, target.fsPath);
      void showInformation(l10n.t('The run was exported to {0}', target.fsPath));
    }),
    onRuns(commandIds.exportReport, (runs) => exportReport(store, runs)),
    onRuns(commandIds.copySummary, async (runs) => {
      if (runs.length === 0) return;
      const markdown = await reportSaved(
        store,
        'md',
        runs.map(({ id }) => id),
      );
      await env.clipboard.writeText(markdown);
      void showInformation(l10n.t('The summary is on the clipboard.'));
    }),
    onRuns(commandIds.copyRunLink, async ([run]) => {
      if (run === undefined) return;
      await env.clipboard.writeText(runLink(run.id));
      void showInformation(l10n.t('The link is on the clipboard. It opens the run in VS Code on this machine.'));
    }),
    onRuns(commandIds.compareRuns, async (runs) => {
      if (runs.length === 0) return;
      if (runs.length < 2)
        throw new HumanError(l10n.t('A comparison needs two runs or more.'), {
          code: 'usage',
          remedy: l10n.t('Select them in the tree with Ctrl or Cmd held.'),
        });
      await comparisons.open(runs.map(({ id }) => id));
    }),
    commands.registerCommand(commandIds.importRun, async () => {
      try {
        const folder = (
          await window.showOpenDialog({
            canSelectFolders: true,
            canSelectFiles: false,
            openLabel: l10n.t('Import'),
            title: l10n.t('Import the directory of a run'),
          })
        )?.[0];
        if (folder === undefined) return;
        const { notes } = await store.importDirectory(folder.fsPath);
        tree.refresh();
        if (notes.length > 0) void showWarning(l10n.t('The run was imported, but not all of it could be read. {0}', notes.join(' ')));
      } catch (error) {
        reportError(log, error);
      }
    }),
    commands.registerCommand(commandIds.filterRuns, async () => {
      const filter = await window.showInputBox({
        title: l10n.t('Filter runs'),
        value: tree.filterText,
        prompt: l10n.t('Words of the name, host, tag, result or protocol; empty shows all'),
      });
      if (filter !== undefined) tree.setFilter(filter);
    }),
    commands.registerCommand(commandIds.clearRunFilter, () => tree.setFilter('')),
    commands.registerCommand(commandIds.groupRunsByHost, () => tree.setGrouping('host')),
    commands.registerCommand(commandIds.groupRunsByDay, () => tree.setGrouping('day')),
    commands.registerCommand(commandIds.refreshRuns, () => tree.refresh()),
  ];
}

async function pickRuns(store: RunStore, many: boolean): Promise<RunItem[]> {
  const items = store
    .list()
    .filter((entry) => entry.state === 'ok')
    .map((entry) => ({
      label: runTitle(entry),
      description: `${entry.verdict ?? ''} ${entry.host}`,
      detail: new Date(entry.startedAt).toLocaleString(),
      run: { id: entry.id, entry },
    }));
  if (items.length < (many ? 2 : 1)) {
    // No error: a walkthrough and a palette lead here before anything was done.
    const start = l10n.t('Start C10M Run');
    const said = many ? l10n.t('A comparison needs two runs that are over; there is none, or only one.') : l10n.t('There is no run yet.');
    void showInformation(said, start).then((choice) => choice === start && commands.executeCommand(commandIds.start));
    return [];
  }
  if (!many) {
    const choice = await window.showQuickPick(items, { title: l10n.t('Choose a run'), matchOnDescription: true });
    return choice === undefined ? [] : [choice.run];
  }
  const choices = await window.showQuickPick(items, { title: l10n.t('Choose the runs to compare'), canPickMany: true, matchOnDescription: true });
  return (choices ?? []).map((choice) => choice.run);
}

const formatNames: Record<ReportFormat, () => string> = {
  html: () => l10n.t('HTML with charts and tables, one file, no network'),
  md: () => l10n.t('Markdown summary'),
  csv: () => l10n.t('CSV of the samples'),
  json: () => l10n.t('JSON of results and samples'),
};

async function exportReport(store: RunStore, runs: readonly RunItem[]): Promise<string | undefined> {
  const [first] = runs;
  if (first === undefined) return undefined;
  const items = reportFormats.map((format) => ({ label: format.toUpperCase(), detail: formatNames[format](), format }));
  const choice = await window.showQuickPick(items, { title: runs.length === 1 ? l10n.t('Export report') : l10n.t('Export report of {0} runs', runs.length) });
  if (choice === undefined) return undefined;
  const name = `c10m-${first.id}${runs.length > 1 ? `-and-${runs.length - 1}` : ''}.${choice.format}`;
  const folder = workspace.workspaceFolders?.[0]?.uri;
  const target = await window.showSaveDialog({
    ...(folder === undefined ? {} : { defaultUri: Uri.joinPath(folder, name) }),
    filters: { [choice.format.toUpperCase()]: [choice.format] },
  });
  if (target === undefined) return undefined;
  const report = await reportSaved(
    store,
    choice.format,
    runs.map(({ id }) => id),
  );
  await workspace.fs.writeFile(target, Buffer.from(report));
  const open = l10n.t('Open');
  void showInformation(l10n.t('The report was written to {0}', target.fsPath), open).then(async (answer) => {
    if (answer === open) await (choice.format === 'html' ? env.openExternal(target) : window.showTextDocument(target));
  });
  return target.fsPath;
}
