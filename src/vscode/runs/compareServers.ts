import { commands, l10n, ProgressLocation, Uri, window, workspace, type Disposable, type LogOutputChannel } from 'vscode';
import { comparisonRounds, serverMarkdown, serverRow, type ServerRun } from '../../core/figures/serverComparison.js';
import { HumanError } from '../../core/errors.js';
import type { RunPlan } from '../../core/plan/hostPlans.js';
import type { RunStore } from '../../history/store.js';
import type { Sample } from '../../protocol/events.js';
import type { RunSpec } from '../../protocol/spec.js';
import { commandIds } from '../ids.js';
import type { PlanRun } from '../planRun.js';
import { reportError } from '../reportError.js';
import type { LiveRuns } from './liveRuns.js';
import { isProfile, readSpec } from './profiles.js';

/** More profiles than anybody would compare in one table. */
const maximumProfiles = 20;

export interface CompareServersDependencies {
  store: RunStore;
  live: LiveRuns;
  log: LogOutputChannel;
  /** Shows the plan and asks; undefined: not wanted. */
  confirm(spec: RunSpec): Promise<RunPlan | undefined>;
  plan: PlanRun;
}

interface Candidate {
  spec: RunSpec;
  plan: RunPlan | undefined;
  runs: ServerRun[];
}

/** *Run and Compare Profiles*: several servers in turn, three rounds, and a document that says what each costs a connection. */
export function registerCompareServers(dependencies: CompareServersDependencies): Disposable {
  return commands.registerCommand(commandIds.compareServers, async (_uri: unknown, selected: unknown) => {
    try {
      await compareServers(dependencies, selected);
    } catch (error) {
      reportError(dependencies.log, error);
    }
  });
}

async function compareServers(dependencies: CompareServersDependencies, selected: unknown): Promise<void> {
  const uris = await chosenProfiles(selected);
  if (uris === undefined) return;
  if (uris.length < 2) throw new HumanError(l10n.t('Select two profiles or more to compare their servers.'), { code: 'usage' });
  const candidates: Candidate[] = [];
  // Every plan is seen before the first run begins.
  for (const uri of uris) {
    const { spec } = await readSpec(uri);
    const plan = await dependencies.confirm(spec);
    if (plan === undefined) return;
    candidates.push({ spec, plan, runs: [] });
  }
  await window.withProgress(
    { location: ProgressLocation.Notification, title: l10n.t('C10M: comparing servers'), cancellable: true },
    async (progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      for (let round = 1; round <= comparisonRounds; round++) {
        for (const candidate of candidates) {
          if (abort.signal.aborted) return;
          const name = candidate.spec.name ?? '';
          progress.report({ message: l10n.t('round {0} of {1}: {2}', round, comparisonRounds, name), increment: 100 / comparisonRounds / candidates.length });
          await runOnce(dependencies, candidate, abort.signal);
        }
      }
    },
  );
  const rows = candidates.map(({ spec, runs }) => serverRow(spec.name ?? '', spec.connections, runs));
  const where = candidates[0]?.runs[0]?.run.facts?.hostname ?? '';
  await window.showTextDocument(await workspace.openTextDocument({ language: 'markdown', content: serverMarkdown(rows, where) }));
}

/** Those selected in the explorer, or chosen from the profiles of the workspace. */
async function chosenProfiles(selected: unknown): Promise<Uri[] | undefined> {
  const given = Array.isArray(selected) ? selected.filter((uri): uri is Uri => uri instanceof Uri && isProfile(uri)) : [];
  if (given.length > 1) return given.slice(0, maximumProfiles);
  const found = await workspace.findFiles('**/*.c10m.json', '**/node_modules/**', 500);
  const items = found.map((uri) => ({ label: workspace.asRelativePath(uri), uri })).sort((a, b) => a.label.localeCompare(b.label));
  const chosen = await window.showQuickPick(items, {
    canPickMany: true,
    title: l10n.t('Run and compare'),
    placeHolder: l10n.t('Profiles whose servers are run in turn, three rounds'),
  });
  return chosen?.slice(0, maximumProfiles).map(({ uri }) => uri);
}

/** The plan that was confirmed holds for the first run; a later one is planned anew, since others may use the host by then. */
async function runOnce({ live, store, plan }: CompareServersDependencies, candidate: Candidate, signal: AbortSignal): Promise<void> {
  const { spec } = candidate;
  const planned = candidate.plan ?? (await plan(spec, () => undefined, signal));
  candidate.plan = undefined;
  const { run, outcome } = live.start(spec, planned);
  const stop = () => run.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await outcome;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  let first: Sample | undefined;
  await store.eachEvent(run.runId, (event) => {
    if (event.type === 'sample') first ??= event;
  });
  candidate.runs.push({ run: store.read(run.runId), first });
}
