import type { HostFacts } from '../../protocol/facts.js';
import type { Plan, PlannedWall } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { bytesPerWorker, type Ends, threadsPerWorker } from './costs.js';
import { type Limits, readNumber } from './limits.js';
import { handshakeCpuSeconds } from './tlsPlan.js';
import { formatBytes, formatCount } from '../units.js';
import { isSlowing, plannedWall, type WallId } from '../walls/catalogue.js';

/** What a run needs of a host, as far as walls depend on it. */
export interface ConnectionNeeds {
  ends: { server: boolean; client: boolean };
  /** Sockets (and files, and epoll watches) of one connection on this host: 2 where both ends live here. */
  sockets: number;
  /** Memory of one more connection on this host, without the workers' fixed share. */
  bytes: number;
  /** What TLS adds to each worker's fixed share. */
  tlsBytesPerWorker: number;
  /** Server ports when the user fixed their number (of all protocols), and the first of them. */
  fixedPorts: number | undefined;
  firstPort: number;
  /** Sources the clients may use towards one port. */
  sources: number;
  /** All server ends live in one process of the user (engine `command`). */
  singleServer: boolean;
  /** Of that server, those that hold connections. */
  serverProcesses: number;
  /** The namespace of the run is its own: conntrack and firewalls of the host do not see it. */
  ownNamespace: boolean;
  /** Bytes that wait in the buffers of one connection in the worst moment; 0 for idle ones. */
  queuedBytes: number;
  leavesOrphans: boolean;
}

/** A file structure, for the machine's own use, that the run must leave. */
const spareFiles = 1_000;
/** Threads that the supervisor, the guardian and the machine's own services need beside the workers. */
const spareThreads = 40;
/** The kernel makes most of the server's end in the softirq and charges that to no control group (measured on 6.18: 5.7 of 8.4 kB a pair are charged). */
const unchargedServerBytes = 2_700;
/** What a worker adds to its control group: its private memory. The pages of Node's program are charged to whoever read them first. */
const chargedWorkerBytes = 12_900_000;
/** Supervisor, guardian and relay of a run, which are charged to its control group too. */
const supervisorBytes = 20_000_000;
/** An accept queue below this overflows in any ramp without a rate. */
const smallAcceptQueue = 1_024;

/** CPU time of one loopback connection, both ends, with the kernel's part (measured: 25–30 µs). */
const cpuSecondsPerConnection = 28e-6;

/** The wall that will end the ramp first; undefined where none is known. Walls that only slow it down do not count. */
export function firstWall(plan: Pick<Plan, 'walls'>): PlannedWall | undefined {
  return plan.walls.find((wall) => wall.atAfterTuning !== null && !isSlowing(wall.id));
}

/** Every limit with the count at which it stands before and after tuning, in the order in which they will be met. */
export function planWalls(spec: RunSpec, facts: HostFacts, limits: Limits, needs: ConnectionNeeds): PlannedWall[] {
  const walls = [
    ...processWalls(facts, limits, needs),
    ...portWalls(facts, limits, needs),
    ...hostWalls(facts, limits, needs),
    ...memoryWalls(facts, limits, needs),
    ...queueWalls(spec, facts, limits, needs),
  ];
  if (spec.client === 'stateless') walls.push(...deviceWalls(facts));
  walls.push(...readOnlyWalls(spec, facts, walls));
  return sortWalls(walls);
}

/** The largest count that no wall stands below. Walls that only slow a run do not count. */
export function largestFitOf(walls: readonly PlannedWall[]): { beforeTuning: number; afterTuning: number } {
  const least = (positions: (number | null)[]) => Math.min(Number.MAX_SAFE_INTEGER, ...positions.filter((at) => at !== null));
  const hard = walls.filter((wall) => !isSlowing(wall.id));
  return { beforeTuning: least(hard.map((wall) => wall.at)), afterTuning: least(hard.map((wall) => wall.atAfterTuning)) };
}

function sortWalls(walls: PlannedWall[]): PlannedWall[] {
  const position = (at: number | null) => at ?? Number.POSITIVE_INFINITY;
  const compare = (a: number, b: number) => (a === b ? 0 : a - b);
  return walls.sort((a, b) => compare(position(a.atAfterTuning), position(b.atAfterTuning)) || compare(position(a.at), position(b.at)));
}

