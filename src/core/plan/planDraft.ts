import type { HostFacts } from '../../protocol/facts.js';
import type { Plan, PlannedSysctl, PlannedWall } from '../../protocol/plan.js';
import { isForeign, type RunSpec } from '../../protocol/spec.js';
import {
  bytesPerConnection,
  type ConnectionsOfTuple,
  bytesPerWorker,
  type Ends,
  pinnedBytesPerSocket,
  portBucketBytes,
  processBytes,
  statelessBytesPerConnection,
} from './costs.js';
import { acceptQueue, firstPorts, splitByProtocol } from './layout.js';
import { type Limits, limitsOf } from './limits.js';
import { requireTls, tlsBytes, tlsBytesPerWorker, tlsNotes, tlsPlanOf } from './tlsPlan.js';
import { type ConnectionNeeds, largestFitOf, peakOf, planWalls, secondsPerConnection } from './plannedWalls.js';
import { raiseOnly, sysctlDefinitions } from './sysctls.js';
import { formatBytes, formatCount } from '../units.js';

/** A run to the ceiling aims this far beyond the first predicted wall, so that it meets the wall and does not stop short of it. */
const ceilingOvershoot = 1.1;
/** A small message in a socket's queue: its data, and the buffer's own structures (skb and head, 768 B on x86-64). */
const bufferOverheadBytes = 768;

/** What is known of a plan before its workers are laid out. */
export interface Draft {
  ends: Ends;
  isolation: Plan['isolation'];
  limits: Limits;
  needs: ConnectionNeeds;
  walls: PlannedWall[];
  largestFit: Plan['largestFit'];
  requested: Plan['requested'];
  connections: number;
  /** The clients free their TLS sessions: as asked for, or because nothing else fits. */
  park: boolean;
}

export function draftOf(spec: RunSpec, facts: HostFacts, ends: Ends, sources: number): Draft {
  requireTls(spec, facts, ends);
  const asked = draftWith(spec, facts, ends, sources, spec.tls?.park === true);
  const mayPark = spec.tls !== undefined && spec.tls.park === undefined && spec.traffic === undefined && ends.client;
  if (!mayPark || asked.requested === 'max' || asked.connections >= asked.requested) return asked;
  const parked = draftWith(spec, facts, ends, sources, true);
  return parked.connections > asked.connections ? parked : asked;
}

function draftWith(spec: RunSpec, facts: HostFacts, ends: Ends, sources: number, park: boolean): Draft {
  const isStateless = spec.client === 'stateless';
  const severalHosts = ends.server !== ends.client && !isStateless;
  const isolation = spec.isolation === 'host' || severalHosts || facts.namespace.kind === 'none' ? 'host' : facts.namespace.kind;
  const needs = needsOf(spec, ends, sources, isolation, park);
  const narrow = limitsOf(spec, facts, false);
  const wanted = peakOf(spec);
  // The range of a host is left alone unless the user fixed the ports and nothing else gives enough local ones.
  const isTooSmall = spec.ports !== undefined && (wanted === 'max' || wanted > needs.fixedPorts! * sources * narrow.perTuple);
  const limits = isolation !== 'host' || (ends.client && isTooSmall) ? limitsOf(spec, facts, true) : narrow;
  const walls = planWalls(spec, facts, limits, needs);
  const largestFit = largestFitOf(walls);
  const requested = wanted;
  const connections = wanted === 'max' ? Math.ceil(largestFit.afterTuning * ceilingOvershoot) : Math.min(wanted, largestFit.afterTuning);
  return { ends, isolation, limits, needs, walls, largestFit, requested, connections, park };
}

function needsOf(spec: RunSpec, ends: Ends, sources: number, isolation: Plan['isolation'], park: boolean): ConnectionNeeds {
  const protocols = splitByProtocol(spec.protocol, 2);
  const bytes =
    protocols.reduce((sum, [protocol, share]) => sum + bytesPerConnection(spec.engine, protocol, ends) * share, 0) / 2 +
    (spec.client === 'stateless' ? statelessBytesPerConnection : 0) +
    tlsBytes(spec, ends, park);
  const sockets = (ends.server ? 1 : 0) + (ends.client ? 1 : 0);
  const queuedBytes = spec.traffic === undefined ? 0 : sockets * (spec.traffic.bytes + bufferOverheadBytes);
  return {
    ends,
    sockets,
    bytes,
    tlsBytesPerWorker: tlsBytesPerWorker(spec),
    fixedPorts: spec.ports === undefined ? undefined : spec.ports * protocols.length,
    firstPort: spec.firstPort ?? firstPorts[protocols[0]![0]],
    sources,
    singleServer: isForeign(spec.engine) && ends.server,
    serverProcesses: spec.serverProcesses ?? 1,
    ownNamespace: isolation !== 'host',
    queuedBytes,
    leavesOrphans: spec.engine !== 'epoll',
  };
}

