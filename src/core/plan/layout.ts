import type { ClientTarget, ClientWorkerPlan, ServerWorkerPlan } from '../../protocol/plan.js';
import { isForeign, type ConnectionProtocol, type RunSpec } from '../../protocol/spec.js';
import { HumanError } from '../errors.js';
import { type Limits, reserveFor } from './limits.js';
import { formatCount } from '../units.js';

/** As in 2014: TCP from 8001, WebSocket from 8501. */
export const firstPorts: Record<ConnectionProtocol, number> = { tcp: 8_001, websocket: 8_501 };
export const lastPort = 65_535;
/** A worker for fewer connections than this only adds its fixed memory. */
const connectionsWorthAWorker = 1_000;
/** Sources that the planner takes from 127/8 when the number of ports is fixed. */
export const maximumSources = 250;
/** Accept queue of one port: a ramp of 80,000 connections per second must survive a pause of the server of almost a second. */
export const acceptQueue = 65_535;

/** Shares of `total` over `parts`, differing by one at most. */
export function balancedShares(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_value, index) => Math.floor(total / parts) + (index < total % parts ? 1 : 0));
}

/** Connections of each protocol: with `both`, half and half. */
export function splitByProtocol(protocol: RunSpec['protocol'], connections: number): [ConnectionProtocol, number][] {
  if (protocol !== 'both') return [[protocol, connections]];
  return [
    ['tcp', Math.ceil(connections / 2)],
    ['websocket', Math.floor(connections / 2)],
  ];
}

/** How many processes of one role hold `connections`: what their descriptors need, and one a core where that is worth it. */
export function workerCount(limits: Limits, connections: number, cores: number): number {
  const needed = Math.ceil(connections / limits.connectionsPerWorker.after);
  return Math.max(1, needed, Math.min(cores, Math.ceil(connections / connectionsWorthAWorker)));
}

/** The limit that a worker sets for itself: what it needs, never "unlimited". */
function nofileFor(limits: Limits, connections: number): number {
  return Math.min(limits.nofile.after, connections + reserveFor(limits.nofile.after));
}

export interface ServerPort {
  port: number;
  protocol: ConnectionProtocol;
  connections: number;
}

/**
 * The listening ports of one protocol, ascending, with the share of each. Adds them to `taken`. Without a fixed number every worker
 * gets equally many, so that all hold the same; `perPort` is what one port can take.
 */
export function layPorts(spec: RunSpec, protocol: ConnectionProtocol, connections: number, workers: number, perPort: number, taken: Set<number>): ServerPort[] {
  const count = spec.ports ?? workers * Math.max(1, Math.ceil(connections / workers / perPort));
  const first = spec.firstPort ?? firstPorts[protocol];
  const ports: number[] = [];
  const passed: number[] = [];
  for (let port = first; ports.length < count && port <= lastPort; port++) {
    if (taken.has(port)) passed.push(port);
    else ports.push(port);
  }
  const collision = isForeign(spec.engine) && spec.firstPort !== undefined && spec.ports !== undefined && protocol !== 'websocket' ? passed[0] : undefined;
  if (collision !== undefined) {
    throw new HumanError(`Port ${collision} is in use on the host.`, { code: 'usage', remedy: 'End what listens there, or choose another first port.' });
  }
  if (ports.length < count) {
    throw new HumanError(`${formatCount(count)} server ports from ${first} on do not fit below ${lastPort + 1}.`, {
      code: 'usage',
      remedy: 'Ask for fewer ports or a lower first port.',
    });
  }
  for (const port of ports) taken.add(port);
  const shares = balancedShares(connections, count);
  return ports.map((port, index) => ({ port, protocol, connections: shares[index]! }));
}

/** Server workers for the ports, each with whole ports of its own. */
export function layServers(
  limits: Limits,
  ports: readonly ServerPort[],
  cores: number,
  options: { address: string; numberFrom: number; allowedSources: string[] },
): ServerWorkerPlan[] {
  const total = sumOf(ports);
  const portsPerWorker = Math.max(1, Math.floor(limits.connectionsPerWorker.after / Math.max(1, ports[0]?.connections ?? 1)));
  const count = Math.min(ports.length, Math.max(workerCount(limits, total, cores), Math.ceil(ports.length / portsPerWorker)));
  let next = 0;
  return balancedShares(ports.length, count).map((size, index): ServerWorkerPlan => {
    const mine = ports.slice(next, next + size);
    const connections = sumOf(mine);
    next += size;
    return {
      id: `server-${options.numberFrom + index}`,
      protocol: mine[0]!.protocol,
      address: options.address,
      ports: mine,
      connections,
      nofile: nofileFor(limits, connections),
      backlog: acceptQueue,
      allowedSources: options.allowedSources,
    };
  });
}

