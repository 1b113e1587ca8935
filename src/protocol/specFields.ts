import * as v from 'valibot';
import { bytes, compact, count, countOrMax, duration, json } from './notation.js';
import { field } from './specField.js';
import { openingChoiceSchema } from './opening.js';
import {
  attachSchema,
  countUpTo,
  engineSchema,
  leaseSchema,
  maximumConnections,
  protocolSchema,
  reconnectSchema,
  secondsUpToDays,
  websocketOptionsSchema,
  stageSchema,
  trafficSchema,
} from './specValues.js';
import { tlsAbout } from './tlsFields.js';
import { tlsSpecSchema } from './tls.js';

const stageNotation = compact({
  form: 'TO[@RATE][:HOLD]',
  pattern: /^(?<to>[^@:]+)(?:@(?<rate>[^:]+))?(?::(?<hold>.+))?$/,
  what: 'stage',
  remedy: 'Write it like 50k@10k:30s (connections, rate, hold).',
});

const trafficNotation = compact({
  form: 'BYTES/EVERY',
  pattern: /^(?<bytes>[^/]+)\/(?<every>.+)$/,
  what: 'traffic setting',
  remedy: 'Write it like 64/10s: 64 bytes over each connection every 10 s.',
});

/**
 * The fields of a run spec, each described once. From this list come the schema and type of a spec, the options of `c10m run`
 * and `check` with their help, manual and completion, profiles with their JSON schema and diagnostics, and the start dialog.
 * A new field is one entry here; rules between fields are in `core/specRules.ts`.
 */
