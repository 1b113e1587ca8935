import {
  CodeLens,
  commands,
  Diagnostic,
  Disposable,
  DiagnosticSeverity,
  EventEmitter,
  l10n,
  languages,
  Position,
  Range,
  Uri,
  window,
  workspace,
  type CodeLensProvider,
  type LogOutputChannel,
  type TextDocument,
} from 'vscode';
import { HumanError } from '../../core/errors.js';
import { exampleProfileText, parseProfile, profileTextOf } from '../../core/profile.js';
import type { RunSpec } from '../../protocol/spec.js';
import { commandIds } from '../ids.js';
import { reportError } from '../reportError.js';

export const profilePattern = '**/*.c10m.json';
/** Typing is not interrupted by checks; a pause this long is followed by one. */
const checkDelayMs = 250;

export interface ProfileDependencies {
  log: LogOutputChannel;
  run(spec: RunSpec): Promise<string | undefined>;
  /** Probes the host and shows the plan; changes nothing. */
  check(spec: RunSpec, name: string): Promise<void>;
  /** Of the latest run when no id is given. */
  specOfRun(runId: string | undefined): RunSpec;
}

/** Run profiles in the workspace: `*.c10m.json` with diagnostics, a Run and a Check lens, and the commands behind them. */
export function registerProfiles(dependencies: ProfileDependencies): Disposable[] {
  const { log } = dependencies;
  const guarded = (id: string, action: (argument: unknown) => Promise<unknown>): Disposable =>
    commands.registerCommand(id, async (argument: unknown) => {
      try {
        return await action(argument);
      } catch (error) {
        reportError(log, error);
        return undefined;
      }
    });
  return [
    ...registerDiagnostics(),
    languages.registerCodeLensProvider({ pattern: profilePattern }, new ProfileLenses()),
    guarded(commandIds.newProfile, () => newProfile(exampleProfileText(), 'example.c10m.json')),
    guarded(commandIds.saveRunAsProfile, (item) => {
      const runId = typeof item === 'object' && item !== null && 'id' in item && typeof item.id === 'string' ? item.id : undefined;
      return newProfile(profileTextOf(dependencies.specOfRun(runId)), 'run.c10m.json');
    }),
    guarded(commandIds.runProfile, async (uri) => dependencies.run((await readSpec(uri)).spec)),
    guarded(commandIds.checkProfile, async (uri) => {
      const { spec, name } = await readSpec(uri);
      await dependencies.check(spec, name);
    }),
  ];
}

class ProfileLenses implements CodeLensProvider {
  private readonly changed = new EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.changed.event;

  constructor() {
    workspace.onDidGrantWorkspaceTrust(() => this.changed.fire());
  }

  provideCodeLenses(document: TextDocument): CodeLens[] {
    const top = new Range(0, 0, 0, 0);
    if (!workspace.isTrusted)
      return [new CodeLens(top, { command: 'workbench.trust.manage', title: `$(workspace-untrusted) ${l10n.t('Trust this workspace to run the profile')}` })];
    return [
      new CodeLens(top, {
        command: commandIds.runProfile,
        title: `$(play) ${l10n.t('Run')}`,
        tooltip: l10n.t('Start this run, after showing its plan'),
        arguments: [document.uri],
      }),
      new CodeLens(top, {
        command: commandIds.checkProfile,
        title: `$(checklist) ${l10n.t('Check')}`,
        tooltip: l10n.t('Probe the host and show plan and walls; nothing is changed'),
        arguments: [document.uri],
      }),
    ];
  }
}

function registerDiagnostics(): Disposable[] {
  const collection = languages.createDiagnosticCollection('c10m');
  const timers = new Map<string, NodeJS.Timeout>();
  const check = (document: TextDocument): void => {
    const { problems } = parseProfile(document.getText());
    collection.set(
      document.uri,
      problems.map((problem) => {
        const range = new Range(document.positionAt(problem.offset), document.positionAt(problem.offset + problem.length));
        const diagnostic = new Diagnostic(range, problem.message, problem.severity === 'error' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning);
        diagnostic.source = 'C10M';
        return diagnostic;
      }),
    );
  };
  const later = (document: TextDocument): void => {
    if (!isProfile(document.uri)) return;
    const key = document.uri.toString();
    clearTimeout(timers.get(key));
    timers.set(
      key,
      setTimeout(() => {
        timers.delete(key);
        if (!document.isClosed) check(document);
      }, checkDelayMs),
    );
  };
  for (const document of workspace.textDocuments) later(document);
  return [
    Disposable.from(collection),
    workspace.onDidOpenTextDocument(later),
    workspace.onDidChangeTextDocument((event) => later(event.document)),
    workspace.onDidCloseTextDocument((document) => collection.delete(document.uri)),
    new Disposable(() => {
      for (const timer of timers.values()) clearTimeout(timer);
    }),
  ];
}

