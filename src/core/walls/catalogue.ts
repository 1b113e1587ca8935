import type { Wall } from '../../protocol/events.js';
import type { PlannedWall } from '../../protocol/plan.js';

/** A limit that can stop or slow a ramp. Each has a page of the same name in `docs/walls`. */
export interface WallDefinition {
  id: string;
  title: string;
  remedy: string;
}

/** The closed list of walls. Adding one: a line here, its rule in `plannedWalls.ts` or `recogniser.ts`, a page, a test. */
export const wallCatalogue = {
  nofile: {
    title: 'Open files of one process',
    remedy: 'Let C10M use more workers (omit --ports), or raise the hard limit of open files (nofile) of the login.',
  },
  nrOpen: { title: 'Highest limit of open files', remedy: 'Raise fs.nr_open (C10M does so as root with --tuning apply).' },
  fileMax: { title: 'Open files of the machine', remedy: 'Raise fs.file-max (C10M does so as root with --tuning apply).' },
  portRange: { title: 'Local ports used up', remedy: 'Use more server ports (--ports) or a wider net.ipv4.ip_local_port_range.' },
  bindWithoutNoPort: {
    title: 'Source address bound without NO_PORT',
    remedy: 'Set IP_BIND_ADDRESS_NO_PORT before bind, or do not bind: otherwise more server ports give no more connections.',
  },
  tupleFull: {
    title: 'One source, destination and port is full',
    remedy: 'Use more server ports (--ports): each one holds up to 28,000 quickly and about 64,000 at all.',
  },
  acceptQueue: { title: 'Accept queue overflows', remedy: 'Raise net.core.somaxconn and the backlog of listen, accept faster, or lower --rate.' },
  synBacklog: { title: 'Too many half-open connections', remedy: 'Raise net.ipv4.tcp_max_syn_backlog or lower --rate.' },
  halfOpen: {
    title: 'Connections that only the clients know',
    remedy: 'Raise net.core.somaxconn and the backlog of listen on the server, or lower --rate.',
  },
  conntrack: {
    title: 'Connection tracking table is full',
    remedy: 'Raise net.netfilter.nf_conntrack_max, exclude the run with a NOTRACK rule, or use --isolation netns.',
  },
  tcpMemory: { title: 'TCP buffer memory', remedy: 'Raise net.ipv4.tcp_mem (C10M does so as root with --isolation host), or send less at a time.' },
  orphans: { title: 'Too many orphaned sockets', remedy: 'Raise net.ipv4.tcp_max_orphans, or close more slowly.' },
  epollWatches: { title: 'Epoll watches of one user', remedy: 'Raise fs.epoll.max_user_watches (C10M does so as root with --tuning apply).' },
  cgroupMemory: { title: 'Memory limit of the control group', remedy: 'Raise memory.max of the control group, or run outside of it.' },
  memory: { title: 'Memory of the machine', remedy: 'Use a machine with more memory, or an engine that needs less for each connection.' },
  pids: {
    title: 'Processes and threads',
    remedy:
      'Raise what the evidence names (pids.max of the control group, ulimit -u of the user, kernel.pid_max), or allow more open files a process so that fewer workers are needed.',
  },
  cpu: { title: 'All cores are busy', remedy: 'Lower --rate or use more cores: the count is not limited by this, only the speed.' },
  serverAccept: { title: 'The server accepts too slowly', remedy: 'Accept in batches or in more processes, or lower --rate.' },
  serverRefusing: {
    title: 'The server refuses or closes connections',
    remedy: 'Raise the limit of the server, or look at what it said, which is kept with the run.',
  },
  serverStopped: {
    title: 'The server stopped accepting at its own limit',
    remedy: 'Raise the limit of the server; its accept queue and net.core.somaxconn only hold what it does not take.',
  },
  serverTimeout: {
    title: 'The server closes connections at one age',
    remedy: 'Say what the server waits for (--opening), keep connections alive, or raise its timeout for idle or unauthenticated connections.',
  },
  tlsHandshake: { title: 'TLS handshakes fail', remedy: 'Read which of them fail and why; `openssl s_client -connect HOST:PORT` shows the same.' },
  tunDevice: {
    title: 'No TUN device',
    remedy:
      'Give the run /dev/net/tun (modprobe tun; in a container --device /dev/net/tun) and CAP_NET_ADMIN in a network namespace of its own, or use --client sockets.',
  },
  missingCapability: { title: 'A privilege is missing', remedy: 'Run as root, or give the agent CAP_SYS_RESOURCE and CAP_NET_ADMIN.' },
  readOnlySysctl: { title: 'A kernel key cannot be written', remedy: 'Set the key where it is writable: outside of the container, or with --isolation host.' },
  unknown: { title: 'Unknown', remedy: 'Export the run and look at its counters; the cause is none of the limits that C10M knows.' },
} as const satisfies Record<string, Omit<WallDefinition, 'id'>>;

export type WallId = keyof typeof wallCatalogue;

/** A wall that was met at so many connections, with the catalogue's title and remedy. */
export function metWall(id: WallId, at: number, evidence: string): Wall {
  return { id, ...wallCatalogue[id], at, evidence };
}

/** A planned wall with the catalogue's title and remedy. `at` null: no such limit. */
export function plannedWall(id: WallId, at: number | null, atAfterTuning: number | null, evidence: string): PlannedWall {
  return { id, ...wallCatalogue[id], at, atAfterTuning, evidence };
}

/** Walls that slow a run or cost a few connections, but do not bound how many fit. */
const slowingWalls: ReadonlySet<string> = new Set<WallId>(['acceptQueue', 'synBacklog', 'halfOpen', 'tcpMemory', 'orphans', 'readOnlySysctl', 'cpu']);

/** It slows a run or costs a few connections, but ends no ramp. */
export function isSlowing(id: string): boolean {
  return slowingWalls.has(id);
}
