import { parseArgs } from 'node:util';
import { HumanError } from '../../src/core/errors.js';
import { parseCount } from '../../src/core/units.js';

/** `ws` is a pair of Node server and client with the package `ws`, `node` our Node engine with our client. */
export const benchEngines = ['epoll', 'node', 'ws'] as const;
export type BenchEngine = (typeof benchEngines)[number];

export interface BenchOptions {
  connections: number;
  protocols: ('tcp' | 'websocket')[];
  engines: BenchEngine[];
  /** Against the floor with TLS. */
  tls: boolean;
  rounds: number;
  isJson: boolean;
}

export const benchUsage = `usage: npm run bench -- [--tls] [--connections 190k] [--protocol tcp|websocket|both] [--engine epoll,node,ws] [--rounds 3] [--json]`;

/** Throws a HumanError (usage). */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const { values } = parse(args);
  const protocol = values.protocol ?? (values.tls ? 'tcp' : 'both');
  if (!['tcp', 'websocket', 'both'].includes(protocol)) throw usage(`There is no protocol ${protocol}.`);
  const engines = (values.engine ?? (values.tls ? 'epoll' : 'epoll,ws')).split(',');
  if (values.tls && engines.includes('ws')) throw usage('The pair ws speaks no TLS in the bench.');
  for (const engine of engines) if (!benchEngines.some((known) => known === engine)) throw usage(`There is no engine ${engine} in the bench.`);
  const connections = parseCount(values.connections ?? (values.tls ? '20k' : '190k'), 'connections');
  const rounds = Number(values.rounds);
  if (connections < 1 || connections > 2_000_000) throw usage('The bench takes 1 to 2,000,000 connections.');
  if (!Number.isInteger(rounds) || rounds < 3 || rounds > 50) throw usage('The bench takes 3 to 50 rounds: fewer say nothing.');
  return {
    connections,
    protocols: protocol === 'both' ? ['tcp', 'websocket'] : [protocol as 'tcp' | 'websocket'],
    engines: engines as BenchEngine[],
    rounds,
    tls: values.tls,
    isJson: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        connections: { type: 'string' },
        protocol: { type: 'string' },
        engine: { type: 'string' },
        tls: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '3' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

function usage(text: string): HumanError {
  return new HumanError(text, { code: 'usage', remedy: benchUsage });
}
