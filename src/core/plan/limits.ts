import type { HostFacts } from '../../protocol/facts.js';
import { isForeign, type RunSpec } from '../../protocol/spec.js';
import { guardBytesFor, usableMemoryBytes } from './costs.js';
import { parsePortRange, widestPortRange, type PortRange } from '../portRange.js';
import { parsePortList } from './sysctls.js';

/** Descriptors of a worker that are no connections: Node's own, the listeners, epoll, pipes, with room (measured: about 40). */
const reservedDescriptors = 500;
/** Beyond about half of the port range the kernel's search for a free port goes from 20 µs to 3 ms (measured): 0.87 of the half. */
const fastShareOfRange = 0.434;
/** The most connections of one (source, destination, port) that the planner uses. */
export const connectionsPerTuple = 28_000;
/** As far as fs.nr_open is raised for one process: 2^30 made daemons that loop over their descriptors hang. */
const largestUsefulNofile = 16_000_000;

/** What holds for a run on one host. */
export interface Limits {
  /** The limit of open files that a process of the run can have, before and after tuning. */
  nofile: { before: number; after: number };
  /** Descriptors of one worker that can be connections. */
  connectionsPerWorker: { before: number; after: number };
  /** What sets `nofile.after`: the login's hard limit, fs.nr_open, or the profile. */
  nofileCause: 'hardLimit' | 'nrOpen' | 'profile';
  portRange: { before: PortRange; after: PortRange };
  /** Local ports in the range that connections may start from. */
  localPorts: { before: number; after: number };
  /** Connections that are quick to open from one source to one destination port. */
  perTuple: number;
  usableBytes: number;
  /** What must stay free, see `guardBytesFor`. */
  guardBytes: number;
  canTune(key: string): boolean;
}

/** The first number of a key, or undefined where it is absent or none. */
export function readNumber(facts: HostFacts, key: string): number | undefined {
  const text = facts.sysctls[key]?.value;
  if (text === undefined || text === null || text.trim() === '') return undefined;
  const value = Number(text.trim().split(/\s+/)[0]);
  return Number.isFinite(value) ? value : undefined;
}

/** The range of local ports; the kernel's default where it cannot be read. */
export function readPortRange(facts: HostFacts): PortRange {
  return parsePortRange(facts.sysctls['net.ipv4.ip_local_port_range']?.value ?? null) ?? { first: 32_768, last: 60_999 };
}

/** The descriptors of a worker that are kept for other things: fewer where there are few. */
export function reserveFor(nofile: number): number {
  return Math.min(reservedDescriptors, Math.max(64, Math.floor(nofile / 8)));
}

/** What holds on the host before and after tuning. `widenPorts`: the range may be changed (own namespace, or nothing else helps). */
export function limitsOf(spec: RunSpec, facts: HostFacts, widenPorts: boolean): Limits {
  const canTune = (key: string) => spec.tuning === 'apply' && facts.sysctls[key]?.access === 'writable';
  const asked = spec.workerNofile ?? Number.POSITIVE_INFINITY;
  // With the capability the limit can follow fs.nr_open. That key of the whole host is raised only where more workers do not help as well.
  const cannotAddWorkers = isForeign(spec.engine) || spec.ports !== undefined || spec.workerNofile !== undefined;
  const canFollow = cannotAddWorkers && facts.capabilities.sysResource && canTune('fs.nr_open');
  const raised = canFollow ? Math.max(facts.nofile.raisable, largestUsefulNofile) : facts.nofile.raisable;
  // A process may open no more than fs.nr_open even where its limit was set above it before.
  const openLimit = readNumber(facts, 'fs.nr_open') ?? Number.POSITIVE_INFINITY;
  const hard = Math.min(facts.nofile.hard, openLimit);
  const after = spec.tuning !== 'apply' ? hard : canTune('fs.nr_open') ? raised : Math.min(raised, openLimit);
  const nofile = { before: Math.min(asked, hard), after: Math.min(asked, after) };
  const found = readPortRange(facts);
  const wide = widenPorts && canTune('net.ipv4.ip_local_port_range');
  const portRange = { before: found, after: wide ? widerRange(found, widestPortRange) : found };
  const reserved = parsePortList(facts.sysctls['net.ipv4.ip_local_reserved_ports']?.value ?? '');
  const localPorts = { before: countPorts(portRange.before, reserved), after: countPorts(portRange.after, reserved) };
  const guardBytes = guardBytesFor(facts.memory.totalBytes);
  const perWorker = (limit: number) => Math.max(1, limit - reserveFor(limit));
  return {
    nofile,
    connectionsPerWorker: { before: perWorker(nofile.before), after: perWorker(nofile.after) },
    nofileCause: asked <= after ? 'profile' : facts.capabilities.sysResource || after < facts.nofile.hard ? 'nrOpen' : 'hardLimit',
    portRange,
    localPorts,
    perTuple: Math.max(1, Math.min(connectionsPerTuple, Math.floor(localPorts.after * fastShareOfRange))),
    usableBytes: Math.max(0, usableMemoryBytes(facts.memory.availableBytes, facts.tcpSocketsAllocated ?? 0) - guardBytes),
    guardBytes,
    canTune,
  };
}

function widerRange(a: PortRange, b: PortRange): PortRange {
  return { first: Math.min(a.first, b.first), last: Math.max(a.last, b.last) };
}

function countPorts(range: PortRange, reserved: readonly number[]): number {
  const excluded = reserved.filter((port) => port >= range.first && port <= range.last).length;
  return Math.max(0, range.last - range.first + 1 - excluded);
}