function processWalls(facts: HostFacts, limits: Limits, needs: ConnectionNeeds): PlannedWall[] {
  const { before, after } = limits.connectionsPerWorker;
  const walls: PlannedWall[] = [];
  const processes = needs.singleServer ? needs.serverProcesses : needs.ends.server ? needs.fixedPorts : undefined;
  const id: WallId = limits.nofileCause === 'nrOpen' ? 'nrOpen' : 'nofile';
  const limit = `at most ${formatCount(limits.nofile.after)} open files${causeText(limits, facts)}`;
  if (processes === undefined) {
    walls.push(plannedWall(id, null, null, `a worker has ${limit}, ${formatCount(after)} of them for connections; more workers are started as needed`));
  } else {
    const who = needs.singleServer
      ? needs.serverProcesses === 1
        ? 'the server is one process (more: --server-processes)'
        : `the server has ${formatCount(needs.serverProcesses)} processes`
      : `${formatCount(processes)} ports, each served by one worker`;
    walls.push(plannedWall(id, processes * before, processes * after, `${who} with ${limit}`));
  }
  const { pidsMaximum, pidsCurrent } = facts.cgroup;
  const rooms = [
    pidsMaximum === null ? undefined : { room: pidsMaximum - (pidsCurrent ?? 0), text: `pids.max is ${formatCount(pidsMaximum)}` },
    facts.tasks === undefined
      ? undefined
      : {
          room: facts.tasks.maximum - facts.tasks.current,
          text: `this user may have ${formatCount(facts.tasks.maximum)} processes and threads (ulimit -u), of which ${formatCount(facts.tasks.current)} run`,
        },
    ...(['kernel.pid_max', 'kernel.threads-max'] as const).map((key) => {
      const value = readNumber(facts, key);
      return value === undefined ? undefined : { room: value, text: `${key} is ${formatCount(value)}` };
    }),
  ].filter((entry) => entry !== undefined);
  const least = rooms.sort((a, b) => a.room - b.room)[0];
  if (least !== undefined) {
    const roles = needs.singleServer ? 1 : (needs.ends.server ? 1 : 0) + (needs.ends.client ? 1 : 0);
    const workers = Math.max(0, Math.floor((least.room - spareThreads) / threadsPerWorker / roles));
    walls.push(plannedWall('pids', workers * before, workers * after, `${least.text}; a worker has up to ${threadsPerWorker} threads`));
  }
  return walls;
}

function causeText(limits: Limits, facts: HostFacts): string {
  if (limits.nofileCause === 'profile') return ' (workerNofile of the profile)';
  if (limits.nofileCause === 'nrOpen') return ' (fs.nr_open)';
  return facts.user.id === 0 && !facts.capabilities.sysResource ? ' (hard limit; root lacks CAP_SYS_RESOURCE to raise it)' : ' (hard limit)';
}

function portWalls(facts: HostFacts, limits: Limits, needs: ConnectionNeeds): PlannedWall[] {
  const walls: PlannedWall[] = [];
  const { before, after } = limits.localPorts;
  if (needs.ends.client) {
    const ports = needs.fixedPorts;
    const range = `${formatCount(after)} local ports × ${ports === undefined ? 'as many server ports as needed' : `${formatCount(ports)} server ports`}`;
    const sources = needs.sources > 1 ? ` × up to ${formatCount(needs.sources)} sources` : '';
    const at = (localPorts: number) => (ports === undefined ? null : localPorts * ports * needs.sources);
    walls.push(plannedWall('portRange', at(before), at(after), `${range}${sources}`));
  }
  const unprivileged = readNumber(facts, 'net.ipv4.ip_unprivileged_port_start') ?? 1_024;
  if (needs.ends.server && needs.firstPort < unprivileged && facts.user.id !== 0 && !needs.ownNamespace) {
    walls.push(plannedWall('missingCapability', 0, 0, `port ${needs.firstPort} needs root or CAP_NET_BIND_SERVICE (ports from ${unprivileged} on are free)`));
  }
  return walls;
}

