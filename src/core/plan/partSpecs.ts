import { divide } from './division.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';

/** The plan of each host of a run over several; `clients` in the order of the spec's `clientHosts`. */
export interface PartPlans {
  server: Plan;
  clients: Plan[];
}

/** The server host holds until the clients are done and it is stopped; its own lease still protects it. This is the longest hold there is. */
const serverHoldSeconds = 7 * 86_400;

/** The spec of one host's part. Host isolation: the hosts must reach each other. */
function partSpec(spec: RunSpec, host: string, changes: Partial<RunSpec> = {}): RunSpec {
  return { ...spec, host, clientHosts: [], isolation: 'host', thresholds: [], ...changes };
}

export function serverPartSpec(spec: RunSpec, plans: PartPlans): RunSpec {
  return partSpec(spec, spec.host, { holdSeconds: serverHoldSeconds, stages: [], connections: Math.max(1, plans.server.connections) });
}

/** The specs of the client hosts, in their order. Counts add up to those of the run; each has a rate of 1 per second at least, since 0 means as fast as possible. */
export function clientPartSpecs(spec: RunSpec, plans: PartPlans): RunSpec[] {
  const planned = plans.clients.map((plan) => plan.connections);
  const rates = spec.rate === undefined ? undefined : divideRate(spec.rate, planned);
  const stages = spec.stages.map((stage) => ({
    stage,
    to: divide(stage.to, planned),
    rates: stage.rate === undefined ? undefined : divideRate(stage.rate, planned),
  }));
  return plans.clients.map((plan, index) =>
    partSpec(spec, spec.clientHosts[index]!, {
      connections: Math.max(1, plan.connections),
      stages: stages.map(({ stage, to, rates: stageRates }) => ({
        ...stage,
        to: to[index]!,
        ...(stageRates === undefined ? {} : { rate: stageRates[index]! }),
      })),
      ...(rates === undefined ? {} : { rate: rates[index]! }),
    }),
  );
}

/** An order to the whole run as orders to its client hosts, by what each was planned to hold. */
export function divideOrder(change: { target?: number; rate?: number }, planned: readonly number[]): { target?: number; rate?: number }[] {
  const targets = change.target === undefined ? undefined : divide(change.target, planned);
  const rates = change.rate === undefined ? undefined : divideRate(change.rate, planned);
  return planned.map((_count, index) => ({
    ...(targets === undefined ? {} : { target: targets[index]! }),
    ...(rates === undefined ? {} : { rate: rates[index]! }),
  }));
}

/** 0, as fast as possible, stays so for each; any other rate is 1 at least. */
function divideRate(rate: number, planned: readonly number[]): number[] {
  return rate === 0 ? planned.map(() => 0) : divide(rate, planned).map((share) => Math.max(1, share));
}