export const specFields = {
  version: field(v.literal(1), { group: 'host', title: 'format', description: 'Version of the format: 1.', whenOmitted: 1 }),
  name: field(v.optional(v.pipe(v.string(), v.maxLength(200))), {
    group: 'host',
    title: 'name',
    description: 'Name of the run in the history.',
    example: 'before the upgrade',
    flag: { name: 'name', value: 'NAME' },
  }),
  host: field(v.pipe(v.string(), v.minLength(1), v.maxLength(300)), {
    group: 'host',
    title: 'Host to run on',
    description: '`local`, an alias of ~/.ssh/config, or `user@name:port`.',
    example: 'root@example.org',
    whenOmitted: 'local',
    flag: { name: 'host', value: 'NAME', completes: 'host' },
    inDialog: true,
  }),
  clientHosts: field(v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.maxLength(64)), []), {
    group: 'host',
    title: 'client hosts',
    description: "Hosts that run the clients. Without any, they run on the server's host too, inside the run's own network namespace.",
    example: 'web2',
    flag: { name: 'client-host', value: 'NAME', completes: 'host' },
  }),
  /** Pairs; with protocol `both` the total of both. */
  connections: field(v.union([countUpTo(maximumConnections), v.literal('max')]), {
    group: 'connections',
    title: 'Connections to open',
    description: 'Connections to open: a number such as 5000, 50k or 1M, or `max` for as many as fit.',
    example: '100k',
    notation: countOrMax,
    mustBe: 'a whole number from 1 to 100,000,000, or "max"',
    whenOmitted: 10_000,
    flag: { name: 'connections', short: 'c' },
    inDialog: true,
  }),
  protocol: field(protocolSchema, {
    group: 'connections',
    title: 'Protocol of the connections',
    description: 'Protocol of the connections.',
    choices: { tcp: 'plain connections', websocket: 'with the HTTP upgrade handshake', both: 'half of each' },
    whenOmitted: 'tcp',
    flag: { name: 'protocol', value: 'P' },
    inDialog: true,
  }),
  client: field(v.optional(v.picklist(['sockets', 'stateless']), 'sockets'), {
    group: 'connections',
    title: 'client',
    description: "What holds the clients' side. Without sockets there twice as many connections fit, and all figures are of server ends.",
    choices: { sockets: 'a socket for each connection', stateless: 'raw packets and eleven bytes a connection, for the ceiling of the server' },
    flag: { name: 'client', value: 'C' },
  }),
  engine: field(engineSchema, {
    group: 'server',
    title: 'server',
    description: 'The server that holds the connections.',
    choices: {
      epoll: 'our own, at the floor of the kernel',
      node: "Node's net and the ws package",
      command: 'your own server',
      attach: 'a server that runs already',
    },
    whenOmitted: (written: Readonly<Record<string, unknown>>) =>
      written['attach'] !== undefined ? 'attach' : written['command'] === undefined ? 'epoll' : 'command',
    flag: { name: 'engine', value: 'E' },
  }),
  /** Run by `sh -c`. */
  command: field(v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(8_192))), {
    group: 'server',
    title: 'command',
    description: 'The command that starts your own server, run by `sh -c` with C10M_ADDRESS, C10M_PORTS and C10M_PROTOCOL in its environment.',
    example: 'exec ./my-server',
    only: { field: 'engine', values: ['command'] },
    flag: { name: 'command', value: '"…"', completes: 'command' },
  }),
  workingDirectory: field(v.optional(v.pipe(v.string(), v.regex(/^\//, 'it must be an absolute path'), v.maxLength(4_096))), {
    group: 'server',
    title: 'directory',
    description:
      'Directory of the host in which the command starts. Default: on this machine the workspace folder or the current directory, elsewhere the home directory.',
    example: '/srv/my-server',
    only: { field: 'engine', values: ['command'] },
    flag: { name: 'directory', value: 'DIR', completes: 'directory' },
  }),
  /** Text, not a path: it travels with the spec to the host. */
  configTemplate: field(v.optional(v.pipe(v.string(), v.maxLength(262_144))), {
    group: 'server',
    title: 'configuration',
    description:
      'Configuration of the command, written to a file of which `{config}` in the command is the path. `{port}`, `{ports}`, `{address}` and `{directory}` are filled in, in the command too; a line with `{eachPort}` is repeated for each port.',
    only: { field: 'engine', values: ['command'] },
    flag: { name: 'config-template', value: 'FILE', completes: 'file' },
  }),
  startTimeoutSeconds: field(v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(3_600))), {
    group: 'server',
    title: 'start timeout',
    description: 'Until the command must listen on all ports. Default: 60s.',
    example: '2m',
    key: 'startTimeout',
    notation: duration,
    only: { field: 'engine', values: ['command'] },
    flag: { name: 'start-timeout' },
  }),
  attach: field(v.optional(attachSchema), {
    group: 'server',
    title: 'attach to',
    description:
      'A server that runs on the host already: a port (`6379`, `[::1]:6379`), `pid:N`, `unit:NAME` of systemd, or `container:NAME`. It is measured, never started, stopped or changed.',
    example: '6379',
    only: { field: 'engine', values: ['attach'] },
    flag: { name: 'attach', value: 'TARGET' },
  }),
  serverProcesses: field(v.optional(countUpTo(4_096)), {
    group: 'server',
    title: 'server processes',
    description: 'Processes of your server that hold connections, each with its own limit of open files. Default: one.',
    notation: count,
    only: { field: 'engine', values: ['command', 'attach'] },
    flag: { name: 'server-processes' },
  }),
  address: field(v.optional(v.pipe(v.string(), v.regex(/^(127\.[0-9.]+|::1)$/, 'it must be an address of the loopback, such as 127.0.0.1 or ::1'))), {
    group: 'server',
    title: 'address',
    description: 'Address of the loopback on which the server listens, where the clients run on the same host. Default: 127.0.0.1.',
    example: '::1',
    flag: { name: 'address', value: 'ADDRESS' },
  }),
  /** With protocol `both`, of each protocol. */
  ports: field(v.optional(countUpTo(10_000)), {
    group: 'server',
    title: 'ports',
    description: 'Number of listening ports. Default: as many as the plan needs.',
    notation: count,
    flag: { name: 'ports' },
  }),
  firstPort: field(v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))), {
    group: 'server',
    title: 'first port',
    description: 'The first listening port; the others follow. Default: 8001 for TCP, 8501 for WebSocket.',
    notation: count,
    flag: { name: 'first-port' },
  }),
  rate: field(v.optional(countUpTo(10_000_000)), {
    group: 'load',
    title: 'rate',
    description: 'Connections per second. Default: as fast as possible.',
    example: '20k',
    notation: count,
    flag: { name: 'rate' },
  }),
  holdSeconds: field(v.optional(secondsUpToDays(7), 10), {
    group: 'load',
    title: 'hold',
    description: 'How long all connections stay open, such as `30s` or `5m`.',
    example: '30s',
    key: 'hold',
    notation: duration,
    flag: { name: 'hold' },
  }),
  stages: field(v.optional(v.pipe(v.array(stageSchema), v.maxLength(100)), []), {
    group: 'load',
    title: 'stages',
    description: 'A stage of the ramp: the connections to reach, the rate, and how long they are held then.',
    example: '50k@10k:30s',
    notation: stageNotation,
    members: { to: { notation: count }, rate: { notation: count }, holdSeconds: { key: 'hold', notation: duration } },
    flag: { name: 'stage' },
  }),
  isolation: field(v.optional(v.picklist(['netns', 'host']), 'netns'), {
    group: 'host',
    title: 'isolation',
    description: 'Where the sockets are.',
    choices: { netns: 'in a network namespace of the run', host: "in the host's network namespace" },
    flag: { name: 'isolation', value: 'I' },
  }),
  tuning: field(v.optional(v.picklist(['apply', 'none']), 'apply'), {
    group: 'host',
    title: 'tuning',
    description: 'What happens to the limits of the kernel.',
    choices: { apply: 'raise them for the run, then restore them', none: 'change nothing' },
    flag: { name: 'tuning', value: 'T' },
  }),
  websocketPath: field(v.optional(v.pipe(v.string(), v.regex(/^\/[\x21-\x7e]*$/, 'it must begin with / and hold no spaces'), v.maxLength(1_000)), '/ws'), {
    group: 'server',
    title: 'path',
    description: 'Path of the WebSocket endpoint.',
    only: { field: 'protocol', values: ['websocket', 'both'] },
    flag: { name: 'websocket-path', value: 'PATH' },
  }),
  websocket: field(v.optional(websocketOptionsSchema), {
    group: 'server',
    title: 'upgrade',
    description: 'What WebSocket clients ask for beside the path: `headers` (such as "Origin: https://example.org"), `subprotocols`, `compression`.',
    only: { field: 'protocol', values: ['websocket', 'both'] },
    example: '{"headers": ["Origin: https://example.org"]}',
    notation: json,
    flag: { name: 'websocket', value: 'JSON' },
  }),
  opening: field(v.optional(openingChoiceSchema), {
    group: 'load',
    title: 'opening',
    description:
      'What each connection says and expects before it counts as established, and to stay alive: the name of a preset (`mqtt`, `mqtt-websocket`, `redis`, `http-keepalive`, `irc`, `socket.io`, `stomp`, `xmpp`, `postgres`, `nats`, `memcached`) or a file with steps.',
    example: 'mqtt',
    flag: { name: 'opening', value: 'PRESET|FILE', completes: 'file' },
  }),
  reconnect: field(v.optional(reconnectSchema, 'backoff'), {
    group: 'load',
    title: 'reconnect',
    description: 'Whether connections that the server refused or ended are opened again.',
    choices: { backoff: 'with growing pauses, until the server has refused too many in a row', once: 'each once', none: 'never' },
    flag: { name: 'reconnect', value: 'R' },
  }),
  sourceAddresses: field(v.optional(countUpTo(250)), {
    group: 'load',
    title: 'source addresses',
    description: 'Addresses of 127.0.0.0/8 from which the clients connect, for servers that limit each address. Default: as many as the ports need.',
    notation: count,
    flag: { name: 'source-addresses' },
  }),
  traffic: field(v.optional(trafficSchema), {
    group: 'load',
    title: 'traffic',
    description: 'Steady traffic: each connection sends so many bytes every so often, and the server echoes them.',
    example: '64/10s',
    notation: trafficNotation,
    members: { intervalSeconds: { key: 'every', notation: duration }, bytes: { notation: bytes } },
    flag: { name: 'traffic' },
  }),
  tls: field(v.optional(tlsSpecSchema), tlsAbout),
  workerNofile: field(v.optional(v.pipe(v.number(), v.integer(), v.minValue(600), v.maxValue(100_000_000))), {
    group: 'host',
    title: 'open files per worker',
    description: 'Upper limit of open files per worker. Default: what the host allows.',
    notation: count,
    flag: { name: 'worker-nofile' },
  }),
  thresholds: field(v.optional(v.pipe(v.array(v.string()), v.maxLength(100)), []), {
    group: 'verdict',
    title: 'thresholds',
    description: 'Conditions that must hold, or the exit code is 99.',
    example: 'bytesPerEnd<5000',
    flag: { name: 'threshold', value: 'EXPR' },
  }),
  /** Absent: thresholds are judged at the end only. */
  abortOnThresholdSeconds: field(v.optional(secondsUpToDays(1)), {
    group: 'verdict',
    title: 'grace',
    description: 'End the run early when a threshold fails, after this much grace.',
    example: '10s',
    key: 'abortOnThreshold',
    notation: duration,
    flag: { name: 'abort-on-threshold' },
  }),
  leaseSeconds: field(v.optional(leaseSchema, 120), {
    group: 'host',
    title: 'lease',
    description: 'Time without contact after which the host ends the run and restores itself.',
    example: '2m',
    key: 'lease',
    notation: duration,
    flag: { name: 'lease' },
  }),
  waitForHost: field(v.optional(v.boolean(), false), {
    group: 'host',
    title: 'wait',
    description: 'Wait while another run uses the host, instead of being refused.',
    flag: { name: 'wait' },
  }),
  failOnClientHostLoss: field(v.optional(v.boolean(), false), {
    group: 'verdict',
    title: 'all client hosts needed',
    description: 'End the run when one of several client hosts fails.',
    flag: { name: 'fail-on-client-host-loss' },
  }),
};
