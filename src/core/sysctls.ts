/**
 * The one list of kernel keys that a run may set, with the formula of each (sources: the kernel's Documentation/admin-guide/sysctl
 * and networking/ip-sysctl.rst). Targets are formulas of the plan, never copied constants, and values are only ever raised.
 */
export interface TuningInputs {
  /** Sockets on this host when the plan is fulfilled: two a connection where both ends live here. */
  sockets: number;
  /** The largest number of descriptors that one worker needs. */
  descriptorsPerWorker: number;
  /** File structures in use before the run (`/proc/sys/fs/file-nr`). */
  filesInUse: number;
  /** Sockets in the accept queue of one port at worst. */
  backlog: number;
  /** Ports of our servers on this host, ascending. */
  serverPorts: readonly number[];
  /** The range of local ports that the clients need; undefined where this host runs no clients. */
  portRange: { first: number; last: number } | undefined;
  /** Tracked connections now; undefined where conntrack is not loaded or does not see this namespace. */
  conntrackCount: number | undefined;
}

export interface SysctlDefinition {
  key: string;
  kind: 'number' | 'triple' | 'range' | 'list';
  /** netns: each network namespace has its own, so it vanishes with the run's; global: one for the machine. */
  scope: 'netns' | 'global';
  reason: string;
  danger?: string;
  /** The value the plan needs; undefined where it needs none. */
  target(inputs: TuningInputs): string | undefined;
}

/** Above this, a socket table entry of `nr_open` costs more than it is worth: 2^30 made daemons that loop over descriptors hang. */
const descriptorHeadroom = 10_000;

export const sysctlDefinitions: readonly SysctlDefinition[] = [
  {
    key: 'fs.nr_open',
    kind: 'number',
    scope: 'global',
    reason: 'upper limit of the open files of one process',
    danger: 'Programs that close every possible descriptor become slow when it is very large; it is raised to what the run needs only.',
    target: ({ descriptorsPerWorker }) => String(descriptorsPerWorker + descriptorHeadroom),
  },
  {
    key: 'fs.file-max',
    kind: 'number',
    scope: 'global',
    reason: 'open files of the whole machine',
    target: ({ filesInUse, sockets }) => String(filesInUse + sockets + descriptorHeadroom),
  },
  {
    key: 'fs.epoll.max_user_watches',
    kind: 'number',
    scope: 'global',
    reason: 'sockets that one user may watch with epoll; the default is 4 % of low memory',
    danger: 'Each watch in use takes about 160 B of kernel memory.',
    target: ({ sockets }) => String(Math.ceil(sockets * 1.1)),
  },
  {
    key: 'net.core.somaxconn',
    kind: 'number',
    scope: 'netns',
    reason: 'upper limit of the accept queue of a port; what does not fit is dropped and tried again after a second',
    target: ({ backlog, serverPorts }) => (serverPorts.length === 0 ? undefined : String(backlog)),
  },
  {
    key: 'net.ipv4.tcp_max_syn_backlog',
    kind: 'number',
    scope: 'netns',
    reason: 'half-open connections of a port',
    target: ({ backlog, serverPorts }) => (serverPorts.length === 0 ? undefined : String(backlog)),
  },
  {
    key: 'net.ipv4.ip_local_port_range',
    kind: 'range',
    scope: 'netns',
    reason: 'local ports that a client may use towards one address and port of a server',
    target: ({ portRange }) => (portRange === undefined ? undefined : `${portRange.first} ${portRange.last}`),
  },
  {
    key: 'net.ipv4.ip_local_reserved_ports',
    kind: 'list',
    scope: 'netns',
    reason: 'keeps the ports of our servers out of the range of local ports; what it held before is kept',
    target: ({ serverPorts }) => (serverPorts.length === 0 ? undefined : portList(serverPorts)),
  },
  {
    key: 'net.ipv4.tcp_max_tw_buckets',
    kind: 'number',
    scope: 'netns',
    reason: 'connections in TIME_WAIT; a run leaves none, other programs may',
    target: () => undefined,
  },
  {
    key: 'net.netfilter.nf_conntrack_max',
    kind: 'number',
    scope: 'global',
    reason: 'tracked connections; a full table drops packets of everybody, SSH too',
    danger: 'Each tracked connection takes about 300 B of kernel memory.',
    target: ({ conntrackCount, sockets }) => (conntrackCount === undefined ? undefined : String(Math.ceil(conntrackCount + 1.2 * sockets))),
  },
  {
    key: 'net.ipv4.tcp_max_orphans',
    kind: 'number',
    scope: 'global',
    reason: 'sockets without a process while a run is torn down; more are reset',
    target: ({ sockets }) => String(Math.ceil(sockets / 2)),
  },
];

