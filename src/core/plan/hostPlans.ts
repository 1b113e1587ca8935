import { HumanError } from '../errors.js';
import { nearestAddress, planDistributed, planRun } from './plan.js';
import type { StartOrder } from '../../protocol/commands.js';
import type { HostFacts } from '../../protocol/facts.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { clientPartSpecs, type PartPlans, serverPartSpec } from './partSpecs.js';

/** What one host does in a run. */
export interface HostPart {
  name: string;
  role: StartOrder['role'];
  spec: RunSpec;
  plan: Plan;
}

/** A run as it was planned from the facts of its hosts: what a person is shown, and what each host is ordered to do. */
export interface RunPlan {
  /** Of the server's host. */
  facts: HostFacts;
  plan: Plan;
  /** The server's host first. */
  parts: readonly HostPart[];
}

/** The hosts of a run, the server's first. Throws a HumanError (usage) when one is named twice. */
export function hostsOf({ host, clientHosts }: RunSpec): string[] {
  const names = [host, ...clientHosts];
  if (new Set(names).size !== names.length) throw new HumanError('A host is named twice.', { code: 'usage', remedy: 'Name each host of the run once.' });
  return names;
}

/** Plans a run from the facts of its hosts, in the order of `hostsOf`. Throws a HumanError when it cannot be planned at all. */
export function planHosts(spec: RunSpec, facts: readonly HostFacts[]): RunPlan {
  const [server] = facts;
  if (spec.clientHosts.length === 0) {
    const plan = planRun(spec, server!);
    return { facts: server!, plan, parts: [{ name: spec.host, role: 'whole', spec, plan }] };
  }
  const plans = planParts(spec, facts);
  const specs = clientPartSpecs(spec, plans);
  // What a host is asked for is its share.
  const share = (plan: Plan): Plan => ({ ...plan, requested: plan.connections });
  return {
    facts: server!,
    plan: mergePlans(plans, spec),
    parts: [
      { name: spec.host, role: 'server', spec: serverPartSpec(spec, plans), plan: share(plans.server) },
      ...plans.clients.map((plan, index): HostPart => ({ name: spec.clientHosts[index]!, role: 'client', spec: specs[index]!, plan: share(plan) })),
    ],
  };
}

/** Plans the parts from the facts of the server host and then of each client host. Throws a HumanError (unsupported) without a common network. */
function planParts(spec: RunSpec, [server, ...clients]: readonly HostFacts[]): PartPlans {
  const addressed = clients.map((facts, index) => {
    const name = spec.clientHosts[index]!;
    const address = nearestAddress(facts.addresses, server!.addresses);
    if (address === undefined) {
      throw new HumanError(`${name} has no address by which ${spec.host} could know it.`, {
        code: 'unsupported',
        remedy: 'Both need an IPv4 address on a common network.',
      });
    }
    return { name, facts, address };
  });
  return planDistributed(spec, server!, addressed);
}

/** One plan for views: the server's, with the client workers of all hosts. */
function mergePlans(plans: PartPlans, spec: RunSpec): Plan {
  const clientWorkers = plans.clients.flatMap((plan, index) =>
    plan.clientWorkers.map((worker) => ({ ...worker, id: `${spec.clientHosts[index]!}/${worker.id}` })),
  );
  const named = (plan: Plan, name: string) => plan.notes.map((note) => `${name}: ${note}`);
  return {
    ...plans.server,
    clientWorkers,
    notes: [...named(plans.server, spec.host), ...plans.clients.flatMap((plan, index) => named(plan, spec.clientHosts[index]!))],
  };
}
