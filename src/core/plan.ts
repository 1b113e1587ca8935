import type { HostFacts } from '../protocol/facts.js';
import type { ClientTarget, ClientWorkerPlan, Plan, PlannedSysctl, PlannedWall, ServerWorkerPlan } from '../protocol/plan.js';
import type { ConnectionProtocol, RunSpec } from '../protocol/spec.js';
import { bytesPerConnection, bytesPerWorker } from './costs.js';
import { HumanError } from './errors.js';
import { type ConnectionNeeds, type Limits, limitsOf, reservedDescriptors, wallsOf } from './limits.js';
import { raiseOnly, sysctlDefinitions } from './sysctls.js';
import { formatBytes, formatCount } from './units.js';

/** As in 2014: TCP from 8001, WebSocket from 8501. */
const firstPorts: Record<ConnectionProtocol, number> = { tcp: 8_001, websocket: 8_501 };
const lastPort = 65_535;
/** A worker for fewer connections than this only adds its fixed memory. */
const connectionsWorthAWorker = 1_000;
/** Sources that the planner takes from 127/8 when the number of ports is fixed. */
const maximumSources = 250;
/** Accept queue of one port: a ramp of 80,000 connections per second must survive a pause of the server of a second. */
const acceptQueue = 65_535;

/** Shares of `total` over `parts`, differing by one at most. */
export function balancedShares(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_value, index) => Math.floor(total / parts) + (index < total % parts ? 1 : 0));
}

/** Connections of each protocol. */
export function splitByProtocol(spec: Pick<RunSpec, 'protocol'>, connections: number): [ConnectionProtocol, number][] {
  if (spec.protocol !== 'both') return [[spec.protocol, connections]];
  return [
    ['tcp', Math.ceil(connections / 2)],
    ['websocket', Math.floor(connections / 2)],
  ];
}

/** Where a part of the plan lives: which ends are on this host, and by which addresses they meet. */
export interface Placement {
  ends: { server: boolean; client: boolean };
  listenAddress: string;
  /** Sources that the clients may bind; a lone null lets the kernel choose. */
  sources: (index: number) => string | null;
}

const sameHost: Placement = {
  ends: { server: true, client: true },
  listenAddress: '127.0.0.1',
  sources: (index) => (index === 0 ? null : `127.0.0.${index + 1}`),
};