const readOnlyKeys = [
  'net.ipv4.tcp_mem',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
  'net.core.rmem_max',
  'net.core.wmem_max',
  'net.core.netdev_max_backlog',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_tw_reuse',
  'net.ipv4.tcp_fin_timeout',
  'net.netfilter.nf_conntrack_buckets',
  'net.ipv4.tcp_ehash_entries',
  'net.ipv4.tcp_child_ehash_entries',
  'kernel.pid_max',
  'kernel.threads-max',
  'vm.max_map_count',
  'vm.overcommit_memory',
] as const;

/** The keys that a probe reads: those that a run may set, and those that explain it. */
export const probedKeys: readonly string[] = [...sysctlDefinitions.map((definition) => definition.key), ...readOnlyKeys];

const definitionOf = new Map(sysctlDefinitions.map((definition) => [definition.key, definition]));

/** True when both texts mean the same value of the key: numbers apart from white space, port lists apart from order and grouping. */
export function sameValue(key: string, first: string, second: string): boolean {
  if (definitionOf.get(key)?.kind === 'list') return portList(parsePortList(first)) === portList(parsePortList(second));
  const normal = (text: string) => text.trim().split(/\s+/).join(' ');
  return normal(first) === normal(second);
}

/**
 * The value to write so that `target` holds and nothing of `current` gets lower; undefined when `current` is enough already.
 * A range grows on both sides, a list is united, each part of a triple is the larger one.
 */
export function raiseOnly(key: string, current: string, target: string): string | undefined {
  const kind = definitionOf.get(key)?.kind ?? 'number';
  const raised = kind === 'list' ? portList([...parsePortList(current), ...parsePortList(target)]) : raiseNumbers(kind, current, target);
  return raised === undefined || sameValue(key, raised, current) ? undefined : raised;
}

function raiseNumbers(kind: 'number' | 'triple' | 'range', current: string, target: string): string | undefined {
  const before = current.trim().split(/\s+/).map(Number);
  const wanted = target.trim().split(/\s+/).map(Number);
  if (before.length !== wanted.length || before.some(Number.isNaN)) return undefined;
  const raised = wanted.map((value, index) => (kind === 'range' && index === 0 ? Math.min(value, before[index]!) : Math.max(value, before[index]!)));
  return raised.join(kind === 'number' ? '' : ' ');
}

/** Parts of more than this are refused by nobody but no port list of ours reaches it: all ports there are. */
const portCount = 65_536;

/** `8001-8003,9000` as numbers; ignores what is not a port. */
export function parsePortList(text: string): number[] {
  const ports: number[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part);
    if (match === null) continue;
    const last = Math.min(Number(match[2] ?? match[1]), portCount - 1);
    for (let port = Number(match[1]); port <= last; port++) ports.push(port);
  }
  return ports;
}

/** Ports as the kernel writes them: ascending, each once, neighbours grouped (`8001-8003,9000`). */
export function portList(ports: readonly number[]): string {
  const sorted = [...new Set(ports)].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let index = 0; index < sorted.length;) {
    let end = index;
    while (end + 1 < sorted.length && sorted[end + 1] === sorted[end]! + 1) end++;
    parts.push(end === index ? `${sorted[index]!}` : `${sorted[index]!}-${sorted[end]!}`);
    index = end + 1;
  }
  return parts.join(',');
}