/** A client without sockets needs a device of its own, in a namespace of its own. */
function deviceWalls(facts: HostFacts): PlannedWall[] {
  if (facts.namespace.kind === 'none')
    return [plannedWall('tunDevice', 0, 0, `no network namespace of the run's own: ${facts.namespace.reason ?? 'unknown reason'}`)];
  if (facts.tun?.available !== false) return [];
  return [plannedWall('tunDevice', 0, 0, facts.tun.reason ?? 'no TUN device can be made')];
}

function hostWalls(facts: HostFacts, limits: Limits, needs: ConnectionNeeds): PlannedWall[] {
  const walls: PlannedWall[] = [];
  const push = (id: WallId, key: string, at: number, evidence: string) => {
    walls.push(plannedWall(id, Math.max(0, at), limits.canTune(key) ? null : Math.max(0, at), evidence));
  };
  const fileMax = readNumber(facts, 'fs.file-max');
  if (fileMax !== undefined && facts.filesInUse !== null) {
    const evidence = `fs.file-max is ${formatCount(fileMax)}, ${formatCount(facts.filesInUse)} are in use`;
    push('fileMax', 'fs.file-max', Math.floor((fileMax - facts.filesInUse - spareFiles) / needs.sockets), evidence);
  }
  const watches = readNumber(facts, 'fs.epoll.max_user_watches');
  if (watches !== undefined) {
    const evidence = `fs.epoll.max_user_watches is ${formatCount(watches)}, each connection takes ${needs.sockets}`;
    push('epollWatches', 'fs.epoll.max_user_watches', Math.floor(watches / needs.sockets), evidence);
  }
  if (!needs.ownNamespace && facts.conntrack !== null && facts.conntrack.maximum > 0) {
    const { count, maximum } = facts.conntrack;
    const evidence = `${formatCount(count)} of ${formatCount(maximum)} entries are in use; C10M stops at 90 %`;
    push('conntrack', 'net.netfilter.nf_conntrack_max', Math.floor(maximum * 0.9 - count), evidence);
  }
  return walls;
}

function memoryWalls(facts: HostFacts, limits: Limits, needs: ConnectionNeeds): PlannedWall[] {
  const roles = (needs.ends.server && !needs.singleServer ? 1 : 0) + (needs.ends.client ? 1 : 0);
  const fitIn = (bytes: number, each: number, perWorker: number, workerBytes: number) => {
    const smallest = facts.cores * roles * workerBytes;
    const many = bytes / (each + (roles * workerBytes) / perWorker);
    return Math.max(0, Math.floor(many >= perWorker * facts.cores ? many : (bytes - smallest) / each));
  };
  const wall = (id: WallId, bytes: number, each: number, evidence: string, plainBytes = bytesPerWorker) => {
    const { before, after } = limits.connectionsPerWorker;
    const workerBytes = plainBytes + needs.tlsBytesPerWorker;
    const workers = roles === 0 ? '' : `, each worker ${formatBytes(workerBytes)}`;
    return plannedWall(
      id,
      fitIn(bytes, each, before, workerBytes),
      fitIn(bytes, each, after, workerBytes),
      `${evidence}; a connection takes ${formatBytes(each)}${workers}`,
    );
  };
  const walls = [
    wall('memory', limits.usableBytes, needs.bytes, `${formatBytes(limits.usableBytes)} can be used, ${formatBytes(limits.guardBytes)} stay free`),
  ];
  const { memoryMaximumBytes, memoryCurrentBytes, memoryFileBytes } = facts.cgroup;
  if (memoryMaximumBytes !== null) {
    const used = Math.max(0, (memoryCurrentBytes ?? 0) - (memoryFileBytes ?? 0));
    const evidence = `memory.max is ${formatBytes(memoryMaximumBytes)}, ${formatBytes(used)} are in use; C10M stops at 90 %`;
    const charged = needs.bytes - (needs.ends.server ? unchargedServerBytes : 0);
    walls.push(wall('cgroupMemory', memoryMaximumBytes * 0.9 - used - supervisorBytes, charged, evidence, chargedWorkerBytes));
  }
  return walls;
}

/** CPU seconds for opening one connection, without TLS. */
export function secondsPerConnection(ends: Ends): number {
  return cpuSecondsPerConnection * (ends.server && ends.client ? 1 : 0.6);
}