/** The plan of a run whose server and clients share one host. Throws a HumanError (usage) when the spec cannot be planned at all. */
export function planRun(spec: RunSpec, facts: HostFacts): Plan {
  if (spec.engine === 'command' && spec.command === undefined) {
    throw new HumanError('The engine "command" needs the command that starts your server.', {
      code: 'usage',
      remedy: 'Give it with --command "…" or as "command" in the profile.',
    });
  }
  const isolation = spec.isolation === 'host' || facts.namespace.kind === 'none' ? 'host' : facts.namespace.kind;
  const limits = limitsOf(spec, facts);
  const needs = needsOf(spec, limits, sameHost, facts.cores);
  const walls = sortWalls(wallsOf(facts, limits, needs));
  const fit = (after: boolean) =>
    walls.reduce((least, wall) => Math.min(least, (after ? wall.atAfterTuning : wall.at) ?? Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  const largestFit = { beforeTuning: fit(false), afterTuning: fit(true) };
  const wanted = spec.connections === 'max' ? largestFit.afterTuning : spec.connections;
  const connections = Math.min(wanted, largestFit.afterTuning);
  const notes = notesOf(spec, facts, limits, connections, walls);

  const serverWorkers: ServerWorkerPlan[] = [];
  const targets: ClientTarget[] = [];
  const taken = new Set(isolation === 'host' ? facts.listeningPorts : []);
  for (const [protocol, share] of splitByProtocol(spec, connections)) {
    const ports = choosePorts(spec, protocol, portCount(spec, limits, share, facts.cores), taken);
    const perPort = balancedShares(share, ports.length);
    serverWorkers.push(...serverWorkersOf(limits, protocol, ports, perPort, facts.cores, serverWorkers.length));
    targets.push(...targetsOf(limits, protocol, ports, perPort, sameHost));
  }
  const merged = spec.engine === 'command' ? [mergeServers(spec, facts, serverWorkers)] : serverWorkers;
  const clientWorkers = clientWorkersOf(limits, targets, facts.cores);
  const workers = merged.length + clientWorkers.length;
  const perPair = connections === 0 ? needs.bytes : needs.bytes + (workers * bytesPerWorker) / connections;
  return {
    requested: spec.connections,
    connections,
    protocol: spec.protocol,
    engine: spec.engine,
    isolation,
    serverWorkers: merged,
    clientWorkers,
    sysctls: plannedSysctls(spec, facts, limits, connections * needs.sockets, merged, clientWorkers),
    walls,
    largestFit,
    predicted: { bytesPerEnd: perPair / 2, bytesPerPair: perPair, totalBytes: perPair * connections },
    guardBytes: limits.guardBytes,
    notes,
  };
}

export function needsOf(spec: RunSpec, limits: Limits, placement: Placement, cores: number): ConnectionNeeds {
  const protocols = splitByProtocol(spec, 2);
  const bytes = protocols.reduce((sum, [protocol, share]) => sum + bytesPerConnection(spec.engine, protocol, placement.ends) * share, 0) / 2;
  const ends = (placement.ends.server ? 1 : 0) + (placement.ends.client ? 1 : 0);
  const perProcess =
    spec.connections === 'max' ? limits.descriptorsPerWorker : Math.min(limits.descriptorsPerWorker, Math.max(1, Math.ceil(spec.connections / cores)));
  return {
    sockets: ends,
    bytes,
    fixedBytes: (bytesPerWorker * ends) / perProcess,
    connectionsPerProcess: limits.descriptorsPerWorker,
    fixedPorts: spec.ports === undefined ? undefined : spec.ports * protocols.length,
    sources: placement.ends.client ? maximumSources : 1,
    singleServer: spec.engine === 'command',
  };
}

export function sortWalls(walls: PlannedWall[]): PlannedWall[] {
  const position = (wall: PlannedWall) => wall.atAfterTuning ?? Number.POSITIVE_INFINITY;
  return walls.sort((a, b) => position(a) - position(b) || (a.at ?? 0) - (b.at ?? 0));
}

/** How many processes of one role hold `connections`. */
function workerCount(limits: Limits, connections: number, cores: number): number {
  const needed = Math.ceil(connections / limits.descriptorsPerWorker);
  return Math.max(1, needed, Math.min(cores, Math.ceil(connections / connectionsWorthAWorker)));
}

/** The limit a worker sets for itself: what it needs, never "unlimited". */
function nofileFor(limits: Limits, connections: number): number {
  return Math.min(limits.nofile, connections + reservedDescriptors);
}

function portCount(spec: RunSpec, limits: Limits, connections: number, cores: number): number {
  if (spec.ports !== undefined) return spec.ports;
  const needed = Math.ceil(connections / limits.perTuple);
  return Math.max(1, needed, spec.engine === 'command' ? 1 : workerCount(limits, connections, cores));
}

/** Ports in ascending order from the first one on, without those that are taken; adds them to `taken`. */
function choosePorts(spec: RunSpec, protocol: ConnectionProtocol, count: number, taken: Set<number>): number[] {
  const ports: number[] = [];
  for (let port = spec.firstPort ?? firstPorts[protocol]; ports.length < count && port <= lastPort; port++) {
    if (taken.has(port)) continue;
    taken.add(port);
    ports.push(port);
  }
  if (ports.length < count) {
    throw new HumanError(`${formatCount(count)} server ports from ${spec.firstPort ?? firstPorts[protocol]} on do not fit below ${lastPort}.`, {
      code: 'usage',
      remedy: 'Ask for fewer ports or a lower first port.',
    });
  }
  return ports;
}

function serverWorkersOf(
  limits: Limits,
  protocol: ConnectionProtocol,
  ports: number[],
  perPort: number[],
  cores: number,
  numberFrom: number,
): ServerWorkerPlan[] {
  const total = perPort.reduce((sum, share) => sum + share, 0);
  // Ports are not split: a worker takes whole ports, so there may have to be more workers than the connections alone need.
  const portsPerWorker = Math.max(1, Math.floor(limits.descriptorsPerWorker / Math.max(1, perPort[0] ?? 1)));
  const count = Math.min(ports.length, Math.max(workerCount(limits, total, cores), Math.ceil(ports.length / portsPerWorker)));
  const sizes = balancedShares(ports.length, count);
  let next = 0;
  return sizes.map((size, index) => {
    const mine = ports.slice(next, next + size).map((port, offset) => ({ port, protocol, connections: perPort[next + offset]! }));
    const connections = mine.reduce((sum, port) => sum + port.connections, 0);
    next += size;
    return {
      id: `server-${numberFrom + index + 1}`,
      protocol,
      address: sameHost.listenAddress,
      ports: mine,
      connections,
      nofile: nofileFor(limits, connections),
      backlog: acceptQueue,
      allowedSources: [],
    };
  });
}

function mergeServers(spec: RunSpec, facts: HostFacts, workers: ServerWorkerPlan[]): ServerWorkerPlan {
  const first = workers[0]!;
  // The user's server may need more descriptors than one a connection: it gets all that the host allows.
  const nofile = Math.max(...workers.map((worker) => worker.nofile), facts.nofile.raisable);
  return {
    ...first,
    protocol: spec.protocol,
    nofile,
    ports: workers.flatMap((worker) => worker.ports),
    connections: workers.reduce((sum, worker) => sum + worker.connections, 0),
  };
}

/** One target for each port, or several with different sources where one source has too few local ports. */
export function targetsOf(limits: Limits, protocol: ConnectionProtocol, ports: number[], perPort: number[], placement: Placement): ClientTarget[] {
  return ports.flatMap((port, index) => {
    const connections = perPort[index]!;
    const sources = Math.min(maximumSources, Math.max(1, Math.ceil(connections / limits.perTuple)));
    return balancedShares(connections, sources)
      .map((share, source) => ({ source: placement.sources(source), address: placement.listenAddress, port, protocol, connections: share }))
      .filter((target) => target.connections > 0);
  });
}

/** Cuts the targets, in order, into workers of nearly equal size; a target may continue in the next worker. */
export function clientWorkersOf(limits: Limits, targets: ClientTarget[], cores: number): ClientWorkerPlan[] {
  const protocols = [...new Set(targets.map((target) => target.protocol))];
  return protocols.flatMap((protocol) => {
    const queue = targets.filter((target) => target.protocol === protocol).map((target) => ({ ...target }));
    const total = queue.reduce((sum, target) => sum + target.connections, 0);
    return balancedShares(total, workerCount(limits, total, cores)).map((connections, index): ClientWorkerPlan => {
      const mine: ClientTarget[] = [];
      for (let left = connections; left > 0;) {
        const head = queue[0]!;
        const taken = Math.min(left, head.connections);
        mine.push({ ...head, connections: taken });
        head.connections -= taken;
        left -= taken;
        if (head.connections === 0) queue.shift();
      }
      return {
        id: `client-${protocols.length > 1 ? `${protocol}-` : ''}${index + 1}`,
        protocol,
        targets: mine,
        connections,
        nofile: nofileFor(limits, connections),
      };
    });
  });
}

function plannedSysctls(
  spec: RunSpec,
  facts: HostFacts,
  limits: Limits,
  sockets: number,
  servers: ServerWorkerPlan[],
  clients: ClientWorkerPlan[],
): PlannedSysctl[] {
  const largestWorker = Math.max(...servers.map((worker) => worker.connections), ...clients.map((worker) => worker.connections), 1);
  const inputs = {
    sockets,
    // Without the capability a higher fs.nr_open helps nobody.
    descriptorsPerWorker: facts.capabilities.sysResource ? largestWorker : 0,
    filesInUse: facts.filesInUse,
    backlog: acceptQueue,
    serverPorts: servers.flatMap((worker) => worker.ports.map(({ port }) => port)),
    portRange: clients.length > 0 ? limits.portRange : undefined,
    conntrackCount: facts.conntrack?.count,
  };
  const planned: PlannedSysctl[] = [];
  for (const definition of sysctlDefinitions) {
    const { key, reason, danger } = definition;
    const current = facts.sysctls[key]?.value;
    const target = definition.target(inputs);
    if (!limits.canTune(key) || current === undefined || current === null || target === undefined) continue;
    const raised = raiseOnly(key, current, target);
    if (raised === undefined) continue;
    const scope = definition.scope === 'netns' && facts.namespace.kind !== 'none' && spec.isolation === 'netns' ? 'netns' : 'global';
    planned.push({ key, scope, current, target: raised, reason, ...(danger === undefined ? {} : { danger }) });
  }
  return planned;
}

function notesOf(spec: RunSpec, facts: HostFacts, limits: Limits, connections: number, walls: PlannedWall[]): string[] {
  const notes: string[] = [];
  if (spec.connections !== 'max' && connections < spec.connections) {
    const wall = walls.find((candidate) => candidate.atAfterTuning === connections);
    notes.push(
      `${formatCount(spec.connections)} connections do not fit: ${formatCount(connections)} are planned. ${wall?.title ?? 'A limit'}: ${wall?.evidence ?? ''}. ${wall?.remedy ?? ''}`,
    );
  }
  if (!facts.capabilities.sysResource)
    notes.push(
      `Open files of a process are limited to ${formatCount(facts.nofile.raisable)} (no CAP_SYS_RESOURCE): more workers are used, each costs about ${formatBytes(bytesPerWorker)}.`,
    );
  if (facts.namespace.kind === 'none' && spec.isolation === 'netns')
    notes.push(`No network namespace can be made (${facts.namespace.reason ?? 'reason unknown'}): the run uses the host's own.`);
  if (!facts.slabReadable) notes.push('The kernel keeps its object counts for root: bytes are approximate, from MemAvailable.');
  if (limits.usableBytes === 0) notes.push(`Less than ${formatBytes(limits.guardBytes)} of memory are available.`);
  return notes;
}
