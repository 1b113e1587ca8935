import { join } from 'node:path';
import { env, ExtensionKind, l10n, Uri, window, type ExtensionContext } from 'vscode';
import { useTexts } from '../core/texts.js';
import { RunStore } from '../history/store.js';
import { Run } from '../run/run.js';
import { secretsOf } from '../core/opening/secrets.js';
import { runOwner } from '../transport/environment.js';
import { vscodePool } from './hosts/connect.js';
import { Comparisons } from './panels/comparisonPanel.js';
import type { PanelDependencies } from './panels/dashboardPanel.js';
import { Dashboards } from './panels/dashboards.js';
import { registerHistoryCommands } from './runs/historyCommands.js';
import { registerHostCommands } from './hosts/hostCommands.js';
import { HostRegistry } from './hosts/hostRegistry.js';
import { HostsTree } from './hosts/hostsTree.js';
import { registerContexts } from './contexts.js';
import { KeptSecrets } from './hosts/keptSecrets.js';
import { registerKeptRunCommands } from './runs/keptRunCommands.js';
import { KeptRuns } from './runs/keptRuns.js';
import { registerLanguageModelTools } from './runs/languageModelTools.js';
import { LiveRuns, type LiveRunsDependencies } from './runs/liveRuns.js';
import { reattachOrphans } from './runs/reattach.js';
import { PlanDocuments } from './runs/planDocument.js';
import { registerCompareServers } from './runs/compareServers.js';
import { registerProfiles } from './runs/profiles.js';
import { registerProfileTests } from './runs/profileTests.js';
import { handlePanelRequest, registerRunCommands, startRun } from './runs/runCommands.js';
import { registerRunLinks } from './runs/runLinks.js';
import { RunningRuns } from './runs/runningRuns.js';
import { RunsTree } from './runs/runsTree.js';
import { SavedRunSource } from './panels/savedRun.js';
import { runTitle } from '../core/run/model.js';
import { registerStatusBar } from './statusBar.js';
import { sshAliases } from './hosts/sshAliases.js';
import type { PlanRun } from './planRun.js';
import { confirmPlan, planWithProgress } from './runs/startRun.js';

/** Builds every part and passes each what it needs. */
export function createExtension(context: ExtensionContext): void {
  useTexts(panelTexts(), env.language);
  const log = window.createOutputChannel('C10M', { log: true });
  const storage = context.globalStorageUri.fsPath;
  const store = new RunStore(join(storage, 'runs'));
  const running = new RunningRuns(join(storage, 'running'));
  const registry = new HostRegistry(process.platform === 'linux', sshAliases, context.extension.extensionKind === ExtensionKind.Workspace);
  const secrets = new KeptSecrets(context.secrets);
  const pool = vscodePool(join(context.extensionPath, 'dist', 'host'), registry, secrets, panelTexts(), log);
  const version = String((context.extension.packageJSON as { version: unknown }).version);
  const createRun: LiveRunsDependencies['createRun'] = (spec, runId, progress) =>
    new Run(
      {
        lease: (name) => pool.lease(name, progress),
        store,
        version,
        owner: runOwner(),
        secrets: (run) => secretsOf(run, process.env),
        log: (line) => log.debug(line),
      },
      spec,
      runId,
    );
  const plan: PlanRun = (spec, progress, signal) => createRun(spec, undefined, progress).plan(signal);
  const live = new LiveRuns({ createRun, running, log, runCommand: handlePanelRequest });
  const panelDependencies: PanelDependencies = {
    assets: Uri.joinPath(context.extensionUri, 'dist', 'dashboard'),
    icon: { light: Uri.joinPath(context.extensionUri, 'media', 'icon-light.svg'), dark: Uri.joinPath(context.extensionUri, 'media', 'icon-dark.svg') },
    language: env.language,
    texts: panelTexts(),
    onFailure: (message, stack) => log.error(`Panel: ${message}${stack === undefined ? '' : `\n${stack}`}`),
  };
  const dashboards = new Dashboards(
    live,
    (runId) => {
      const run = store.read(runId);
      return new SavedRunSource(store, runId, run.name ?? runTitle(run.spec), (request) => handlePanelRequest(runId, request));
    },
    panelDependencies,
  );
  const hostsTree = new HostsTree(registry);
  const keptRuns = new KeptRuns(pool, store, version);
  const runsTree = new RunsTree(store, live, keptRuns, context.globalState);
  const comparisons = new Comparisons(store, panelDependencies, (request) => handlePanelRequest('', request));
  const plans = new PlanDocuments();
  const runDependencies = { registry, store, live, tree: runsTree, dashboards, plan, plans, log };
  // Hosts travel with settings sync, as settings do; the view of runs, and what VS Code keeps in secret, stay here.
  context.globalState.setKeysForSync([]);
  context.subscriptions.push(
    log,
    registry,
    // After the runs, which let go of their links first.
    { dispose: () => void pool.dispose() },
    live,
    dashboards,
    hostsTree,
    runsTree,
    keptRuns,
    ...registerKeptRunCommands({ registry, keptRuns, store, live, running, dashboards, log }),
    registerStatusBar(live),
    ...registerContexts({
      registry,
      store,
      live,
      views: [hostsTree.view, runsTree.view],
      onDidChangeRuns: runsTree.onDidChangeTreeData,
      memento: context.globalState,
    }),
    live.onDidEnd(() => runsTree.refresh()),
    ...registerHostCommands({ registry, tree: hostsTree, secrets, plan, pool, log }),
    comparisons,
    registerRunLinks(store, dashboards, log),
    plans,
    ...registerRunCommands(runDependencies),
    ...registerHistoryCommands({ store, tree: runsTree, comparisons, dashboards, log }),
    ...registerProfiles({
      log,
      run: (spec) => startRun(runDependencies, spec),
      check: async (spec, name) => {
        const planned = await planWithProgress(spec, plan);
        await plans.show(name, planned.plan, planned.facts, spec);
      },
      specOfRun: (runId) => store.read(runId ?? store.resolve('last')).spec,
    }),
    registerCompareServers({ store, live, log, plan, confirm: (spec) => confirmPlan(spec, { plan, plans }) }),
    ...registerProfileTests({ live, registry, plan, log }),
    ...registerLanguageModelTools(store, live),
  );
  // After activation: it reads a directory, and activation itself does no I/O.
  setImmediate(() => void reattachOrphans({ running, live, store, log }));
}

/** The translations of the current language, for the panels. */
function panelTexts(): Record<string, string> {
  return Object.fromEntries(Object.entries(l10n.bundle ?? {}).filter(([, value]) => typeof value === 'string'));
}
