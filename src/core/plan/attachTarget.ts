import type { HostFacts, ListeningServer } from '../../protocol/facts.js';
import type { RunSpec } from '../../protocol/spec.js';
import { HumanError } from '../errors.js';

/** Where clients connect to, and what is measured there. */
export interface AttachedServer {
  server: ListeningServer;
  /** Where the clients connect: an address of the host, never a wildcard. */
  address: string;
  ports: number[];
}

/** So many servers are named where the wanted one is not among them. */
const namedServers = 8;

/**
 * The server that `--attach` means, among those that were found listening on the host. Throws a HumanError (usage) when nothing of that host listens
 * there: only what the agent found itself can be loaded.
 */
export function attachTarget(spec: Pick<RunSpec, 'attach' | 'host' | 'ports' | 'firstPort'>, facts: Pick<HostFacts, 'servers' | 'addresses'>): AttachedServer {
  const target = spec.attach ?? '';
  const servers = facts.servers ?? [];
  const found = find(target, servers, spec.firstPort);
  if (found === undefined) {
    const named = servers.slice(0, namedServers).map((server) => `${server.name} (${endpointsText(server)})`);
    throw new HumanError(`Nothing that listens on ${spec.host} is ${target}; nothing was started.`, {
      code: 'usage',
      remedy:
        named.length === 0
          ? 'No listening server can be seen there: run as the user of the server, or as root.'
          : `What listens there: ${named.join(', ')}. All of them: c10m host servers ${spec.host}`,
    });
  }
  return found;
}

function find(target: string, servers: readonly ListeningServer[], firstPort: number | undefined): AttachedServer | undefined {
  const endpoint = /^(?:(?:\[(.+)\]|([0-9.]+)):)?(\d+)$/.exec(target);
  if (endpoint !== null) {
    const [, internet6, internet4, portText] = endpoint;
    const address = internet6 ?? internet4;
    const port = Number(portText);
    for (const server of servers) {
      const match = server.endpoints.find((one) => one.port === port && (address === undefined || one.address === address || isWildcard(one.address)));
      if (match !== undefined) return { server, address: reachable(address ?? match.address), ports: [port] };
    }
    return undefined;
  }
  const kind = target.slice(0, target.indexOf(':'));
  const name = target.slice(kind.length + 1);
  const server = servers.find((one) => {
    if (kind === 'pid') return one.pid === Number(name) || one.pids.includes(Number(name));
    if (kind === 'unit') return one.unit === name || one.unit === `${name}.service`;
    return one.container !== undefined && (one.container === name || name.startsWith(one.container));
  });
  const first = server?.endpoints.find(({ port }) => firstPort === undefined || port === firstPort);
  if (server === undefined || first === undefined) return undefined;
  return { server, address: reachable(first.address), ports: [first.port] };
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** The address to connect to for one that is listened on. */
function reachable(address: string): string {
  if (address === '0.0.0.0' || address === '::') return '127.0.0.1';
  return address;
}

/** `127.0.0.1:6379, [::1]:6379`. */
export function endpointsText({ endpoints }: Pick<ListeningServer, 'endpoints'>): string {
  return endpoints.map(({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)).join(', ');
}
