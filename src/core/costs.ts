import type { ConnectionProtocol, Engine } from '../protocol/spec.js';

/**
 * Measured costs (kernel 6.18, x86-64, Node 20; medians): what the planner predicts with. The kernel's part of an idle established
 * socket is the sum of its slab objects with the waste of their slabs: TCP 2,521 B, sock_inode_cache 862, dentry 192, filp 192,
 * epoll 208, security modules 56, descriptor table 8–14, and about 45 B in kmalloc caches.
 */
export const kernelFloorBytesPerEnd = 4_140;

/** The 2014 figures of the same experiment on Tornado: user and kernel together, per end. */
export const bytesPerEndIn2014: Record<ConnectionProtocol, number> = { tcp: 10_500, websocket: 15_500 };

/** User memory a server adds for each connection. */
const serverUserBytes: Record<Engine, Record<ConnectionProtocol, number>> = {
  epoll: { tcp: 70, websocket: 200 },
  node: { tcp: 3_700, websocket: 5_500 },
  // Unknown before the run; a plain Go server (4 KiB buffer) stands in for it.
  command: { tcp: 4_450, websocket: 9_000 },
};
const clientUserBytes: Record<ConnectionProtocol, number> = { tcp: 60, websocket: 60 };

/** Share of a worker process (PSS) that does not depend on its connections, and its page tables and kernel stacks. */
export const bytesPerWorker = 9_500_000;

/** Bytes that MemAvailable wrongly counts as available for each open socket: its inode (862) and dentry (192) are reclaimable slabs pinned by it. */
export const pinnedBytesPerSocket = 1_054;

/** MemAvailable without what open sockets pin: what can really still be used. */
export function usableMemoryBytes(memAvailableBytes: number, socketsAllocated: number): number {
  return Math.max(0, memAvailableBytes - socketsAllocated * pinnedBytesPerSocket);
}

/** Bytes of one more connection: both ends where the clients live on the same host, without the workers' fixed share. */
export function bytesPerConnection(engine: Engine, protocol: ConnectionProtocol, ends: { server: boolean; client: boolean }): number {
  return (
    (ends.server ? kernelFloorBytesPerEnd + serverUserBytes[engine][protocol] : 0) + (ends.client ? kernelFloorBytesPerEnd + clientUserBytes[protocol] : 0)
  );
}

/** The ramp stops below this: 10 % of memory, at least 512 MiB, so that sshd and the shell keep answering. */
export function guardBytesFor(totalBytes: number): number {
  return Math.max(0.1 * totalBytes, 512 * 1024 * 1024);
}
