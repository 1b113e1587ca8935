import type { HostFacts } from '../protocol/facts.js';
import type { PlannedWall } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';
import { guardBytesFor, usableMemoryBytes } from './costs.js';
import { formatBytes, formatCount } from './units.js';
import { plannedWall } from './walls.js';

/** Descriptors of a worker that are no connections: Node's own, the listeners, epoll, pipes, with room (measured: about 40). */
export const reservedDescriptors = 500;
/** Beyond about half of the port range the kernel's search for a free port goes from 20 µs to 3 ms (measured). */
const fastShareOfRange = 0.434;
/** The most connections of one (source, destination, port) that the planner uses. */
export const connectionsPerTuple = 28_000;
/** The range that the clients get in a namespace of our own: all ports that need no privilege. */
export const widePortRange = { first: 1_024, last: 65_535 };
/** A file structure, for the machine's own use, that the run must leave. */
const spareFiles = 1_000;

/** What holds for a run on one host, before and after tuning. */
export interface Limits {
  /** Descriptors of one worker that can be connections. */
  descriptorsPerWorker: number;
  nofile: number;
  portRange: { first: number; last: number };
  /** Connections that are quick to open from one source to one destination port. */
  perTuple: number;
  usableBytes: number;
  guardBytes: number;
  canTune(key: string): boolean;
}

export function readNumber(facts: HostFacts, key: string): number | undefined {
  const text = facts.sysctls[key]?.value;
  if (text === undefined || text === null || text.trim() === '') return undefined;
  const value = Number(text.trim().split(/\s+/)[0]);
  return Number.isFinite(value) ? value : undefined;
}

export function readPortRange(facts: HostFacts): { first: number; last: number } {
  const [first, last] = (facts.sysctls['net.ipv4.ip_local_port_range']?.value ?? '32768 60999').trim().split(/\s+/).map(Number);
  return { first: first ?? 32_768, last: last ?? 60_999 };
}

export function limitsOf(spec: RunSpec, facts: HostFacts): Limits {
  const canTune = (key: string) => spec.tuning === 'apply' && facts.sysctls[key]?.access === 'writable';
  const nrOpen = readNumber(facts, 'fs.nr_open') ?? 1_048_576;
  // With the capability the limit can follow fs.nr_open, which can be raised; without, only what was tried holds.
  const raisable = facts.capabilities.sysResource && canTune('fs.nr_open') ? Math.max(facts.nofile.raisable, nrOpen, 4_000_000) : facts.nofile.raisable;
  const nofile = Math.min(spec.workerNofile ?? Number.POSITIVE_INFINITY, raisable);
  const found = readPortRange(facts);
  const portRange = canTune('net.ipv4.ip_local_port_range')
    ? { first: Math.min(found.first, widePortRange.first), last: Math.max(found.last, widePortRange.last) }
    : found;
  const guardBytes = guardBytesFor(facts.memory.totalBytes);
  return {
    descriptorsPerWorker: Math.max(1, nofile - reservedDescriptors),
    nofile,
    portRange,
    perTuple: Math.max(1, Math.min(connectionsPerTuple, Math.floor((portRange.last - portRange.first + 1) * fastShareOfRange))),
    usableBytes: Math.max(0, usableMemoryBytes(facts.memory.availableBytes, facts.tcpSocketsAllocated) - guardBytes),
    guardBytes,
    canTune,
  };
}

/** What one connection takes on this host. */
export interface ConnectionNeeds {
  /** Sockets (and files, and epoll watches): 2 where both ends live here. */
  sockets: number;
  bytes: number;
  /** Bytes of the workers' fixed share, spread over the connections. */
  fixedBytes: number;
  /** Connections for which one more pair of worker processes is needed. */
  connectionsPerProcess: number;
  /** Server ports when the user fixed their number. */
  fixedPorts: number | undefined;
  /** Sources the clients may use. */
  sources: number;
  /** One process holds all server ends (engine `command`). */
  singleServer: boolean;
}

