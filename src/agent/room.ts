import { connectionsPerTuple, reserveFor } from '../core/limits.js';
import type { Plan } from '../protocol/plan.js';

/** What the workers of a plan could hold beyond it, so that the user may add connections while the run is on. */
export interface Room {
  nofile: number;
  /** Connections that are quick to open from one source to one port. */
  perTuple: number;
}

/**
 * The plan with all the room its workers have: their limits of open files, and as many connections for each target as its server
 * and the local ports allow. What the run opens by itself stays as planned.
 */
export function withRoom(plan: Plan, room: Room): Plan {
  const perTuple = Math.min(connectionsPerTuple, room.perTuple);
  const targetsOfPort = new Map<number, number>();
  for (const target of plan.clientWorkers.flatMap((client) => client.targets)) {
    targetsOfPort.set(target.port, (targetsOfPort.get(target.port) ?? 0) + 1);
  }
  const roomOfPort = new Map<number, number>();
  const serverWorkers = plan.serverWorkers.map((server) => {
    const nofile = Math.max(server.nofile, room.nofile);
    const share = Math.floor((nofile - reserveFor(nofile)) / Math.max(1, server.ports.length));
    for (const port of server.ports) roomOfPort.set(port.port, share);
    return { ...server, nofile };
  });
  const clientWorkers = plan.clientWorkers.map((client) => {
    const nofile = Math.max(client.nofile, room.nofile);
    const ownShare = Math.floor((nofile - reserveFor(nofile)) / Math.max(1, client.targets.length));
    const targets = client.targets.map((target) => {
      const serverShare = Math.floor((roomOfPort.get(target.port) ?? 0) / (targetsOfPort.get(target.port) ?? 1));
      return { ...target, connections: Math.max(target.connections, Math.min(perTuple, serverShare, ownShare)) };
    });
    return { ...client, nofile, targets };
  });
  return { ...plan, serverWorkers, clientWorkers };
}

/** Connections that the client workers of a plan can hold. */
export function capacityOf(client: Plan['clientWorkers'][number]): number {
  return client.targets.reduce((sum, target) => sum + target.connections, 0);
}
