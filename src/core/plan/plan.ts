import type { HostFacts } from '../../protocol/facts.js';
import type { Plan, ServerWorkerPlan } from '../../protocol/plan.js';
import { isForeign, type RunSpec } from '../../protocol/spec.js';
import { HumanError } from '../errors.js';
import { formatCount } from '../units.js';
import {
  balancedShares,
  layClients,
  layCommandServer,
  layPorts,
  layServers,
  layStatelessClients,
  layTargets,
  maximumSources,
  statelessServerAddress,
  largestStatelessMessageBytes,
  type ServerPort,
  splitByProtocol,
  workerCount,
} from './layout.js';
import type { Limits } from './limits.js';
import { attachTarget } from './attachTarget.js';
import { draftOf, finishPlan } from './planDraft.js';

const loopback = '127.0.0.1';

/** The plan of a run whose server and clients share one host. Throws a HumanError (usage) when the spec cannot be planned at all. */
export function planRun(spec: RunSpec, facts: HostFacts): Plan {
  requireCommand(spec);
  if (spec.client === 'stateless') return planStateless(spec, facts);
  const attached = spec.engine === 'attach' ? attachTarget(spec, facts) : undefined;
  const address = attached?.address ?? spec.address ?? loopback;
  // Only IPv4 has a whole network of loopback addresses.
  const sources = address.startsWith('127.') ? maximumSources : 1;
  const asLaid = attached === undefined ? spec : { ...spec, ports: attached.ports.length, firstPort: attached.ports[0]! };
  const draft = draftOf(asLaid, facts, { server: true, client: true }, sources);
  const { limits, connections, isolation } = draft;
  const taken = new Set(isolation === 'host' && attached === undefined ? facts.listeningPorts : []);
  const perPort = spec.ports === undefined && attached === undefined ? limits.perTuple : Number.POSITIVE_INFINITY;
  const { serverWorkers, ports } = layServerSide(asLaid, limits, connections, facts.cores, perPort, taken, { address, allowedSources: [] });
  const perTuple = sources === 1 ? Number.POSITIVE_INFINITY : limits.perTuple;
  const sourceAt = (index: number) => (index === 0 ? null : `127.0.0.${index + 1}`);
  const targets = layTargets(perTuple, ports, address, sourceAt, sources === 1 ? 1 : spec.sourceAddresses);
  const plan = finishPlan(spec, facts, draft, serverWorkers, layClients(limits, targets, facts.cores));
  return { ...plan, notes: [...plan.notes, ...proposalOf(spec, facts, plan)] };
}

/** Where the target fits only without sockets on the clients' side, the plan says so. */
function proposalOf(spec: RunSpec, facts: HostFacts, plan: Plan): string[] {
  const wanted = plan.requested;
  if (wanted === 'max' || plan.connections >= wanted || facts.tun?.available !== true) return [];
  const alternative: RunSpec = { ...spec, client: 'stateless' };
  if (spec.isolation === 'host' || (spec.traffic?.bytes ?? 0) > largestStatelessMessageBytes) return [];
  const { afterTuning } = draftOf(alternative, facts, { server: true, client: false }, 1).largestFit;
  if (afterTuning <= plan.largestFit.afterTuning) return [];
  const fit = afterTuning >= wanted ? 'all of them fit' : `${formatCount(afterTuning)} fit`;
  return [`With a client without sockets (--client stateless) ${fit}: only the server's ends then take memory, and the figures are of server ends.`];
}

/** The plan of a run whose clients have no sockets: only the server's ends are on the host. */
function planStateless(spec: RunSpec, facts: HostFacts): Plan {
  const draft = draftOf(spec, facts, { server: true, client: false }, 1);
  const { serverWorkers, ports } = layServerSide(spec, draft.limits, draft.connections, facts.cores, Number.POSITIVE_INFINITY, new Set(), {
    address: statelessServerAddress,
    allowedSources: [],
  });
  return finishPlan(spec, facts, draft, serverWorkers, layStatelessClients(ports, facts.cores));
}

/** The server workers with their ports. `perPort`: what one port can take from the run's clients. */
function layServerSide(
  spec: RunSpec,
  limits: Limits,
  connections: number,
  cores: number,
  perPort: number,
  taken: Set<number>,
  options: { address: string; allowedSources: string[] },
): { serverWorkers: ServerWorkerPlan[]; ports: ServerPort[] } {
  const serverWorkers: ServerWorkerPlan[] = [];
  const ports: ServerPort[] = [];
  for (const [protocol, share] of splitByProtocol(spec.protocol, connections)) {
    const workers = isForeign(spec.engine) ? 1 : workerCount(limits, share, cores);
    const mine = layPorts(spec, protocol, share, workers, perPort, taken);
    ports.push(...mine);
    if (!isForeign(spec.engine)) serverWorkers.push(...layServers(limits, mine, cores, { ...options, numberFrom: serverWorkers.length + 1 }));
  }
  if (isForeign(spec.engine)) serverWorkers.push(layCommandServer(spec, limits, ports, options));
  return { serverWorkers, ports };
}

