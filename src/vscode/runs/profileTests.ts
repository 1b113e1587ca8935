import {
  Disposable,
  l10n,
  Location,
  MarkdownString,
  Range,
  TestMessage,
  TestRunProfileKind,
  tests,
  Uri,
  workspace,
  type CancellationToken,
  type LogOutputChannel,
  type TestController,
  type TestItem,
  type TestRun,
  type TestRunProfile,
  type TestRunRequest,
  type TextDocument,
} from 'vscode';
import { HumanError, messageOf } from '../../core/errors.js';
import { markdownText } from '../../core/foreignText.js';
import { parseProfile } from '../../core/profile.js';
import { entryText } from '../../core/run/line.js';
import { runCases, type RunCase } from '../../core/runCases.js';
import { judgeRun } from '../../core/verdict.js';
import type { Summary } from '../../protocol/events.js';
import type { RunSpec } from '../../protocol/spec.js';
import type { HostRegistry } from '../hosts/hostRegistry.js';
import { commandIds } from '../ids.js';
import type { PlanRun } from '../planRun.js';
import type { LiveRuns } from './liveRuns.js';
import { profilePattern, specOf } from './profiles.js';
import { confirmChanges } from './startRun.js';

export interface ProfileTestDependencies {
  live: LiveRuns;
  registry: HostRegistry;
  plan: PlanRun;
  log: LogOutputChannel;
}

/** More profiles than this are no list; more hosts than this no menu. */
const maximumProfiles = 1_000;
const maximumHostProfiles = 20;

/** Profiles with thresholds in the Test Explorer: each is a test, and passes when `c10m run` would end with exit code 0. */
export function registerProfileTests(dependencies: ProfileTestDependencies): { dispose(): unknown }[] {
  const controller = tests.createTestController('c10m.profiles', l10n.t('C10M profiles'));
  const hosts = new HostRunProfiles(controller, dependencies);
  controller.resolveHandler = async (item) => {
    if (item !== undefined) return;
    await discover(controller);
    await hosts.update();
  };
  controller.refreshHandler = () => discover(controller);
  const watcher = workspace.createFileSystemWatcher(profilePattern);
  const look = (uri: Uri): void => void showProfile(controller, uri).catch((error: unknown) => dependencies.log.warn(`${uri.path}: ${messageOf(error)}`));
  return [
    controller,
    watcher,
    watcher.onDidCreate(look),
    watcher.onDidChange(look),
    watcher.onDidDelete((uri) => controller.items.delete(uri.toString())),
    hosts,
  ];
}

async function discover(controller: TestController): Promise<void> {
  const found = await workspace.findFiles(profilePattern, '**/node_modules/**', maximumProfiles);
  controller.items.replace([]);
  await Promise.all(found.map((uri) => showProfile(controller, uri)));
}

/** A profile without thresholds tests nothing; one that cannot be read is shown with what is wrong. */
async function showProfile(controller: TestController, uri: Uri): Promise<void> {
  const id = uri.toString();
  const text = Buffer.from(await workspace.fs.readFile(uri)).toString('utf8');
  const { spec, problems } = parseProfile(text);
  if (spec !== undefined && spec.thresholds.length === 0) {
    controller.items.delete(id);
    return;
  }
  const item = controller.createTestItem(id, workspace.asRelativePath(uri), uri);
  item.range = new Range(0, 0, 0, 0);
  item.description = spec?.thresholds.join(', ') ?? '';
  if (spec === undefined) item.error = problems[0]?.message ?? l10n.t('The profile cannot be read.');
  controller.items.add(item);
}

/** One way to run for the host that the profile names, and one for each known host. */
class HostRunProfiles {
  private others: TestRunProfile[] = [];
  private isDisposed = false;
  private readonly owned: Disposable;

  constructor(
    private readonly controller: TestController,
    private readonly dependencies: ProfileTestDependencies,
  ) {
    this.owned = Disposable.from(
      this.runProfile(l10n.t('Run'), undefined),
      dependencies.registry.onDidChange(() => void this.update()),
    );
  }

  /** Not while VS Code starts: the aliases of ssh_config are in files. */
  async update(): Promise<void> {
    const hosts = await this.dependencies.registry.list();
    if (this.isDisposed) return;
    this.disposeOthers();
    this.others = hosts
      .slice(0, maximumHostProfiles)
      .map(({ kind, name, target }) => this.runProfile(kind === 'local' ? l10n.t('Run on this machine') : l10n.t('Run on {0}', name), target));
  }

  dispose(): void {
    this.isDisposed = true;
    this.disposeOthers();
    this.owned.dispose();
  }

  private disposeOthers(): void {
    for (const profile of this.others) profile.dispose();
  }

  private runProfile(label: string, host: string | undefined): TestRunProfile {
    const { controller, dependencies } = this;
    return controller.createRunProfile(
      label,
      TestRunProfileKind.Run,
      (request, token) => runTests(controller, dependencies, request, token, host),
      host === undefined,
    );
  }
}