/** Every limit with the count at which it stands. Unsorted. */
export function wallsOf(facts: HostFacts, limits: Limits, needs: ConnectionNeeds): PlannedWall[] {
  const walls: PlannedWall[] = [];
  const tunable = (key: string, at: number): number | null => (limits.canTune(key) ? null : at);
  if (needs.singleServer) {
    const before = Math.max(0, facts.nofile.hard - reservedDescriptors);
    walls.push(plannedWall('nofile', before, limits.descriptorsPerWorker, `the server is one process with at most ${formatCount(limits.nofile)} open files`));
  } else if (needs.fixedPorts !== undefined) {
    const at = needs.fixedPorts * limits.descriptorsPerWorker;
    walls.push(
      plannedWall('nofile', at, at, `${formatCount(needs.fixedPorts)} ports, each served by one worker with at most ${formatCount(limits.nofile)} open files`),
    );
  }
  if (needs.fixedPorts !== undefined) {
    const range = readPortRange(facts);
    const before = (range.last - range.first + 1) * needs.fixedPorts * needs.sources;
    const after = (limits.portRange.last - limits.portRange.first + 1) * needs.fixedPorts * needs.sources;
    walls.push(
      plannedWall(
        'portRange',
        before,
        after,
        `${formatCount(limits.portRange.last - limits.portRange.first + 1)} local ports × ${formatCount(needs.fixedPorts)} server ports × ${formatCount(needs.sources)} sources`,
      ),
    );
  }
  const fileMax = readNumber(facts, 'fs.file-max');
  if (fileMax !== undefined) {
    const at = Math.max(0, Math.floor((fileMax - facts.filesInUse - spareFiles) / needs.sockets));
    walls.push(plannedWall('fileMax', at, tunable('fs.file-max', at), `fs.file-max is ${formatCount(fileMax)}, ${formatCount(facts.filesInUse)} are in use`));
  }
  const watches = readNumber(facts, 'fs.epoll.max_user_watches');
  if (watches !== undefined) {
    const at = Math.floor(watches / needs.sockets);
    walls.push(
      plannedWall(
        'epollWatches',
        at,
        tunable('fs.epoll.max_user_watches', at),
        `fs.epoll.max_user_watches is ${formatCount(watches)}, each connection takes ${needs.sockets}`,
      ),
    );
  }
  if (facts.conntrack !== null && facts.conntrack.maximum > 0) {
    const { count, maximum } = facts.conntrack;
    const at = Math.max(0, Math.floor(maximum * 0.9 - count));
    walls.push(
      plannedWall(
        'conntrack',
        at,
        tunable('net.netfilter.nf_conntrack_max', at),
        `${formatCount(count)} of ${formatCount(maximum)} entries are in use; C10M stops at 90 %`,
      ),
    );
  }
  const { pidsMaximum, pidsCurrent, memoryMaximumBytes, memoryCurrentBytes } = facts.cgroup;
  if (pidsMaximum !== null) {
    const pairs = Math.max(0, Math.floor((pidsMaximum - (pidsCurrent ?? 0) - 10) / 14 / 2));
    const at = pairs * needs.connectionsPerProcess;
    walls.push(plannedWall('pids', at, at, `pids.max is ${formatCount(pidsMaximum)}; a worker has up to 14 threads`));
  }
  const bytes = needs.bytes + needs.fixedBytes;
  if (memoryMaximumBytes !== null) {
    const at = Math.max(0, Math.floor((memoryMaximumBytes * 0.9 - (memoryCurrentBytes ?? 0)) / bytes));
    walls.push(plannedWall('cgroupMemory', at, at, `memory.max is ${formatBytes(memoryMaximumBytes)}, ${formatBytes(memoryCurrentBytes ?? 0)} are in use`));
  }
  const at = Math.floor(limits.usableBytes / bytes);
  walls.push(
    plannedWall(
      'memory',
      at,
      at,
      `${formatBytes(limits.usableBytes)} can be used (${formatBytes(limits.guardBytes)} stay free), a connection takes ${formatBytes(bytes)}`,
    ),
  );
  return walls;
}