function requireCommand(spec: RunSpec): void {
  if (spec.engine !== 'command' || spec.command !== undefined) return;
  throw new HumanError('The engine "command" needs the command that starts your server.', {
    code: 'usage',
    remedy: 'Give it with --command "…" or as "command" in the profile.',
  });
}

/** A host that runs client workers. */
export interface ClientHost {
  name: string;
  facts: HostFacts;
  /** Its own address, as the server sees it: the server accepts only these. */
  address: string;
}

/**
 * The plans of a run over several hosts: the server's, and one for each client in the order given. All use their hosts' own network namespaces.
 * `serverAddress` is where the clients reach the server; absent: the server's own address that is nearest to the first client's.
 * Throws a HumanError (usage) when it cannot be planned at all.
 */
export function planDistributed(spec: RunSpec, server: HostFacts, clients: readonly ClientHost[], serverAddress?: string): { server: Plan; clients: Plan[] } {
  requireCommand(spec);
  if (clients.length === 0) throw new HumanError('A run over several hosts needs at least one client host.', { code: 'usage' });
  const address = serverAddress ?? nearestAddress(server.addresses, [clients[0]!.address]);
  if (address === undefined) {
    throw new HumanError('The server host has no address that the client hosts could use.', {
      code: 'usage',
      remedy: 'Give it an address other than 127.0.0.1, or run the clients on the same host.',
    });
  }
  const serverDraft = draftOf(spec, server, { server: true, client: false }, 1);
  const clientDrafts = clients.map((client) => draftOf(spec, client.facts, { server: false, client: true }, 1));
  const rooms = clientDrafts.map((draft) => draft.connections);
  const wanted = Math.min(
    serverDraft.connections,
    rooms.reduce((sum, room) => sum + room, 0),
  );
  const shares = sharesWithin(wanted, rooms);
  // Each client host has an address of its own, so a port takes what one of them can open to it, from each.
  const perPort = spec.ports === undefined ? clientDrafts.reduce((sum, draft) => sum + draft.limits.perTuple, 0) : Number.POSITIVE_INFINITY;
  const { serverWorkers, ports } = layServerSide(spec, serverDraft.limits, wanted, server.cores, perPort, new Set(server.listeningPorts), {
    address,
    allowedSources: clients.map((client) => client.address),
  });
  const parts = dividePorts(ports, shares);
  return {
    server: finishPlan(spec, server, { ...serverDraft, connections: wanted }, serverWorkers, []),
    clients: clients.map(({ facts }, index) => {
      const draft = { ...clientDrafts[index]!, connections: shares[index]! };
      const targets = layTargets(Number.POSITIVE_INFINITY, parts[index]!, address, () => null);
      return finishPlan(spec, facts, draft, [], layClients(draft.limits, targets, facts.cores));
    }),
  };
}

/** Equal shares of `total`, but none above its room; what one cannot take the others do. */
function sharesWithin(total: number, rooms: readonly number[]): number[] {
  const shares = rooms.map(() => 0);
  let left = total;
  for (;;) {
    const open = rooms.flatMap((room, index) => (shares[index]! < room ? [index] : []));
    if (left === 0 || open.length === 0) return shares;
    const parts = balancedShares(left, open.length);
    open.forEach((index, position) => {
      const taken = Math.min(parts[position]!, rooms[index]! - shares[index]!);
      shares[index]! += taken;
      left -= taken;
    });
  }
}

/** Gives each client its share of every port, so that all server workers fill evenly. */
function dividePorts(ports: readonly ServerPort[], shares: readonly number[]): ServerPort[][] {
  const left = ports.map((port) => port.connections);
  let clientsLeft = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => {
    let rest = share;
    const mine = ports.map((port, index) => {
      const connections = Math.min(left[index]!, Math.floor((left[index]! * share) / Math.max(1, clientsLeft)));
      rest -= connections;
      return { ...port, connections };
    });
    for (let index = 0; rest > 0 && index < mine.length; index++) {
      const more = Math.min(rest, left[index]! - mine[index]!.connections, Math.max(1, Math.ceil(rest / (mine.length - index))));
      mine[index]!.connections += more;
      rest -= more;
    }
    mine.forEach((port, index) => (left[index]! -= port.connections));
    clientsLeft -= share;
    return mine;
  });
}

/** Of the addresses of the family of the others, the one that shares the most leading parts (octets) with one of them; undefined without any. */
export function nearestAddress(addresses: readonly string[], others: readonly string[]): string | undefined {
  const parts = (address: string) => address.split(/[.:]/);
  const isSameFamily = (a: string, b: string) => a.includes(':') === b.includes(':');
  const shared = (address: string, other: string) => {
    if (!isSameFamily(address, other)) return -1;
    const differing = parts(address).findIndex((part, index) => part !== parts(other)[index]);
    return differing === -1 ? parts(address).length : differing;
  };
  const nearness = (address: string) => Math.max(-1, ...others.map((other) => shared(address, other)));
  return addresses.filter((address) => nearness(address) >= 0).sort((a, b) => nearness(b) - nearness(a))[0];
}