/** Walls that slow a ramp or cost connections while many come or go at once. */
function queueWalls(spec: RunSpec, facts: HostFacts, limits: Limits, needs: ConnectionNeeds): PlannedWall[] {
  const walls: PlannedWall[] = [];
  const queue = (id: WallId, key: string) => {
    const value = readNumber(facts, key);
    if (value === undefined || !needs.ends.server) return;
    const at = value >= smallAcceptQueue ? null : (needs.fixedPorts ?? 1) * (value + 1);
    walls.push(plannedWall(id, at, limits.canTune(key) ? null : at, `${key} is ${formatCount(value)}: so many may come to one port at once`));
  };
  queue('acceptQueue', 'net.core.somaxconn');
  queue('synBacklog', 'net.ipv4.tcp_max_syn_backlog');
  if (needs.queuedBytes > 0) {
    const pages = Number(facts.sysctls['net.ipv4.tcp_mem']?.value?.trim().split(/\s+/)[1] ?? Number.NaN);
    if (Number.isFinite(pages)) {
      const at = Math.floor((pages * facts.pageBytes) / needs.queuedBytes);
      const evidence = `above ${formatBytes(pages * facts.pageBytes)} in buffers tcp_mem means pressure; a message on its way takes ${formatBytes(needs.queuedBytes)}`;
      walls.push(plannedWall('tcpMemory', at, limits.canTune('net.ipv4.tcp_mem') ? null : at, evidence));
    }
  }
  const orphans = readNumber(facts, 'net.ipv4.tcp_max_orphans');
  if (orphans !== undefined && needs.leavesOrphans) {
    const evidence = `tcp_max_orphans is ${formatCount(orphans)}: more are reset when all are closed at once`;
    walls.push(plannedWall('orphans', orphans, limits.canTune('net.ipv4.tcp_max_orphans') ? null : orphans, evidence));
  }
  const possibleRate = Math.round(facts.cores / (secondsPerConnection(needs.ends) + handshakeCpuSeconds(spec, facts, needs.ends)));
  if (spec.rate !== undefined && spec.rate > possibleRate) {
    walls.push(plannedWall('cpu', 0, 0, `${facts.cores} cores make about ${formatCount(possibleRate)} connections per second at most`));
  }
  return walls;
}

/** Keys behind the walls that tuning would move if they could be written. */
const keysOfWalls: readonly (readonly [WallId, string])[] = [
  ['fileMax', 'fs.file-max'],
  ['epollWatches', 'fs.epoll.max_user_watches'],
  ['conntrack', 'net.netfilter.nf_conntrack_max'],
  ['portRange', 'net.ipv4.ip_local_port_range'],
  ['acceptQueue', 'net.core.somaxconn'],
  ['synBacklog', 'net.ipv4.tcp_max_syn_backlog'],
  ['tcpMemory', 'net.ipv4.tcp_mem'],
];

/** One wall for the first key that the run would raise but may not: it stands where the key's own wall stands. */
function readOnlyWalls(spec: RunSpec, facts: HostFacts, walls: readonly PlannedWall[]): PlannedWall[] {
  if (spec.tuning !== 'apply') return [];
  const peak = peakOf(spec);
  const held = keysOfWalls.flatMap(([id, key]) => {
    const wall = walls.find((candidate) => candidate.id === id);
    const fact = facts.sysctls[key];
    if (fact?.access !== 'readOnly' || wall?.at === null || wall?.at === undefined || (peak !== 'max' && wall.at >= peak)) return [];
    return [{ key, at: wall.at }];
  });
  if (held.length === 0) return [];
  const at = Math.min(...held.map((entry) => entry.at));
  return [plannedWall('readOnlySysctl', at, at, `the run needs more, but may not write ${held.map(({ key }) => key).join(', ')}`)];
}

/** The most connections the run will hold at once: the target, or the highest of its stages. */
export function peakOf(spec: Pick<RunSpec, 'connections' | 'stages'>): number | 'max' {
  if (spec.connections === 'max') return 'max';
  return Math.max(spec.connections, ...spec.stages.map((stage) => stage.to));
}
