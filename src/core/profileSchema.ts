import { toJsonSchema } from '@valibot/to-json-schema';
import { runSpecSchema } from '../protocol/spec.js';
import { thresholdMetrics } from './figures/thresholds.js';

type Schema = Record<string, unknown>;

const countText = { type: 'string', pattern: '^\\s*[0-9][0-9,_.]*\\s*[kKmMgG]?\\s*$' };
const durationText = { type: 'string', pattern: '^\\s*[0-9][0-9.]*\\s*(ms|s|min|m|h|d)?\\s*$' };

/** What the editor shows for each field of a profile. A test checks that none is missing. */
export const fieldDescriptions: Record<string, string> = {
  version: 'Version of the format: 1.',
  name: 'How the run is called in the history.',
  host: '`local`, an alias of ssh_config, or `user@name:port`.',
  clientHosts: 'Hosts that run the client workers. Empty: the clients run on `host` too.',
  connections: 'Connections to establish, such as 5000, "50k" or "1M", or "max": ramp until the first wall.',
  protocol: '`tcp`, `websocket`, or `both` (half each).',
  engine: '`epoll`: the kernel floor; `node`: Node’s net and the ws package; `command`: your own server.',
  command: 'The command that starts your own server, run by `sh -c` with C10M_ADDRESS, C10M_PORTS and C10M_PROTOCOL.',
  workingDirectory:
    'The directory of the host in which the command starts. Left away: on this machine the workspace folder or the current directory, elsewhere the home directory.',
  ports: 'Number of listening ports. Leave it away for as many as the plan needs.',
  firstPort: 'The first listening port; the others follow.',
  rate: 'Connections per second. Leave it away for as fast as possible.',
  holdSeconds: 'How long all connections are kept open, in seconds.',
  hold: 'How long all connections are kept open, such as "30s" or "5m".',
  stages: 'Steps of the ramp: go to `to` connections at `rate` per second, then hold.',
  isolation: '`netns`: a network namespace of the run’s own; `host`: the host’s namespace.',
  tuning: '`apply`: raise limits for the run and put them back; `none`: change nothing.',
  websocketPath: 'Path of the WebSocket endpoint.',
  traffic: 'Steady traffic: each connection sends `bytes` every so often, and the server echoes.',
  workerNofile: 'Upper limit of open files per worker. Leave it away for what the host allows.',
  thresholds: `Conditions that must hold, or the exit code is 99. Metrics: ${Object.keys(thresholdMetrics).join(', ')}.`,
  abortOnThresholdSeconds: 'End the run early when a threshold fails, after this many seconds of grace.',
  abortOnThreshold: 'End the run early when a threshold fails, after this grace, such as "10s".',
  leaseSeconds: 'Seconds without a heartbeat after which the host drains and restores by itself.',
  lease: 'Time without a heartbeat after which the host drains and restores by itself, such as "2m".',
  waitForHost: 'Wait for another run on the same host to end.',
  failOnClientHostLoss: 'End the run when one of several client hosts fails.',
};

const countFields = ['connections', 'ports', 'firstPort', 'rate', 'workerNofile'];
const secondsFields = ['holdSeconds', 'leaseSeconds', 'abortOnThresholdSeconds'];

/** The JSON schema (draft 7) of `*.c10m.json`, made from the types that validate a run, with the texts and short names that people may write. */
export function profileJsonSchema(): Schema {
  const schema = toJsonSchema(runSpecSchema, { typeMode: 'input', errorMode: 'ignore' }) as Schema & { properties: Record<string, Schema> };
  const properties: Record<string, Schema> = { $schema: { type: 'string' } };
  for (const [field, own] of Object.entries(schema.properties)) {
    const accepts = countFields.includes(field) ? [own, countText] : secondsFields.includes(field) ? [own, durationText] : undefined;
    properties[field] = { ...(accepts === undefined ? own : { anyOf: accepts }), description: fieldDescriptions[field] };
  }
  for (const field of ['hold', 'lease', 'abortOnThreshold']) {
    properties[field] = { anyOf: [{ type: 'number', minimum: 0 }, durationText], description: fieldDescriptions[field] };
  }
  properties['stages'] = {
    type: 'array',
    description: fieldDescriptions['stages'],
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['to'],
      properties: {
        to: { anyOf: [{ type: 'integer', minimum: 0 }, countText] },
        rate: { anyOf: [{ type: 'integer', minimum: 1 }, countText] },
        hold: { anyOf: [{ type: 'number', minimum: 0 }, durationText] },
        holdSeconds: { type: 'number', minimum: 0 },
      },
    },
  };
  properties['traffic'] = {
    type: 'object',
    description: fieldDescriptions['traffic'],
    additionalProperties: false,
    properties: {
      every: { anyOf: [{ type: 'number', minimum: 0.1 }, durationText] },
      intervalSeconds: { type: 'number', minimum: 0.1 },
      bytes: { anyOf: [{ type: 'integer', minimum: 1, maximum: 65_536 }, { type: 'string' }] },
    },
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'C10M profile',
    description: 'A run of C10M: how many connections, of what kind, against which server, on which host.',
    type: 'object',
    additionalProperties: false,
    allowComments: true,
    allowTrailingCommas: true,
    properties,
  };
}
