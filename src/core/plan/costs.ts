import type { ConnectionProtocol, Engine } from '../../protocol/spec.js';

/**
 * Measured costs (kernel 6.18, x86-64, Node 20; medians): what the planner predicts with. The kernel's part of an idle established
 * socket is the sum of its slab objects with the waste of their slabs: TCP 2,521 B, sock_inode_cache 862, dentry 195, filp 195,
 * epoll 208, security modules 56, descriptor table 8–14, and about 75 B in kmalloc caches.
 */
export const kernelFloorBytesPerEnd = 4_160;

/** The 2014 figures of the same experiment on Tornado: user and kernel together, per end. */
export const bytesPerEndIn2014: Record<ConnectionProtocol, number> = { tcp: 10_500, websocket: 15_500 };

/** User memory a server adds for each connection. */
const serverUserBytes: Record<Engine, Record<ConnectionProtocol, number>> = {
  epoll: { tcp: 35, websocket: 170 },
  node: { tcp: 3_700, websocket: 5_500 },
  // Unknown before the run; Tornado on CPython, as in 2014, stands in for it (Go with a 4 KiB buffer: 4,450 for TCP).
  command: { tcp: 4_550, websocket: 13_900 },
};
const clientUserBytes: Record<ConnectionProtocol, number> = { tcp: 30, websocket: 150 };

/** What a worker process has for itself, whatever it holds: its private pages, page tables and kernel stacks. */
export const bytesPerWorker = 11_050_000;
/** Pages of Node's program that all its processes share, and how many beside the workers do so: supervisor, guardian, relay, command line, one more. */
const sharedProgramBytes = 49_000_000;
const otherNodeProcesses = 5;

/** Proportional share (PSS) of so many worker processes without their connections. Measured with 4, 6, 12 and 104 of them. */
export function workerBytes(workers: number): number {
  return workers * bytesPerWorker + (sharedProgramBytes * workers) / (workers + otherNodeProcesses);
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
    (ends.server ? kernelFloorBytesPerEnd + serverUserBytes[engine][protocol] : 0) + (ends.client ? kernelFloorBytesPerEnd + clientUserBytes[protocol] : 0)
  );
}

/** State of one connection in a client without sockets: one byte and two sequence numbers (see `worker/stateless/client.ts`). */
export const statelessBytesPerConnection = 9;

/** The memory that must stay free, without pinned inodes: 10 % of it, at least 512 MiB, at most 8 GiB, so that sshd and the shell keep answering. */
export function guardBytesFor(totalBytes: number): number {
  return Math.min(8 * 1024 ** 3, Math.max(0.1 * totalBytes, 512 * 1024 ** 2));
}
