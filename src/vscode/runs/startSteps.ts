import { l10n, type QuickPickItem } from 'vscode';
import { HumanError } from '../../core/errors.js';
import { specFromInput } from '../../core/profile.js';
import type { SpecInput } from '../../core/specInput.js';
import type { RunSpec } from '../../protocol/spec.js';
import { specFields } from '../../protocol/specFields.js';
import { targetOf, type HostRegistry, type KnownHost } from '../hosts/hostRegistry.js';
import { readHostAddress, type HostAddress } from '../savedHosts.js';
import { keep, pickStep, runSteps, type StepResult } from '../multiStep.js';
import { settings } from '../settings.js';
import { amountOf, connectionKinds, kindOf, readAmount, repeatText, runPresets } from './runPresets.js';

const totalSteps = 3;

/** What the first step may give. */
type HostChoice = { repeat: RunSpec } | { target: string } | { typed: HostAddress };

/**
 * Asks for host, kind of connection, and how many for how long; undefined when the user gave up. `last`: the spec of the latest run, whose values are
 * proposed, and which can be repeated at once. `host` is given when a host was chosen in the tree.
 */
export async function askForSpec(registry: HostRegistry, last: RunSpec | undefined, host?: string): Promise<RunSpec | undefined> {
  const title = l10n.t('Start C10M run');
  let place = { target: host ?? 'local' } as HostChoice;
  let kind: SpecInput = {};
  let amount: SpecInput = {};
  const hostStep = async (): Promise<StepResult<unknown>> => {
    const hosts = await registry.list();
    const known = hosts.map((one): HostItem => ({ ...hostItem(one), choice: { target: one.target } }));
    const again = last === undefined || host !== undefined ? [] : [repeatItem(last)];
    if (known.length === 0 && again.length === 0)
      throw new HumanError(l10n.t('There is no host to run on: this machine is not Linux.'), {
        code: 'usage',
        remedy: l10n.t('Add a Linux host with the command "C10M: Add Host".'),
      });
    const compose = (value: string): HostItem[] => [...again, ...known, ...typedItem(value, hosts)];
    const placeholder = l10n.t('Host to run on; type one as you would for ssh, such as root@10.0.0.2');
    return keep(await pickStep({ title, step: 1, totalSteps }, compose(''), { placeholder, compose }), (item) => (place = item.choice));
  };
  const kindStep = async (): Promise<StepResult<unknown>> => {
    if ('repeat' in place) return { kind: 'value', value: undefined };
    const items = connectionKinds();
    const active = items.find(({ id }) => last !== undefined && id === kindOf(last));
    return keep(
      await pickStep({ title, step: 2, totalSteps }, items, { placeholder: l10n.t(specFields.protocol.title), active }),
      (item) => (kind = item.input),
    );
  };
  const amountStep = async (): Promise<StepResult<unknown>> => {
    if ('repeat' in place) return { kind: 'value', value: undefined };
    const value = last === undefined ? `${settings.defaultConnections.value} ${settings.defaultHold.value}` : amountOf(last);
    const options = { placeholder: l10n.t('How many connections, and how long to hold them: 20000 60s, 1M 5m, max'), value, compose: amountItems, isChoice };
    return keep(await pickStep({ title, step: 3, totalSteps }, amountItems(value), options), (item) => (amount = item.input ?? {}));
  };
  if (!(await runSteps(host === undefined ? [hostStep, kindStep, amountStep] : [kindStep, amountStep]))) return undefined;
  if ('repeat' in place) return place.repeat;
  return specFromInput({ ...kind, ...amount, host: await targetFor(registry, place) });
}

interface HostItem extends QuickPickItem {
  choice: HostChoice;
}

function hostItem(host: KnownHost): QuickPickItem {
  const label = host.kind === 'local' ? l10n.t('This machine') : host.name;
  return { label: `$(${host.kind === 'local' ? 'device-desktop' : 'server'}) ${label}`, description: host.detail };
}

function repeatItem(last: RunSpec): HostItem {
  const { label, detail } = repeatText(last);
  return { label: `$(debug-rerun) ${label}`, description: detail, choice: { repeat: last } };
}

/** A host that is not in the list, as it was typed. */
function typedItem(value: string, hosts: readonly KnownHost[]): HostItem[] {
  const read = readHostAddress(value);
  if (value.trim() === '' || typeof read === 'string' || hosts.some(({ name }) => name.startsWith(value.trim()))) return [];
  const target = targetOf(read);
  return [{ label: `$(add) ${l10n.t('Log in to {0}', target)}`, description: l10n.t('and remember it as a host'), alwaysShow: true, choice: { typed: read } }];
}

async function targetFor(registry: HostRegistry, place: Exclude<HostChoice, { repeat: RunSpec }>): Promise<string> {
  if ('target' in place) return place.target;
  const target = targetOf(place.typed);
  await registry.save({ name: target, ...place.typed });
  return target;
}

interface AmountItem extends QuickPickItem {
  /** Absent: what was typed is wrong, and the label says why. */
  input?: SpecInput;
}

function amountItems(value: string): AmountItem[] {
  const read = readAmount(value, settings.defaultHold.value);
  if (typeof read === 'string') return [{ label: `$(error) ${read}`, alwaysShow: true }];
  const icons = { fast: 'rocket', gentle: 'dashboard', soak: 'watch', ceiling: 'arrow-up' };
  return runPresets(read).map(({ id, label, detail, input }) => ({ label: `$(${icons[id]}) ${label}`, description: detail, alwaysShow: true, input }));
}

function isChoice({ input }: AmountItem): boolean {
  return input !== undefined;
}
