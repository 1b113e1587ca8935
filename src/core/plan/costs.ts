import type { ConnectionProtocol, Engine } from '../../protocol/spec.js';

/** The kernel's part of an idle established socket, port buckets included, as a C program pays it that holds a million (kernel 6.18, x86-64). */
export const kernelFloorBytesPerEnd = 4_160;

/**
 * Measured costs (kernel 6.18, x86-64, Node 20; medians): what the planner predicts with. The kernel's part of an idle established
 * socket is the sum of its slab objects with the waste of their slabs: TCP 2,521 B, sock_inode_cache 862, dentry 195, filp 195,
 * epoll 208, security modules 56, descriptor table 8–14, and about 75 B in kmalloc caches. Port buckets come to it.
 */
const kernelObjectBytesPerEnd = 4_115;
/** tcp_bind_bucket, one for each local port, and tcp_bind2_bucket, one for each local port and address. */
const bucketBytes = 128;

/** The 2014 figures of the same experiment on Tornado: user and kernel together, per end. */
export const bytesPerEndIn2014: Record<ConnectionProtocol, number> = { tcp: 10_500, websocket: 15_500 };

/** User memory a server adds for each connection, with its page tables. Node's heap grows in steps: within 5 % from 10,000 connections a worker on. */
const serverUserBytes: Record<Engine, Record<ConnectionProtocol, number>> = {
  epoll: { tcp: 33, websocket: 110 },
  node: { tcp: 4_290, websocket: 6_700 },
  // Unknown before the run; Tornado on CPython, as in 2014, stands in for it (Go with a 4 KiB buffer: 4,450 for TCP).
  command: { tcp: 4_550, websocket: 13_900 },
  attach: { tcp: 4_550, websocket: 13_900 },
};
const clientUserBytes: Record<ConnectionProtocol, number> = { tcp: 35, websocket: 190 };

/** What a worker process has for itself, whatever it holds: its anonymous pages (10.4 MB after a long ramp, when V8 has given memory back, to 14 MB), page tables and kernel stacks. */
export const bytesPerWorker = 12_300_000;
/** Pages of Node's program and its libraries that the workers have mapped: counted once, however many they are. */
const programBytes = 43_400_000;
/** What of Node's program only a server of engine `node` runs: its net, http and stream modules. */
const nodeServerProgramBytes = 6_200_000;
/** What traffic adds: to each client worker its histograms and a larger heap, and the parts of the program that run only then. */
const trafficBytesPerClientWorker = 8_500_000;
const trafficProgramBytes = 5_000_000;

/** What the processes of a run hold without their connections. Measured with 4 to 22 of them. */
export function processBytes(engine: Engine, workers: { server: number; client: number }, hasTraffic: boolean): number {
  const all = workers.server + workers.client;
  if (all === 0) return 0;
  const ofNode = engine === 'node' && workers.server > 0 ? nodeServerProgramBytes : 0;
  return all * bytesPerWorker + programBytes + ofNode + (hasTraffic ? workers.client * trafficBytesPerClientWorker + trafficProgramBytes : 0);
}

/** Connections from one source to one address and port. */
export interface ConnectionsOfTuple {
  source: string | null;
  connections: number;
}

/**
 * Bytes of the tables of local ports. Connections to different ports share a local port: the kernel takes it from the `usable` ones of its range
 * at random for each destination (of each parity first: half the range). Measured with 2 to 4 destinations: within 2 %.
 */
export function portBucketBytes(tuples: readonly ConnectionsOfTuple[], usable: number): number {
  const portsOf = (some: readonly ConnectionsOfTuple[]) => {
    const most = Math.max(usable / 2, ...some.map(({ connections }) => connections));
    return most * (1 - some.reduce((free, { connections }) => free * (1 - connections / most), 1));
  };
  const sources = [...new Set(tuples.map(({ source }) => source))];
  const withAddress = sources.reduce((sum, source) => sum + portsOf(tuples.filter((tuple) => tuple.source === source)), 0);
  return tuples.length === 0 ? 0 : bucketBytes * (portsOf(tuples) + withAddress);
}

/** Threads of a worker at most: Node's own, V8's and libuv's pools. */
export const threadsPerWorker = 14;

/** Bytes that MemAvailable wrongly counts as available for each open socket: its inode (862) and dentry (192) are reclaimable slabs pinned by it. */
export const pinnedBytesPerSocket = 1_054;

/** MemAvailable without what open sockets pin: what can really still be used. */
export function usableMemoryBytes(memAvailableBytes: number, socketsAllocated: number): number {
  return Math.max(0, memAvailableBytes - socketsAllocated * pinnedBytesPerSocket);
}

/** Which ends of the connections live on a host. */
export interface Ends {
  server: boolean;
  client: boolean;
}

/** Bytes of one more connection: both ends where the clients live on the same host, without the workers' fixed share. */
export function bytesPerConnection(engine: Engine, protocol: ConnectionProtocol, ends: Ends): number {
  return (
    (ends.server ? kernelObjectBytesPerEnd + serverUserBytes[engine][protocol] : 0) + (ends.client ? kernelObjectBytesPerEnd + clientUserBytes[protocol] : 0)
  );
}

/** State of one connection in a client without sockets: one byte, two sequence numbers and its age (see `worker/stateless/client.ts`). */
export const statelessBytesPerConnection = 11;

/** The memory that must stay free, without pinned inodes: 10 % of it, at least 512 MiB, at most 8 GiB, so that sshd and the shell keep answering. */
export function guardBytesFor(totalBytes: number): number {
  return Math.min(8 * 1024 ** 3, Math.max(0.1 * totalBytes, 512 * 1024 ** 2));
}
