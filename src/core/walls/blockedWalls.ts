import type { Blocked, Sample } from '../../protocol/events.js';
import type { HostFacts } from '../../protocol/facts.js';
import type { Plan } from '../../protocol/plan.js';
import { parsePortRange, widestPortRange } from '../portRange.js';
import { formatBytes, formatCount } from '../units.js';
import type { WallId } from './catalogue.js';

export interface Recognised {
  id: WallId;
  text: string;
  /** Where more is known than the catalogue says. */
  remedy?: string;
}

/** What an errno of a system call means when nothing else is known. `unknown` where it may mean several things. */
export function explain(errno: string, call: string): WallId {
  const rule = rules.find((candidate) => candidate.errno === errno && (candidate.call === undefined || candidate.call.test(call)));
  return rule?.id ?? 'unknown';
}

/** The first line that fits counts. */
const rules: readonly { errno: string; call?: RegExp; id: WallId }[] = [
  { errno: 'EMFILE', id: 'nofile' },
  { errno: 'ENFILE', id: 'fileMax' },
  // Without IP_BIND_ADDRESS_NO_PORT bind takes a port at once, whatever the destination will be; with it, bind takes none.
  { errno: 'EADDRINUSE', call: /^bind/, id: 'bindWithoutNoPort' },
  { errno: 'EADDRNOTAVAIL', call: /^connect/, id: 'portRange' },
  { errno: 'ENOSPC', call: /^epoll/, id: 'epollWatches' },
  { errno: 'EACCES', call: /^(bind|listen)/, id: 'missingCapability' },
  { errno: 'EPERM', call: /^(setrlimit|prlimit|unshare|setns|sysctl)/, id: 'missingCapability' },
  { errno: 'EROFS', call: /^(sysctl|write)/, id: 'readOnlySysctl' },
  { errno: 'EAGAIN', call: /^(fork|clone|spawn)/, id: 'pids' },
  { errno: 'refused', id: 'serverRefusing' },
  { errno: 'serverTimeout', id: 'serverTimeout' },
  { errno: 'ECONNREFUSED', id: 'serverRefusing' },
  { errno: 'ECONNRESET', id: 'serverRefusing' },
];

export function plannedHas(plan: Plan, id: WallId): boolean {
  return plan.walls.some((wall) => wall.id === id);
}

/** The wall behind a blocked worker, by its errno and by what the sample says of memory, ports and tables. */
export function blockedWall(blocked: Blocked, sample: Sample, plan: Plan, facts: HostFacts): Recognised {
  const said = `${blocked.call} of ${blocked.worker} says ${blocked.errno}`;
  if (blocked.errno === 'ENOMEM' || blocked.errno === 'ENOBUFS') return memoryWall(said, sample, plan, facts);
  if (blocked.errno === 'EPERM' && conntrackShare(sample) > 0.95) return { id: 'conntrack', text: `${said}, and the table of tracked connections is full` };
  const id = explain(blocked.errno, blocked.call);
  if (id === 'serverRefusing' || id === 'serverTimeout') return { id, text: blocked.text };
  if (id === 'nofile') return filesWall(said, blocked, plan);
  return { id, text: `${said}: ${blocked.text}` };
}

function conntrackShare(sample: Sample): number {
  const conntrack = sample.limits['conntrack'];
  return conntrack === undefined || conntrack.limit === 0 ? 0 : conntrack.used / conntrack.limit;
}

function filesWall(said: string, blocked: Blocked, plan: Plan): Recognised {
  const worker = [...plan.serverWorkers, ...plan.clientWorkers].find((candidate) => candidate.id === blocked.worker);
  const limit = worker === undefined ? '' : `; it was planned with ${formatCount(worker.nofile)} open files`;
  return { id: plannedHas(plan, 'nrOpen') ? 'nrOpen' : 'nofile', text: `${said}${limit}` };
}

/**
 * No local port was free any more: towards all destinations, because the range is narrow; or towards some, because strangers have their
 * ports or a port can take no more at all.
 */
export function portWall(blocked: readonly Blocked[], plan: Plan, facts: HostFacts): Recognised {
  const outOfPorts = blocked.filter(({ errno, call }) => errno === 'EADDRNOTAVAIL' && call === 'connect');
  const said = `connect of ${outOfPorts.map(({ worker }) => worker).join(', ')} says EADDRNOTAVAIL`;
  const planned = plan.sysctls.find(({ key }) => key === 'net.ipv4.ip_local_port_range')?.target;
  const range = parsePortRange(planned ?? facts.sysctls['net.ipv4.ip_local_port_range']?.value ?? null);
  const tuples = new Set(plan.clientWorkers.flatMap((worker) => worker.targets.map((target) => `${target.source ?? ''} ${target.address} ${target.port}`)));
  const ports = `${range === null ? 'the' : formatCount(range.last - range.first + 1)} local ports`;
  const pairs = tuples.size === 1 ? 'destination' : 'pairs of source and destination';
  const targets = plan.clientWorkers.reduce((sum, worker) => sum + worker.targets.length, 0);
  const known = outOfPorts.flatMap(({ exhausted }) => exhausted ?? []);
  const exhausted = known.reduce((sum, count) => sum + count, 0);
  if (known.length > 0 && exhausted < targets * partlyShare) {
    const text = `${said}: ${ports} are used up towards ${formatCount(exhausted)} of ${formatCount(targets)} ${pairs}; the others have what was planned for them`;
    return { id: 'tupleFull', text };
  }
  const isWidest = range !== null && range.first <= widestPortRange.first && range.last >= widestPortRange.last - 1;
  const text = `${said}: ${ports} towards ${formatCount(tuples.size)} ${pairs} are used up`;
  return { id: isWidest && tuples.size === 1 ? 'tupleFull' : 'portRange', text };
}

/** Below this share of exhausted destinations it is not the range that ended. */
const partlyShare = 0.9;

function memoryWall(said: string, sample: Sample, plan: Plan, facts: HostFacts): Recognised {
  const { memory, sockstat } = sample;
  const maximum = facts.cgroup.memoryMaximumBytes;
  if (maximum !== null && (memory.cgroupCurrentBytes ?? 0) > maximum * 0.85) {
    return { id: 'cgroupMemory', text: `${said}; the control group uses ${formatBytes(memory.cgroupCurrentBytes ?? 0)} of ${formatBytes(maximum)}` };
  }
  const pages = Number(facts.sysctls['net.ipv4.tcp_mem']?.value?.trim().split(/\s+/)[1] ?? Number.NaN);
  if (sockstat !== null && sockstat.memoryPages >= pages)
    return { id: 'tcpMemory', text: `${said}; socket buffers take ${formatCount(sockstat.memoryPages)} pages` };
  if (memory.availableBytes < plan.guardBytes * 1.2) return { id: 'memory', text: `${said}; ${formatBytes(memory.availableBytes)} are available` };
  return { id: 'unknown', text: `${said}, although ${formatBytes(memory.availableBytes)} are available` };
}
