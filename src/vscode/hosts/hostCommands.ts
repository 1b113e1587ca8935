import { commands, l10n, ProgressLocation, window, type Disposable, type LogOutputChannel } from 'vscode';
import { HumanError } from '../../core/errors.js';
import { specFromInput } from '../../core/profile.js';
import type { HostPool } from '../../run/hostPool.js';
import { targetOf, type HostRegistry, type KnownHost } from './hostRegistry.js';
import type { HostsTree } from './hostsTree.js';
import { commandIds } from '../ids.js';
import type { KeptSecrets } from './keptSecrets.js';
import { inputStep, keep, pickStep, runSteps, type StepResult } from '../multiStep.js';
import { hostLines } from '../planItems.js';
import { reportError } from '../reportError.js';
import { restoreHost } from './restoreHost.js';
import { unfollowedOf } from './sshAliases.js';
import { readHostAddress, type SavedHost } from '../savedHosts.js';
import type { PlanRun } from '../planRun.js';
import { showInformation } from '../messages.js';

export interface HostCommandDependencies {
  registry: HostRegistry;
  tree: HostsTree;
  secrets: KeptSecrets;
  plan: PlanRun;
  pool: HostPool;
  log: LogOutputChannel;
}

export function registerHostCommands(dependencies: HostCommandDependencies): Disposable[] {
  const { registry, log } = dependencies;
  const guarded = (id: string, action: (host?: KnownHost) => Promise<unknown>): Disposable =>
    commands.registerCommand(id, async (host?: KnownHost) => {
      try {
        await action(host);
      } catch (error) {
        reportError(log, error);
      }
    });
  return [
    guarded(commandIds.addHost, async () => {
      const host = await askForHost(registry, undefined);
      if (host === undefined) return;
      await registry.save(host);
      const test = l10n.t('Test Host');
      // Not awaited: the message may stay for minutes.
      void showInformation(l10n.t('{0} was added. A test logs in, shows what fits there, and changes nothing.', host.name), test).then(
        (choice) =>
          choice === test &&
          commands.executeCommand(commandIds.testHost, { kind: 'saved', name: host.name, target: targetOf(host), detail: '', saved: host } satisfies KnownHost),
      );
    }),
    guarded(commandIds.editHost, async (given) => {
      const before = (given ?? (await pickHost(registry, l10n.t('Edit host'), 'saved')))?.saved;
      if (before === undefined) return;
      const host = await askForHost(registry, before);
      if (host === undefined) return;
      await registry.save(host, before.name);
      await forgetSecrets(dependencies, before);
    }),
    guarded(commandIds.removeHost, async (given) => {
      const host = given ?? (await pickHost(registry, l10n.t('Remove host'), 'saved'));
      if (host?.saved === undefined) return;
      const { saved } = host;
      await registry.remove(saved.name);
      const forgotten = await forgetSecrets(dependencies, saved);
      const undo = l10n.t('Undo');
      const text = l10n.t('{0} was removed. Nothing was changed on the host, and its runs stay.', saved.name);
      const also = forgotten > 0 ? ` ${l10n.t('The passwords kept for it were forgotten.')}` : '';
      const choice = await showInformation(text + also, undo);
      if (choice === undo) await registry.save(saved);
    }),
    guarded(commandIds.testHost, async (given) => {
      const host = given ?? (await pickHost(registry, l10n.t('Test host')));
      if (host !== undefined) await testHost(dependencies, host);
    }),
    guarded(commandIds.restoreHost, async (given) => {
      const host = given ?? (await pickHost(registry, l10n.t('Restore host')));
      if (host !== undefined) await restoreHost(host.target, host.kind === 'local' ? l10n.t('This machine') : host.name, dependencies.pool, log);
    }),
  ];
}

/** Secrets leave with the last saved host that leads to the account they are of. Returns how many there were. */
async function forgetSecrets({ registry, secrets, pool }: HostCommandDependencies, host: SavedHost): Promise<number> {
  let forgotten = 0;
  // What was typed for it is in memory, too, and its settings hold for the next connection.
  for (const name of [host.name, targetOf(host)]) await pool.forget(name);
  for (const name of [host.name, targetOf(host)]) if (registry.find(name) === undefined) forgotten += await secrets.forget(name);
  return forgotten;
}

async function testHost({ plan, tree, log }: HostCommandDependencies, host: KnownHost): Promise<void> {
  const spec = specFromInput({ host: host.target, connections: 'max' });
  const name = host.kind === 'local' ? l10n.t('this machine') : host.name;
  try {
    const result = await window.withProgress(
      { location: ProgressLocation.Notification, title: l10n.t('C10M: testing {0}', name), cancellable: true },
      (progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort());
        return plan(spec, (message) => progress.report({ message }), abort.signal);
      },
    );
    tree.showTest(host.target, result);
    const unfollowed = host.kind === 'local' ? undefined : unfollowedOf(host.target);
    const lines = [...hostLines(result.facts, result.plan), ...(unfollowed === undefined ? [] : [unfollowed])];
    for (const line of lines) log.info(`${name}: ${line}`);
    const start = l10n.t('Start Run');
    const choice = await showInformation(`${name}: ${lines.join('. ')}.`, start);
    if (choice === start) await commands.executeCommand(commandIds.startOnHost, host);
  } catch (error) {
    if (!(error instanceof HumanError && error.code === 'cancelled'))
      tree.showTest(host.target, {
        problem: error instanceof HumanError ? error.text : String(error),
        isRefused: error instanceof HumanError && error.code === 'accessRefused',
      });
    throw error;
  }
}

