import * as v from 'valibot';

/** Largest number of connections a spec may ask for: 10M is the experiment's name, ten times that is certainly a typing error. */
export const maximumConnections = 100_000_000;

const count = (maximum: number) =>
  v.pipe(v.number(), v.integer('must be a whole number'), v.minValue(1, 'must be at least 1'), v.maxValue(maximum, `must be at most ${maximum}`));
const seconds = (maximum: number) => v.pipe(v.number(), v.minValue(0, 'must not be negative'), v.maxValue(maximum, `must be at most ${maximum} s`));
const oneDaySeconds = 86_400;

export const protocolSchema = v.picklist(['tcp', 'websocket', 'both']);
export type ProtocolChoice = v.InferOutput<typeof protocolSchema>;
/** The protocol of one connection. */
export type ConnectionProtocol = 'tcp' | 'websocket';

export const engineSchema = v.picklist(['epoll', 'node', 'command']);
export type Engine = v.InferOutput<typeof engineSchema>;

/** One stage of a ramp: go to `to` connections at `rate` per second (absent: as fast as possible), then hold. */
export const stageSchema = v.strictObject({
  to: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maximumConnections)),
  rate: v.optional(count(10_000_000)),
  holdSeconds: v.optional(seconds(oneDaySeconds), 0),
});

/** Steady traffic: each connection sends `bytes` every `intervalSeconds`, staggered; the server echoes. */
export const trafficSchema = v.strictObject({
  intervalSeconds: v.pipe(v.number(), v.minValue(0.1), v.maxValue(oneDaySeconds)),
  bytes: count(65_536),
});

/**
 * What a run is asked to do, in plain units (numbers, seconds, bytes). Profiles and command lines, which accept `50k` and
 * `30s`, are turned into this by `core/profile.ts`.
 */
export const runSpecSchema = v.strictObject({
  version: v.literal(1),
  name: v.optional(v.pipe(v.string(), v.maxLength(200))),
  /** `local`, an alias of ssh_config, or `user@name:port`. */
  host: v.pipe(v.string(), v.minLength(1), v.maxLength(300)),
  /** Hosts that run the client workers. Empty: the clients run on `host` too, inside the run's own network namespace. */
  clientHosts: v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.maxLength(64)), []),
  /** Connections (pairs) to establish, or `max`: ramp until the first wall or the guard. With protocol `both` the total of both. */
  connections: v.union([count(maximumConnections), v.literal('max')]),
  protocol: protocolSchema,
  engine: engineSchema,
  /** The user's own server for the engine `command`; run by `sh -c`. */
  command: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(8_192))),
  /** Where the command starts, an absolute directory of the host; absent: the home directory. */
  workingDirectory: v.optional(v.pipe(v.string(), v.regex(/^\//, 'it must be an absolute path'), v.maxLength(4_096))),
  /** Number of listening ports; absent: as many as the plan needs. With protocol `both`, of each protocol. */
  ports: v.optional(count(10_000)),
  /** The first listening port; the others follow. */
  firstPort: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
  /** Connections per second; absent: as fast as possible. */
  rate: v.optional(count(10_000_000)),
  holdSeconds: v.optional(seconds(7 * oneDaySeconds), 10),
  stages: v.optional(v.pipe(v.array(stageSchema), v.maxLength(100)), []),
  isolation: v.optional(v.picklist(['netns', 'host']), 'netns'),
  tuning: v.optional(v.picklist(['apply', 'none']), 'apply'),
  websocketPath: v.optional(v.pipe(v.string(), v.regex(/^\/[\x21-\x7e]*$/, 'it must begin with / and hold no spaces'), v.maxLength(1_000)), '/ws'),
  traffic: v.optional(trafficSchema),
  /** Upper limit of file descriptors per worker; absent: what the host allows. */
  workerNofile: v.optional(v.pipe(v.number(), v.integer(), v.minValue(600), v.maxValue(100_000_000))),
  thresholds: v.optional(v.pipe(v.array(v.string()), v.maxLength(100)), []),
  /** Stop the run early when a threshold fails, after this many seconds of grace; absent: thresholds are judged at the end only. */
  abortOnThresholdSeconds: v.optional(seconds(oneDaySeconds)),
  /** Without a heartbeat for this long the supervisor drains, restores and exits. */
  leaseSeconds: v.optional(v.pipe(v.number(), v.minValue(10), v.maxValue(oneDaySeconds)), 120),
  /** Wait for another run on the same host to end instead of being refused. */
  waitForHost: v.optional(v.boolean(), false),
  /** End the run when one of several client hosts fails. */
  failOnClientHostLoss: v.optional(v.boolean(), false),
});

export type RunSpec = v.InferOutput<typeof runSpecSchema>;
/** A run spec as written, with defaults left out. */
export type RunSpecInput = v.InferInput<typeof runSpecSchema>;
