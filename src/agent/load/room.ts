import { connectionsPerTuple, reserveFor } from '../../core/plan/limits.js';
import type { ClientTarget, Plan } from '../../protocol/plan.js';

/** What the workers of a plan could hold beyond it, so that the user may add connections while the run is on. */
export interface Room {
  nofile: number;
  /** Connections that are quick to open from one source to one port. */
  perTuple: number;
}

/**
 * The plan with all the room its workers have: their limits of open files, and as many connections for each target as its server, its
 * client and the local ports allow, all targets together. What the run opens by itself stays as planned.
 */
export function withRoom(plan: Plan, room: Room): Plan {
  const perTuple = Math.min(connectionsPerTuple, room.perTuple);
  const withNofile = <T extends { nofile: number }>(worker: T): T => ({ ...worker, nofile: Math.max(worker.nofile, room.nofile) });
  const spareOf = (worker: { nofile: number; connections: number }) => worker.nofile - reserveFor(worker.nofile) - worker.connections;
  const serverWorkers = plan.serverWorkers.map(withNofile);
  const clientWorkers = plan.clientWorkers.map(withNofile);
  const targets = clientWorkers.flatMap((client) => client.targets);

  // What is left of a server and of a pair of source and port is shared by all targets that lead there.
  const serverOfPort = new Map(serverWorkers.flatMap((server) => server.ports.map(({ port }) => [port, server] as const)));
  const targetsOfServer = countBy(targets, (target) => serverOfPort.get(target.port)?.id);
  const targetsOfTuple = countBy(targets, tupleOf);
  const plannedOfTuple = countBy(targets, tupleOf, (target) => target.connections);
  const moreFor = (target: ClientTarget, client: (typeof clientWorkers)[number]) => {
    const server = serverOfPort.get(target.port);
    if (server === undefined) return 0;
    const tuple = tupleOf(target);
    const ofServer = spareOf(server) / targetsOfServer.get(server.id)!;
    // Without sockets there are neither descriptors nor ports to run out of.
    if (client.stateless !== undefined) return Math.max(0, Math.floor(ofServer));
    const shares = [ofServer, spareOf(client) / client.targets.length, (perTuple - plannedOfTuple.get(tuple)!) / targetsOfTuple.get(tuple)!];
    return Math.max(0, Math.floor(Math.min(...shares)));
  };
  return {
    ...plan,
    serverWorkers,
    clientWorkers: clientWorkers.map((client) => ({
      ...client,
      targets: client.targets.map((target) => ({ ...target, room: target.connections + moreFor(target, client) })),
    })),
  };
}

function tupleOf(target: ClientTarget): string {
  return `${target.source ?? ''} ${target.address} ${target.port}`;
}

function countBy<K>(
  targets: readonly ClientTarget[],
  keyOf: (target: ClientTarget) => K,
  weightOf: (target: ClientTarget) => number = () => 1,
): Map<K, number> {
  const counts = new Map<K, number>();
  for (const target of targets) counts.set(keyOf(target), (counts.get(keyOf(target)) ?? 0) + weightOf(target));
  return counts;
}

/** Connections that the client workers of a plan can hold. */
export function capacityOf(client: Plan['clientWorkers'][number]): number {
  return client.targets.reduce((sum, target) => sum + (target.room ?? target.connections), 0);
}