export function isProfile(uri: Uri): boolean {
  return uri.path.endsWith('.c10m.json');
}

/** The spec of the profile at `uri`, or of the one in the active editor. Unsaved changes count. */
export async function readSpec(uri: unknown): Promise<{ spec: RunSpec; name: string }> {
  if (!workspace.isTrusted) {
    throw new HumanError(l10n.t('Profiles of a workspace in Restricted Mode are not run: they can name hosts and commands.'), {
      code: 'accessRefused',
      remedy: l10n.t('Trust the workspace first.'),
    });
  }
  const target = uri instanceof Uri ? uri : window.activeTextEditor?.document.uri;
  if (target === undefined || !isProfile(target)) {
    throw new HumanError(l10n.t('No profile is open.'), {
      code: 'usage',
      remedy: l10n.t('Open a file that ends in .c10m.json, or make one with "C10M: New Profile".'),
    });
  }
  const document = await workspace.openTextDocument(target);
  try {
    return specOf(document);
  } catch (error) {
    await window.showTextDocument(document);
    throw error;
  }
}

/** The spec of a profile, named after its file when it has no name. Throws a HumanError (usage) with what is wrong. */
export function specOf(document: TextDocument): { spec: RunSpec; name: string } {
  const { spec, problems } = parseProfile(document.getText());
  if (spec === undefined) throw new HumanError(problems[0]?.message ?? l10n.t('The profile cannot be read.'), { code: 'usage' });
  const { path } = document.uri;
  const fileName = path.slice(path.lastIndexOf('/') + 1);
  const named = spec.name === undefined ? { ...spec, name: fileName.replace(/\.c10m\.json$/, '') } : spec;
  return { spec: withDirectory(named, document), name: fileName };
}

/** A command on this machine starts in the folder of the workspace, as in its terminal; outside of one beside the profile. */
function withDirectory(spec: RunSpec, document: TextDocument): RunSpec {
  if (spec.engine !== 'command' || spec.host !== 'local' || spec.workingDirectory !== undefined || document.uri.scheme !== 'file') return spec;
  const directory = workspace.getWorkspaceFolder(document.uri)?.uri ?? Uri.joinPath(document.uri, '..');
  return { ...spec, workingDirectory: directory.fsPath };
}

/** Asks where, writes, opens. Without a folder the profile stays unsaved until the user saves it. */
async function newProfile(text: string, proposal: string): Promise<void> {
  const folder = workspace.workspaceFolders?.[0]?.uri;
  if (folder === undefined) {
    // With the name of a profile, so that it can be run and checked before it is saved.
    const untitled = await workspace.openTextDocument(Uri.from({ scheme: 'untitled', path: `/${proposal}` }));
    const editor = await window.showTextDocument(untitled);
    await editor.edit((edit) => edit.insert(new Position(0, 0), text));
    return;
  }
  const name = await window.showInputBox({
    title: l10n.t('New profile'),
    prompt: l10n.t('Name of the file in {0}', workspace.workspaceFolders?.[0]?.name ?? ''),
    value: proposal,
    valueSelection: [0, proposal.length - '.c10m.json'.length],
    validateInput: (value) => (/^[^/\\]+$/.test(value.trim()) ? undefined : l10n.t('A file name, without folders.')),
  });
  if (name === undefined) return;
  const fileName = name.trim().endsWith('.c10m.json') ? name.trim() : `${name.trim().replace(/\.json$/, '')}.c10m.json`;
  const target = Uri.joinPath(folder, fileName);
  const exists = await workspace.fs.stat(target).then(
    () => true,
    () => false,
  );
  if (exists) throw new HumanError(l10n.t('{0} exists already; nothing was overwritten.', fileName), { code: 'usage', remedy: l10n.t('Choose another name.') });
  await workspace.fs.writeFile(target, Buffer.from(text));
  await window.showTextDocument(await workspace.openTextDocument(target));
}