/** One worker that starts the user's own server with all ports. */
export function layCommandServer(
  spec: RunSpec,
  limits: Limits,
  ports: readonly ServerPort[],
  options: { address: string; allowedSources: string[] },
): ServerWorkerPlan {
  const connections = sumOf(ports);
  return {
    id: 'server-1',
    protocol: spec.protocol,
    address: options.address,
    ports: [...ports],
    connections,
    // The user's server may need more descriptors than one a connection: twice as many, and never "unlimited".
    nofile: Math.min(limits.nofile.after, Math.max(65_536, Math.ceil((2 * connections) / (spec.serverProcesses ?? 1)) + 1_000)),
    backlog: acceptQueue,
    allowedSources: options.allowedSources,
  };
}

/** One target for each port, or several with different sources where one source has too few local ports. */
export function layTargets(
  perTuple: number,
  ports: readonly ServerPort[],
  address: string,
  sourceAt: (index: number) => string | null,
  fewestSources = 1,
): ClientTarget[] {
  return ports.flatMap(({ port, protocol, connections }) => {
    const sources = Math.min(maximumSources, Math.max(fewestSources, Math.ceil(connections / perTuple)));
    return balancedShares(connections, sources)
      .map((share, index): ClientTarget => ({ source: sourceAt(index), address, port, protocol, connections: share }))
      .filter((target) => target.connections > 0);
  });
}

/** Cuts the targets, in order, into workers of nearly equal size; a target may continue in the next worker. */
export function layClients(limits: Limits, targets: readonly ClientTarget[], cores: number): ClientWorkerPlan[] {
  const protocols = [...new Set(targets.map((target) => target.protocol))];
  const workers = protocols.flatMap((protocol) => {
    const queue = targets.filter((target) => target.protocol === protocol).map((target) => ({ ...target }));
    let head = 0;
    const total = sumOf(queue);
    return balancedShares(total, workerCount(limits, total, cores)).map((connections) => {
      const mine: ClientTarget[] = [];
      for (let left = connections; left > 0;) {
        const target = queue[head]!;
        const taken = Math.min(left, target.connections);
        mine.push({ ...target, connections: taken });
        target.connections -= taken;
        left -= taken;
        if (target.connections === 0) head++;
      }
      return { protocol, targets: mine, connections, nofile: nofileFor(limits, connections) };
    });
  });
  return workers.map((worker, index) => ({ id: `client-${index + 1}`, ...worker }));
}

/** Ranges for benchmarks between hosts (RFC 2544, section C.2.2); they exist in the run's own namespace only. */
export const statelessServerAddress = '198.18.0.1';
/** Each client without sockets has 4,096 addresses of 198.19.0.0/16 for itself. */
const statelessPrefixLength = 20;
const maximumStatelessClients = 16;

/**
 * Clients without sockets: one for two cores, since the servers need as much CPU. Every client has a share of every port.
 */
export function layStatelessClients(ports: readonly ServerPort[], cores: number): ClientWorkerPlan[] {
  const protocols = [...new Set(ports.map(({ protocol }) => protocol))];
  const perProtocol = Math.max(1, Math.floor(Math.min(maximumStatelessClients, cores / 2) / protocols.length));
  return protocols
    .flatMap((protocol) => {
      const mine = ports.filter((port) => port.protocol === protocol);
      const shares = mine.map(({ connections }) => balancedShares(connections, perProtocol));
      return Array.from({ length: perProtocol }, (_value, client) => ({
        protocol,
        targets: mine.map(({ port }, index): ClientTarget => {
          return { source: null, address: statelessServerAddress, port, protocol, connections: shares[index]![client]! };
        }),
      }));
    })
    .map(({ protocol, targets }, index) => ({
      id: `client-${index + 1}`,
      protocol,
      targets,
      connections: sumOf(targets),
      nofile: statelessNofile,
      stateless: {
        device: `c10m${index}`,
        deviceAddress: `198.19.${index * 16}.1`,
        prefixLength: statelessPrefixLength,
        firstSource: `198.19.${index * 16}.2`,
      },
    }));
}

/** Bytes of one message at most where the client has no sockets: it has no retransmission and no congestion control. */
export const largestStatelessMessageBytes = 16_384;
/** Descriptors of a client that has one device and no sockets. */
const statelessNofile = 1_024;

export function sumOf(parts: readonly { connections: number }[]): number {
  return parts.reduce((sum, part) => sum + part.connections, 0);
}