export function finishPlan(spec: RunSpec, facts: HostFacts, draft: Draft, serverWorkers: Plan['serverWorkers'], clientWorkers: Plan['clientWorkers']): Plan {
  const { limits, needs, connections, largestFit } = draft;
  const workers = { server: isForeign(spec.engine) ? 0 : serverWorkers.length, client: clientWorkers.length };
  const buckets = portBucketBytes(needs.ends.client ? tuplesOf(clientWorkers) : [], limits.localPorts.after);
  const ofTls = (workers.server + workers.client) * needs.tlsBytesPerWorker;
  const shared = processBytes(spec.engine, workers, spec.traffic !== undefined) + ofTls + buckets;
  const onThisHost = needs.bytes + (connections === 0 ? 0 : shared / connections);
  const perEnd = onThisHost / needs.sockets;
  const tls = tlsPlanOf(spec, facts, draft.ends, draft.park, secondsPerConnection(draft.ends));
  return {
    requested: draft.requested,
    connections,
    protocol: spec.protocol,
    engine: spec.engine,
    client: spec.client,
    isolation: draft.isolation,
    serverWorkers,
    clientWorkers,
    sysctls: plannedSysctls(facts, draft, serverWorkers, clientWorkers),
    walls: draft.walls,
    largestFit,
    predicted: { bytesPerEnd: perEnd, bytesPerPair: perEnd * 2, totalBytes: onThisHost * connections },
    // MemAvailable takes the pinned inodes of our sockets for reclaimable: the guard stands that much higher.
    guardBytes: Math.round(limits.guardBytes + Math.min(connections, largestFit.afterTuning) * needs.sockets * pinnedBytesPerSocket),
    ...(tls === undefined ? {} : { tls }),
    notes: [...notesOf(spec, facts, draft), ...tlsNotes(spec, { connections, tls }, draft.park && spec.tls?.park === undefined)],
  };
}

/** Connections by source and destination: a target may be cut in two between workers. */
function tuplesOf(workers: Plan['clientWorkers']): ConnectionsOfTuple[] {
  const tuples = new Map<string, ConnectionsOfTuple>();
  for (const { source, address, port, connections } of workers.flatMap(({ targets }) => targets)) {
    const key = `${source ?? ''} ${address} ${port}`;
    tuples.set(key, { source, connections: connections + (tuples.get(key)?.connections ?? 0) });
  }
  return [...tuples.values()];
}

function plannedSysctls(facts: HostFacts, draft: Draft, servers: Plan['serverWorkers'], clients: Plan['clientWorkers']): PlannedSysctl[] {
  const { limits, needs, connections, isolation } = draft;
  const widened = limits.portRange.after.first < limits.portRange.before.first || limits.portRange.after.last > limits.portRange.before.last;
  const inputs = {
    connections,
    sockets: connections * needs.sockets,
    largestNofile: Math.max(...[...servers, ...clients].map((worker) => worker.nofile), 0),
    filesInUse: facts.filesInUse,
    backlog: servers.length > 0 ? acceptQueue : undefined,
    serverPorts: servers.flatMap((worker) => worker.ports.map(({ port }) => port)),
    portRange: clients.some(({ stateless }) => stateless === undefined) && (widened || isolation !== 'host') ? limits.portRange.after : undefined,
    conntrackCount: needs.ownNamespace ? undefined : facts.conntrack?.count,
    leavesOrphans: needs.leavesOrphans,
    queuedBytes: needs.queuedBytes * connections,
    memoryBytes: facts.memory.totalBytes,
    pageBytes: facts.pageBytes,
  };
  return sysctlDefinitions.flatMap((definition): PlannedSysctl[] => {
    const { key, reason, danger } = definition;
    const current = facts.sysctls[key]?.value;
    const target = definition.target(inputs);
    if (!limits.canTune(key) || current === undefined || current === null || target === undefined) return [];
    const raised = raiseOnly(key, current, target);
    if (raised === undefined) return [];
    const scope = definition.scope === 'netns' && isolation !== 'host' ? 'netns' : 'global';
    return [{ key, scope, current, target: raised, reason, ...(danger === undefined ? {} : { danger }) }];
  });
}

function notesOf(spec: RunSpec, facts: HostFacts, draft: Draft): string[] {
  const { limits, walls, connections, requested, largestFit } = draft;
  const notes: string[] = [];
  const wall = walls.find((candidate) => candidate.atAfterTuning === largestFit.afterTuning);
  const wallText = wall === undefined ? '' : `${wall.title}: ${wall.evidence}. ${wall.remedy}`;
  if (requested === 'max') {
    notes.push(
      `The first wall is expected at ${formatCount(largestFit.afterTuning)} connections; the ramp aims at ${formatCount(connections)} to meet it. ${wallText}`,
    );
  } else if (connections < requested) {
    notes.push(`${formatCount(requested)} connections do not fit: ${formatCount(connections)} are planned. ${wallText}`);
  }
  if (limits.nofileCause === 'hardLimit' && !facts.capabilities.sysResource && connections > limits.connectionsPerWorker.after) {
    notes.push(
      `A process may open ${formatCount(limits.nofile.after)} files and nobody may raise that here (no CAP_SYS_RESOURCE): more workers are used, each costs about ${formatBytes(bytesPerWorker)}.`,
    );
  }
  if (facts.namespace.kind === 'none' && spec.isolation === 'netns') {
    notes.push(`No network namespace can be made (${facts.namespace.reason ?? 'reason unknown'}): the run uses the host's own.`);
  }
  if (isForeign(spec.engine))
    notes.push('What your server needs for a connection is not known before the run; the prediction takes Tornado on CPython, as in 2014.');
  if (facts.loadAverage > facts.cores)
    notes.push(`The host is busy already: its load average is ${facts.loadAverage.toFixed(1)} on ${facts.cores} cores, so connect rates will be low.`);
  if (!facts.slabReadable) notes.push('The kernel keeps its object counts for root: bytes are approximate, from MemAvailable.');
  if (limits.usableBytes === 0) notes.push(`Less than ${formatBytes(limits.guardBytes)} of memory are available.`);
  return notes;
}