/** Has a person choose one of the known hosts. Throws a HumanError when there is none. */
export async function pickHost(registry: HostRegistry, title: string, kind?: KnownHost['kind']): Promise<KnownHost | undefined> {
  const hosts = (await registry.list()).filter((host) => kind === undefined || host.kind === kind);
  if (hosts.length === 0)
    throw new HumanError(l10n.t('No host was added yet.'), { code: 'usage', remedy: l10n.t('Add one with the command "C10M: Add Host".') });
  const items = hosts.map((host) => ({ label: host.kind === 'local' ? l10n.t('This machine') : host.name, description: host.detail, host }));
  return (await window.showQuickPick(items, { title }))?.host;
}

const totalSteps = 6;

/** Asks for a host, step by step; `before` is a host that is edited. The first step offers the aliases of ssh_config. */
async function askForHost(registry: HostRegistry, before: SavedHost | undefined): Promise<SavedHost | undefined> {
  const title = before === undefined ? l10n.t('Add host') : l10n.t('Edit host {0}', before.name);
  const answers = {
    name: before?.name ?? '',
    address: before?.address ?? '',
    user: before?.user ?? '',
    port: String(before?.port ?? 22),
    identityFile: before?.identityFile ?? '',
    sudo: before?.sudo ?? 'auto',
  };
  const field =
    (
      step: number,
      key: 'address' | 'name' | 'user' | 'port' | 'identityFile',
      prompt: string,
      validate: (value: string) => string | undefined = () => undefined,
    ) =>
    async () =>
      keep(await inputStep({ title, step, totalSteps }, { prompt, value: answers[key], validate }), (value) => {
        if (key === 'address') takeAddress(answers, value);
        else answers[key] = value;
      });
  const taken = (name: string): boolean => name !== before?.name && registry.saved.some((host) => host.name === name);
  const sudoStep = async (): Promise<StepResult<unknown>> => {
    const items = [
      {
        label: l10n.t('When it is available'),
        detail: l10n.t('uses sudo where it needs no password or the password is given; continues without it otherwise'),
        value: 'auto' as const,
      },
      { label: l10n.t('Never'), detail: l10n.t("plans with this user's limits"), value: 'never' as const },
      { label: l10n.t('Always'), detail: l10n.t('refuses to run without'), value: 'required' as const },
    ];
    const active = items.find((item) => item.value === answers.sudo);
    return keep(
      await pickStep({ title, step: 6, totalSteps }, items, { placeholder: l10n.t('Use sudo on this host?'), active }),
      (item) => (answers.sudo = item.value),
    );
  };
  const done = await runSteps([
    field(1, 'address', l10n.t('Address, as you would give it to ssh: root@10.0.0.2, example.org:2222, ssh -p 2222 root@10.0.0.2, or an alias'), (value) => {
      const read = readHostAddress(value);
      return typeof read === 'string' ? read : undefined;
    }),
    field(2, 'name', l10n.t('Name: what you call this host'), (value) =>
      value.trim() === '' ? l10n.t('A name is needed.') : taken(value.trim()) ? l10n.t('There is a host of this name already.') : undefined,
    ),
    field(3, 'user', l10n.t('User; empty: as in ~/.ssh/config, or your own name'), (value) =>
      /^[^\s@]*$/.test(value.trim()) ? undefined : l10n.t('A user is one word.'),
    ),
    field(4, 'port', l10n.t('Port'), (value) =>
      /^\d+$/.test(value.trim()) && Number(value) > 0 && Number(value) < 65_536 ? undefined : l10n.t('A port is a number from 1 to 65535.'),
    ),
    field(5, 'identityFile', l10n.t('Private key file; empty: as in ~/.ssh/config, or the SSH agent')),
    sudoStep,
  ]);
  if (!done) return undefined;
  return {
    name: answers.name,
    address: answers.address,
    ...(answers.user === '' ? {} : { user: answers.user }),
    ...(answers.port === '22' ? {} : { port: Number(answers.port) }),
    ...(answers.identityFile === '' ? {} : { identityFile: answers.identityFile }),
    ...(answers.sudo === 'auto' ? {} : { sudo: answers.sudo }),
  };
}

/** What an address says of the host beside it is proposed by the steps that follow. */
function takeAddress(answers: { address: string; name: string; user: string; port: string; identityFile: string }, written: string): void {
  const read = readHostAddress(written);
  if (typeof read === 'string') return;
  answers.address = read.address;
  if (answers.name === '') answers.name = read.address;
  answers.user = read.user ?? answers.user;
  answers.port = read.port === undefined ? answers.port : String(read.port);
  answers.identityFile = read.identityFile ?? answers.identityFile;
}
