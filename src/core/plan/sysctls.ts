import type { PortRange } from '../portRange.js';
/**
 * The one list of kernel keys that a run may set, with the formula of each (sources: the kernel's Documentation/admin-guide/sysctl
 * and networking/ip-sysctl.rst). Targets are formulas of the plan, never copied constants, and values are only ever raised.
 */
export interface TuningInputs {
  /** Connections of the plan, and its sockets on this host: two a connection where both ends live here. */
  connections: number;
  sockets: number;
  /** The largest limit of open files that a process of the plan gets. */
  largestNofile: number;
  /** File structures in use before the run (`/proc/sys/fs/file-nr`); null: unknown. */
  filesInUse: number | null;
  /** The accept queue that one port needs; undefined where this host runs no servers of ours. */
  backlog: number | undefined;
  /** Ports of our servers on this host. */
  serverPorts: readonly number[];
  /** The range of local ports that the clients need; undefined where this host runs no clients or nothing need change. */
  portRange: PortRange | undefined;
  /** Tracked connections now; undefined where conntrack is not loaded or does not see this namespace. */
  conntrackCount: number | undefined;
  /** The server closes without SO_LINGER {1,0}: closing all at once leaves orphans. */
  leavesOrphans: boolean;
  /** Bytes that may wait in socket buffers at once; 0 for idle connections. */
  queuedBytes: number;
  memoryBytes: number;
  /** Bytes of a page of memory. */
  pageBytes: number;
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

/** Files and watches for the programs that run beside us. */
const descriptorHeadroom = 10_000;

export const sysctlDefinitions: readonly SysctlDefinition[] = [
  {
    key: 'fs.nr_open',
    kind: 'number',
    scope: 'global',
    reason: 'upper limit of the open files of one process',
    danger: 'Programs that close every possible descriptor become slow when it is very large; it is raised to what the run needs only.',
    target: ({ largestNofile }) => String(largestNofile),
  },
  {
    key: 'fs.file-max',
    kind: 'number',
    scope: 'global',
    reason: 'open files of the whole machine',
    // The guard stops a ramp at 95 % of it, so that logins still find files.
    target: ({ filesInUse, sockets }) => (filesInUse === null ? undefined : String(Math.ceil((filesInUse + sockets + descriptorHeadroom) / 0.95))),
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
    target: ({ backlog }) => (backlog === undefined ? undefined : String(backlog)),
  },
  {
    key: 'net.ipv4.tcp_max_syn_backlog',
    kind: 'number',
    scope: 'netns',
    reason: 'half-open connections of a port',
    target: ({ backlog }) => (backlog === undefined ? undefined : String(backlog)),
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
    target: ({ serverPorts, portRange }) => {
      const inRange = serverPorts.filter((port) => portRange !== undefined && port >= portRange.first && port <= portRange.last);
      return inRange.length === 0 ? undefined : portList(inRange);
    },
  },
  {
    key: 'net.netfilter.nf_conntrack_max',
    kind: 'number',
    scope: 'global',
    reason: 'tracked connections; a full table drops packets of everybody, SSH too',
    danger: 'Each tracked connection takes about 300 B of kernel memory.',
    // Over loopback a pair is one entry; the guard stops at 90 %, so 1.2 leaves room.
    target: ({ conntrackCount, connections }) => (conntrackCount === undefined ? undefined : String(Math.ceil(conntrackCount + 1.2 * connections))),
  },
  {
    key: 'net.ipv4.tcp_max_orphans',
    kind: 'number',
    scope: 'global',
    reason: 'sockets without a process while a run is torn down; more are reset',
    target: ({ leavesOrphans, connections }) => (leavesOrphans ? String(connections) : undefined),
  },
  {
    key: 'net.ipv4.tcp_mem',
    kind: 'triple',
    scope: 'global',
    reason: 'pages of all socket buffers together',
    danger: 'Socket buffers cannot be swapped out.',
    target: ({ queuedBytes, memoryBytes, pageBytes }) => {
      if (queuedBytes === 0) return undefined;
      // Half as much again as is queued, never over 40 % of the memory; three different numbers, as the kernel expects.
      const maximum = Math.floor(Math.min(queuedBytes * 1.5, memoryBytes * 0.4) / pageBytes);
      return `${Math.floor(maximum * 0.5)} ${Math.floor(maximum * 0.75)} ${maximum}`;
    },
  },
];

const readOnlyKeys = [
  'net.ipv4.tcp_max_tw_buckets',
  'net.ipv4.ip_unprivileged_port_start',
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
  const before = current.trim().split(/\s+/);
  const wanted = target.trim().split(/\s+/);
  if (before.length !== wanted.length || before.some((part) => !/^-?\d+$/.test(part))) return undefined;
  // The texts are kept: fs.file-max is 2^63 − 1 on a fresh Debian, which no JavaScript number holds.
  const raised = wanted.map((part, index) => {
    const keeps = kind === 'range' && index === 0 ? BigInt(before[index]!) <= BigInt(part) : BigInt(before[index]!) >= BigInt(part);
    return keeps ? before[index]! : part;
  });
  // The kernel wants ends of different parity, so that connect() and bind() share the ports evenly.
  const [first, last] = raised.map(Number);
  if (kind === 'range' && first! % 2 === last! % 2 && last! > Number(before[1])) raised[1] = String(last! - 1);
  return raised.join(' ');
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