/** One after the other: a host runs one run at a time. */
async function runTests(
  controller: TestController,
  dependencies: ProfileTestDependencies,
  request: TestRunRequest,
  token: CancellationToken,
  host: string | undefined,
): Promise<void> {
  const chosen = request.include ?? [...controller.items].map(([, item]) => item);
  const items = chosen.filter((item) => request.exclude?.includes(item) !== true);
  const run = controller.createTestRun(request);
  for (const item of items) run.enqueued(item);
  try {
    for (const item of items) {
      if (token.isCancellationRequested) run.skipped(item);
      else await runTest(dependencies, run, item, token, host);
    }
  } finally {
    run.end();
  }
}

async function runTest(dependencies: ProfileTestDependencies, run: TestRun, item: TestItem, token: CancellationToken, host: string | undefined): Promise<void> {
  const began = Date.now();
  const say = (line: string): void => run.appendOutput(`${line.replaceAll(/\r?\n/g, '\r\n')}\r\n`, undefined, item);
  run.started(item);
  try {
    if (!workspace.isTrusted)
      throw new HumanError(l10n.t('Profiles of a workspace in Restricted Mode are not run: they can name hosts and commands.'), {
        code: 'accessRefused',
        remedy: l10n.t('Trust the workspace first.'),
      });
    const document = await workspace.openTextDocument(item.uri!);
    const { spec: written } = specOf(document);
    const spec = host === undefined ? written : { ...written, host };
    const ended = await conduct(dependencies, spec, say, token);
    if (ended === undefined) run.skipped(item);
    else report(run, item, document, spec, ended, Date.now() - began);
  } catch (error) {
    if (token.isCancellationRequested) run.skipped(item);
    else {
      const said = error instanceof HumanError ? error.text : messageOf(error);
      say(said);
      run.errored(item, new TestMessage(said), Date.now() - began);
    }
  }
}

/** Plans and runs; undefined: it was cancelled. */
async function conduct(
  { live, plan }: ProfileTestDependencies,
  spec: RunSpec,
  say: (line: string) => void,
  token: CancellationToken,
): Promise<{ runId: string; summary: Summary } | undefined> {
  const abort = new AbortController();
  const cancellation = token.onCancellationRequested(() => abort.abort());
  try {
    const planned = await plan(spec, say, abort.signal);
    if (!(await confirmChanges(planned)))
      throw new HumanError(l10n.t('The run would change kernel settings of the whole host, and that was not allowed. Nothing was started.'), {
        code: 'cancelled',
      });
    const { run, outcome } = live.start(spec, planned);
    const lines = run.onDelta(({ entries }) => entries.forEach((entry) => entry.level === 'debug' || say(entryText(entry))));
    const stop = token.onCancellationRequested(() => run.stop());
    if (token.isCancellationRequested) run.stop();
    try {
      await outcome;
    } finally {
      lines.dispose();
      stop.dispose();
    }
    const { summary } = run.model;
    if (token.isCancellationRequested || summary === undefined) return undefined;
    return { runId: run.runId, summary };
  } finally {
    cancellation.dispose();
  }
}

function report(
  run: TestRun,
  item: TestItem,
  document: TextDocument,
  spec: RunSpec,
  { runId, summary }: { runId: string; summary: Summary },
  ms: number,
): void {
  const { verdict } = judgeRun(summary, spec);
  if (verdict === 'passed') {
    run.passed(item, ms);
    return;
  }
  const failed = runCases(summary, spec).filter(({ failure }) => failure !== undefined);
  // What says the same in particular is enough.
  const told = failed.length > 1 ? failed.filter(({ name }) => name !== 'verdict') : failed;
  const messages = told.map((one) => messageFor(one, document, runId));
  // A result that was not wanted is a failure; a run that could not give one is an error.
  if (verdict === 'thresholdFailed' || verdict === 'targetNotReached') run.failed(item, messages, ms);
  else run.errored(item, messages, ms);
}

function messageFor({ name, failure, expected, actual }: RunCase, document: TextDocument, runId: string): TestMessage {
  const link = `command:${commandIds.openRun}?${encodeURIComponent(JSON.stringify([{ id: runId }]))}`;
  const markdown = new MarkdownString(`${markdownText(`${name}: ${failure ?? ''}`)}\n\n[${l10n.t('Open the run')}](${link})`);
  markdown.isTrusted = { enabledCommands: [commandIds.openRun] };
  const message = TestMessage.diff(markdown, expected, actual);
  const at = document.getText().indexOf(JSON.stringify(name));
  const place = at === -1 ? new Range(0, 0, 0, 0) : new Range(document.positionAt(at), document.positionAt(at + name.length + 2));
  message.location = new Location(document.uri, place);
  return message;
}
