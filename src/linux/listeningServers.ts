import { opendirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { inNetworkNamespaceOf, networkNamespaceOf } from './netns.js';
import { parseProcessStat } from './process.js';
import { processName } from './processTree.js';
import { listeners } from './socketDiagnosis.js';

/** Listening sockets are opened first: further descriptors of a process are not looked at, since a loaded server has a million. */
const lookedDescriptors = 4_096;
/** Network namespaces that are looked into. */
const maximumNamespaces = 64;

/** A server that listens, see `protocol/facts.ts`. */
export interface FoundServer {
  pid: number;
  name: string;
  pids: number[];
  unit?: string;
  container?: string;
  endpoints: { address: string; port: number }[];
  nofile: number;
  otherNamespace: boolean;
}

/**
 * All servers that listen on TCP and that may be looked into: as root in every network namespace, else our own processes in ours. Processes that hold
 * the same sockets, and those whose parent holds one too, are one server.
 */
export function findListeningServers(): FoundServer[] {
  const pids = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  const own = networkNamespaceOf('self');
  const byNamespace = new Map<string, number[]>();
  for (const pid of pids) {
    const namespace = networkNamespaceOf(pid);
    if (namespace === undefined) continue;
    const members = byNamespace.get(namespace);
    if (members === undefined) byNamespace.set(namespace, [pid]);
    else members.push(pid);
  }
  const servers: FoundServer[] = [];
  for (const [namespace, members] of [...byNamespace].slice(0, maximumNamespaces)) servers.push(...serversOf(members, namespace !== own));
  return servers.sort((a, b) => (a.endpoints[0]?.port ?? 0) - (b.endpoints[0]?.port ?? 0));
}

function serversOf(members: readonly number[], isOther: boolean): FoundServer[] {
  const sockets = new Map<string, { address: string; port: number }>();
  try {
    const found = isOther ? inNetworkNamespaceOf(members[0]!, listeners) : listeners();
    for (const { inode, address, port } of found) sockets.set(`socket:[${inode}]`, { address, port });
  } catch {
    // Not our right, or it ended while we looked.
    return [];
  }
  if (sockets.size === 0) return [];
  const holding = new Map<number, Set<string>>();
  for (const pid of members) {
    const held = heldSockets(pid, sockets);
    if (held.size > 0) holding.set(pid, held);
  }
  // The oldest ancestor that listens too is the server; the others are its processes.
  const leaderOf = (pid: number): number => {
    const parent = parentOf(pid);
    return parent !== undefined && holding.has(parent) ? leaderOf(parent) : pid;
  };
  const groups = new Map<number, number[]>();
  for (const pid of holding.keys()) groups.set(leaderOf(pid), [...(groups.get(leaderOf(pid)) ?? []), pid]);
  return [...groups].map(([pid, group]) => describe(pid, group, holding, sockets, isOther));
}

function describe(
  pid: number,
  pids: number[],
  holding: ReadonlyMap<number, ReadonlySet<string>>,
  sockets: ReadonlyMap<string, { address: string; port: number }>,
  otherNamespace: boolean,
): FoundServer {
  const names = new Set(pids.flatMap((member) => [...holding.get(member)!]));
  const { unit, container } = parseControlGroup(textOf(`/proc/${pid}/cgroup`));
  const endpoints = [...new Map([...names].map((name) => [endpointKey(sockets.get(name)!), sockets.get(name)!])).values()];
  return {
    pid,
    name: processName(pid),
    pids: pids.sort((a, b) => a - b),
    ...(unit === undefined ? {} : { unit }),
    ...(container === undefined ? {} : { container }),
    endpoints: endpoints.sort((a, b) => a.port - b.port),
    nofile: Number(/^Max open files\s+(\d+)/m.exec(textOf(`/proc/${pid}/limits`))?.[1] ?? 0),
    otherNamespace,
  };
}

function endpointKey({ address, port }: { address: string; port: number }): string {
  return `${address} ${port}`;
}

/** The systemd unit, and the name or id of a container (Docker, containerd, Podman, LXC, systemd-nspawn), that `/proc/PID/cgroup` names. */
export function parseControlGroup(text: string): { unit?: string; container?: string } {
  const paths = text.split('\n').map((line) => line.split(':').slice(2).join(':'));
  const unit = paths.map((path) => /\/([^/]+\.service)(?:\/|$)/.exec(path)?.[1]).find((name) => name !== undefined && !name.startsWith('user@'));
  const patterns = [
    /\/docker[/-]([0-9a-f]{12})[0-9a-f]*/,
    /\/libpod-([0-9a-f]{12})[0-9a-f]*/,
    /cri-containerd-([0-9a-f]{12})/,
    /\/lxc(?:\.payload)?[./]([^/]+)/,
    /machine-([^/]+)\.scope/,
  ];
  const container = patterns.flatMap((pattern) => paths.map((path) => pattern.exec(path)?.[1])).find((name) => name !== undefined);
  return { ...(unit === undefined ? {} : { unit }), ...(container === undefined ? {} : { container }) };
}

function heldSockets(pid: number, sockets: ReadonlyMap<string, unknown>): Set<string> {
  const held = new Set<string>();
  try {
    const directory = opendirSync(`/proc/${pid}/fd`);
    try {
      for (let count = 0; count < lookedDescriptors; count++) {
        const entry = directory.readSync();
        if (entry === null) break;
        const link = linkOf(`/proc/${pid}/fd/${entry.name}`);
        if (sockets.has(link)) held.add(link);
      }
    } finally {
      directory.closeSync();
    }
  } catch {
    // It ended, or belongs to another user.
  }
  return held;
}

function parentOf(pid: number): number | undefined {
  return parseProcessStat(textOf(`/proc/${pid}/stat`))?.parent;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
