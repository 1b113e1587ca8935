import * as v from 'valibot';
import { clientWorkerPlanSchema, serverWorkerPlanSchema } from './plan.js';
import { listeningServerSchema } from './facts.js';
import { openingSchema } from './opening.js';
import { engineSchema, reconnectSchema, websocketOptionsSchema } from './specValues.js';
import { clientTlsSchema, serverTlsSchema, tlsStatsSchema } from './tls.js';

/**
 * Between the supervisor and one worker: NDJSON on the worker's standard input and output. The first line is `configure`.
 * End of standard input means that the supervisor is gone: the worker exits at once.
 */
const natural = v.pipe(v.number(), v.integer(), v.minValue(0));

/** The name, among the errnos, of connections that the server's kernel did not know when a proof asked for them. */
export const halfOpenFailure = 'halfOpen';

/** A hard error of a worker. `exhausted` of a client's `destinations` have no local port left (EADDRNOTAVAIL of connect only). */
export const blockFields = {
  errno: v.string(),
  call: v.string(),
  text: v.string(),
  exhausted: v.optional(natural),
  destinations: v.optional(natural),
};

/** Open files of a server of the user; `full`: the limit of one of its processes that may open no more. */
export const serverFilesSchema = v.object({ open: natural, full: v.optional(natural) });

/** What a server said to connections that it refused or closed: its first bytes, escaped, and how often. */
export const answerSchema = v.object({ when: v.string(), text: v.string(), count: natural });
export type ReconnectPolicy = v.InferOutput<typeof reconnectSchema>;
export type WebSocketOptions = v.InferOutput<typeof websocketOptionsSchema>;
export type Answer = v.InferOutput<typeof answerSchema>;

export const keepAliveCountsSchema = v.object({ sent: natural, answered: natural, unanswered: natural });

export const trafficConfigurationSchema = v.object({ intervalSeconds: v.number(), bytes: natural });

export const workerCommandSchema = v.variant('type', [
  v.object({
    type: v.literal('configure'),
    role: v.literal('server'),
    engine: engineSchema,
    plan: serverWorkerPlanSchema,
    websocketPath: v.string(),
    /** Only for the engine `command`. */
    command: v.optional(v.string()),
    /** Where the command starts; absent: the home directory. */
    workingDirectory: v.optional(v.string()),
    /** A configuration file of the command's server, with names in braces that are filled in. */
    configTemplate: v.optional(v.string()),
    /** Only for the engine `attach`. */
    attached: v.optional(listeningServerSchema),
    /** Until the command must listen on all ports; absent: `defaultStartTimeoutSeconds`. */
    startTimeoutSeconds: v.optional(v.number()),
    /** Directory for the command's stdout and stderr (bounded). */
    outputDirectory: v.optional(v.string()),
    tls: v.optional(serverTlsSchema),
  }),
  v.object({
    type: v.literal('configure'),
    role: v.literal('client'),
    plan: clientWorkerPlanSchema,
    websocketPath: v.string(),
    traffic: v.optional(trafficConfigurationSchema),
    /** Absent: connections are established when they can carry bytes. */
    opening: v.optional(openingSchema),
    /** Values of `{env:NAME}`; never written anywhere. */
    secrets: v.optional(v.record(v.string(), v.string())),
    /** The number of its first connection, so that those of all workers differ. */
    firstConnection: v.optional(natural),
    reconnect: v.optional(reconnectSchema),
    websocket: v.optional(websocketOptionsSchema),
    tls: v.optional(clientTlsSchema),
  }),
  /** Client: go to this many open connections (up or down); `rate` in connections per second for this worker, 0: as fast as possible. */
  v.object({ type: v.literal('target'), connections: natural, rate: v.number() }),
  /** Client: send this many messages of so many bytes over each open connection; answered by `burstDone`. */
  v.object({ type: v.literal('burst'), order: natural, messages: natural, bytes: natural }),
  /** Client: open no more and close none, until the next target. Answered by stats with `frozen`. */
  v.object({ type: v.literal('freeze') }),
  /** Send stats at once; a client adds what became of its messages. `exactly`: with counts of now, whatever they cost. */
  v.object({ type: v.literal('report'), exactly: v.optional(v.boolean()) }),
  /** Client: plan no more messages, wait so long for those under way, then report in the stats what became of all (`concluded`). */
  v.object({ type: v.literal('conclude'), graceMs: natural }),
  /** Client: have the other side asked whether it knows each open connection; what it does not know fails as `halfOpen` and is opened again. */
  v.object({ type: v.literal('prove') }),
  /** Server: accept no more and close all, so that no TIME_WAIT is left; then exit 0. Client: close all, then exit 0. */
  v.object({ type: v.literal('stop') }),
]);
export type WorkerCommand = v.InferOutput<typeof workerCommandSchema>;

