import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSpecInput } from '../../../src/protocol/spec.js';
import { askSocket, buildGoServer, programs } from './programs.js';
import type { ServerCase } from './serverCase.js';

const root = join(import.meta.dirname, '..', '..', '..');
/** Where `scripts/testServers.mjs` installs the npm packages. */
export const packages = join(process.env['C10M_CACHE'] ?? join(root, '.cache'), 'server-packages');

const countOf = async ({ directory }: { directory: string }) => Number(await askSocket(join(directory, 'count.sock')));

const python = (kind: string, module: string, protocol: 'tcp' | 'websocket'): ServerCase => ({
  needs: ['/usr/bin/python3', `python3:${module}`],
  connections: 2_000,
  spec: ({ directory }) => ({ protocol, ports: 1, command: `exec /usr/bin/python3 ${join(programs, 'server.py')} ${kind} ${directory}/count.sock` }),
  count: countOf,
});

const node = (kind: string, spec: Partial<RunSpecInput>, from = packages): ServerCase => ({
  needs: [join(from, 'node_modules', kind)],
  connections: 2_000,
  spec: ({ directory }) => ({
    ports: 1,
    command: `exec ${process.execPath} ${join(programs, 'server.mjs')} ${kind} ${from} ${directory}/count.sock`,
    ...spec,
  }),
  count: countOf,
});

/** Servers of libraries, each in a program of a few lines. */
export const runtimes: Readonly<Record<string, ServerCase>> = {
  'Python websockets': python('websockets', 'websockets', 'websocket'),
  aiohttp: python('aiohttp', 'aiohttp', 'websocket'),
  Tornado: python('tornado', 'tornado', 'tcp'),
  Go: {
    needs: ['go'],
    connections: 9_000,
    prepare({ directory }) {
      buildGoServer(directory);
    },
    spec: ({ directory }) => ({ ports: 1, command: `exec ${directory}/server ${directory}/count.sock` }),
    count: countOf,
  },
  ws: node('ws', { protocol: 'websocket' }, existsSync(join(packages, 'node_modules', 'ws')) ? packages : root),
  fastify: node('fastify', { opening: 'http-keepalive' }),
  // Its pings come each 2 s: who does not answer is closed after 3 s more.
  'socket.io': node('socket.io', { protocol: 'websocket', websocketPath: '/socket.io/?EIO=4&transport=websocket', opening: 'socket.io', holdSeconds: 8 }),
};
