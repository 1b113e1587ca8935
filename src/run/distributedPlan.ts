import { HumanError } from '../core/errors.js';
import { nearestAddress, planDistributed } from '../core/plan/plan.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';

/** The plan of each host; `clients` in the order of the spec's `clientHosts`. */
export interface PartPlans {
  server: Plan;
  clients: Plan[];
}

/** Plans the parts from the facts of the server host and then of each client host. Throws a HumanError (unsupported) without a common network. */
export function planParts(spec: RunSpec, [server, ...clients]: readonly HostFacts[]): PartPlans {
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
export function mergePlans(plans: PartPlans, spec: RunSpec): Plan {
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