const countersSchema = v.object({ opened: natural, closed: natural, open: natural });

/** Planned messages of one protocol; `lost`: their connection died. What was neither echoed nor lost is unanswered. */
const plannedMessagesSchema = v.object({ planned: natural, echoed: natural, lost: natural });

/** What became of the messages of one client. */
export const clientMessagesSchema = v.object({
  tcp: plannedMessagesSchema,
  websocket: plannedMessagesSchema,
  /**
   * HDR histogram of microseconds, base64 of the compressed encoding, with each planned message once: an echoed one with the time since it was
   * planned, another one with its age when its connection ended, or now.
   */
  histogram: v.string(),
  /** Nothing of this changes any more. */
  concluded: v.boolean(),
});
export type ClientMessages = v.InferOutput<typeof clientMessagesSchema>;

/** Cumulative counters of one worker, sent each 250 ms while they move, each second otherwise, and when they are asked for. */
export const workerStatsSchema = v.object({
  type: v.literal('stats'),
  /** When they were counted: milliseconds of the host's CLOCK_MONOTONIC. */
  atMs: v.number(),
  tcp: v.optional(countersSchema),
  websocket: v.optional(countersSchema),
  connecting: natural,
  failed: v.record(v.string(), v.number()),
  /** Ended by the other side or by an error while they were wanted. */
  lost: natural,
  /** The answer to `report`. */
  asked: v.optional(v.boolean()),
  /** Client: it opens and closes none, by order. */
  frozen: v.optional(v.boolean()),
  /** Client: connections it had ever opened at some moments since the last stats; pairs of `atMs` and count. */
  marks: v.optional(v.array(v.number())),
  /** Client, when asked, and where there were any. */
  messages: v.optional(clientMessagesSchema),
  /** Server of the user: established by the kernel and not accepted; not among the open ones. */
  waiting: v.optional(natural),
  /** Server of the user: `open` is what the number of sockets in use suggests since the last count. */
  isEstimate: v.optional(v.boolean()),
  tcpMessages: v.number(),
  tcpBytes: v.number(),
  websocketMessages: v.number(),
  websocketBytes: v.number(),
  /** Microseconds of user and system time of this process (and, for a command server, of its whole process tree). */
  cpuMicroseconds: v.number(),
  /** The first hard error that stops this worker's ramp, such as EMFILE or EADDRNOTAVAIL; it has stopped trying when set. */
  blocked: v.optional(v.object(blockFields)),
  files: v.optional(serverFilesSchema),
  /** Client: what the server said to connections that it refused or closed. */
  answers: v.optional(v.array(answerSchema)),
  /** Client: connections that the server ended, by age: bucket n stands for 100·(2^(n/20) − 1) ms. */
  lifetimes: v.optional(v.record(v.string(), v.number())),
  keepAlive: v.optional(keepAliveCountsSchema),
  /** Client: messages and bytes that came but were not what was sent. */
  notEchoed: v.optional(natural),
  /** Server of the user: sockets that it holds beside those of the clients, such as a proxy's towards its upstream servers. */
  upstream: v.optional(natural),
  tls: v.optional(tlsStatsSchema),
});
export type WorkerStats = v.InferOutput<typeof workerStatsSchema>;

export const workerMessageSchema = v.variant('type', [
  /**
   * Server: all ports listen. Client: configured. `pids`: all processes whose memory counts for this worker; `notOurs`: those of them that the run did
   * not start and must not end. `nofile` is the limit that holds.
   */
  v.object({
    type: v.literal('ready'),
    pids: v.array(v.number()),
    notOurs: v.optional(v.array(v.number())),
    /** The name of the user's server (`comm`). */
    program: v.optional(v.string()),
    nofile: v.number(),
  }),
  workerStatsSchema,
  v.object({ type: v.literal('burstDone'), order: natural, messages: v.number(), bytes: v.number(), lost: v.number(), elapsedMs: v.number() }),
  v.object({ type: v.literal('log'), level: v.picklist(['info', 'warn', 'error']), text: v.string() }),
  /** It cannot go on; it exits after this line. */
  v.object({ type: v.literal('fatal'), text: v.string(), errno: v.optional(v.string()) }),
]);
export type WorkerMessage = v.InferOutput<typeof workerMessageSchema>;
