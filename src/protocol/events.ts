import * as v from 'valibot';
import { hostFactsSchema } from './facts.js';
import { planSchema, wallIdSchema } from './plan.js';
import { runSpecSchema } from './spec.js';
import { answerSchema, keepAliveCountsSchema, blockFields, serverFilesSchema } from './worker.js';

/**
 * The event stream of a run: NDJSON, one object a line. Every event has `seq` (1, 2, 3 … without gaps, given by the
 * supervisor) and `t` (milliseconds since the run began). The same lines are spooled on the host, sent to the controller,
 * printed by `--json` and kept in `events.ndjson`.
 */
const base = { seq: v.pipe(v.number(), v.integer(), v.minValue(1)), t: v.number() };
const natural = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What a server of the user, started by its command or attached, said and did. */
export const foreignEvidenceSchema = v.object({
  /** The name of its process. */
  program: v.optional(v.string()),
  /** Its words to connections that it refused or closed. */
  answers: v.optional(v.array(answerSchema)),
  /** Connections that it ended, by age: bucket n stands for 100·(2^(n/20) − 1) ms. */
  lifetimes: v.optional(v.record(v.string(), v.number())),
  /** Sockets that it holds beside those of the clients. */
  upstream: v.optional(natural),
  keepAlive: v.optional(keepAliveCountsSchema),
  /** Answers that were not what was sent: it is no echo server. */
  notEchoed: v.optional(natural),
});
export type ForeignEvidence = v.InferOutput<typeof foreignEvidenceSchema>;

export const phaseNames = [
  'probing',
  'planning',
  'deploying',
  'tuning',
  'starting',
  'ramping',
  'holding',
  'draining',
  'restoring',
  'finished',
  'failed',
  'stopped',
] as const;
export const phaseSchema = v.picklist(phaseNames);
export type Phase = v.InferOutput<typeof phaseSchema>;
export type Verdict = 'finished' | 'failed' | 'stopped';

/** Counts of one protocol on both sides. `established` on the server is counted by accepts, on the client by connects. */
export const protocolCountsSchema = v.object({
  server: natural,
  client: natural,
  /** Echoed messages and bytes per second, counted where they come back (client). */
  messagesPerSecond: v.number(),
  bytesPerSecond: v.number(),
  /** Echoed since the run began. */
  messagesTotal: v.number(),
  bytesTotal: v.number(),
  /** Messages of bursts and of the steady traffic: `planned` is `messagesTotal` + `unanswered` + `lost`; absent without any. */
  /** What the user's own server said and did, as of the end. */
  foreign: v.optional(foreignEvidenceSchema),
  messages: v.optional(v.object({ planned: natural, unanswered: natural, lost: natural })),
  /** Anonymous memory of the workers of this protocol; null where one process serves both protocols, or cannot be read. */
  processBytes: v.optional(v.object({ server: v.nullable(v.number()), client: v.nullable(v.number()) })),
});

/**
 * Where the bytes go, as growth since the baseline taken before the ramp. Keys of `entries` are the ids of `core/figures/ledger.ts`
 * (such as `tcpSock`, `socketInode`, `dentry`, `file`, `epoll`, `fdTable`, `socketBuffers`, `pageTables`, `kernelStacks`, `serverProcesses`, `clientProcesses`, `programFiles`).
 */
export const ledgerSchema = v.object({
  entries: v.record(v.string(), v.number()),
  /** Sum of `entries`. */
  explainedBytes: v.number(),
  /** Independent growth of used memory over the same time. */
  growthBytes: v.number(),
  /** What the items grew by / what memory grew by, as measured: above 1 where free slots were reused. null while too little grew to say. */
  explainedRatio: v.nullable(v.number()),
  /** Part of `entries` in slab slots that were allocated, but free, before the ramp: memory did not grow for it. Absent in runs of older versions. */
  reusedSlotBytes: v.optional(v.number()),
  /** From the ledger, per end (one socket) and per pair (both); null while nothing is established, or where a process cannot be read. */
  bytesPerEnd: v.nullable(v.number()),
  bytesPerPair: v.nullable(v.number()),
  /** Fall of MemAvailable, for comparison with 2014 only. */
  memAvailableFallBytes: v.number(),
  /** True when slabinfo could not be read and the figures come from MemAvailable. */
  approximate: v.boolean(),
  /** What makes the figures differ from the cost of a connection, in words: sockets and memory of others, few connections in large processes. */
  contamination: v.array(v.string()),
});
export type Ledger = v.InferOutput<typeof ledgerSchema>;

/** Milliseconds since the planned time of each planned message: until its echo, or until its connection ended, or until now. */
export const latencySchema = v.object({
  count: v.number(),
  /** Of these, messages without an echo: unanswered and lost ones. Absent in runs of earlier versions, which left them out. */
  unanswered: v.optional(v.number()),
  p50: v.number(),
  p90: v.number(),
  p99: v.number(),
  p999: v.number(),
  max: v.number(),
  /** Only in a client's part of a run over several hosts: the histogram of microseconds, base64 of HDR's compressed encoding. */
  histogram: v.optional(v.string()),
});

/** A hard error that stopped the ramp of one worker. */
export const blockedSchema = v.object({ worker: v.string(), role: v.picklist(['server', 'client']), ...blockFields });
export type Blocked = v.InferOutput<typeof blockedSchema>;

/** TLS of a run: handshakes since it began, counted on each side where it knows. */
export const tlsSampleSchema = v.object({
  handshakes: v.object({ server: natural, client: natural }),
  resumed: natural,
  /** Handshakes per second since the last sample, counted on the client. */
  rate: v.number(),
  /** CPU microseconds of one handshake by side, on average over the run; null where the engine does not know. */
  cpuMicroseconds: v.object({ server: v.nullable(v.number()), client: v.nullable(v.number()) }),
  /** Milliseconds from the established TCP connection to the end of the handshake. */
  latency: v.optional(latencySchema),
  /** Version and cipher, such as `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  negotiated: v.optional(v.string()),
});
export type TlsSample = v.InferOutput<typeof tlsSampleSchema>;

export const evidenceSchema = v.object({
  blocked: v.array(blockedSchema),
  /** What made the guard stop the ramp; absent while it has not. */
  guard: v.optional(v.object({ id: wallIdSchema, evidence: v.string() })),
  /** Connections per second that were asked for; 0: as fast as possible. */
  rate: v.number(),
  serverFiles: v.optional(serverFilesSchema),
  /** Connections that wait in the accept queues of a server of the user. */
  waiting: v.optional(natural),
  /** The count of the server is an estimate between two exact ones, and no proof that it held so many. */
  isEstimate: v.optional(v.boolean()),
  foreign: v.optional(foreignEvidenceSchema),
});

export const sampleSchema = v.object({
  ...base,
  type: v.literal('sample'),
  phase: phaseSchema,
  target: natural,
  established: v.object({ server: natural, client: natural }),
  byProtocol: v.object({ tcp: v.optional(protocolCountsSchema), websocket: v.optional(protocolCountsSchema) }),
  connecting: natural,
  /** Since the run began. `byErrno` has the names of errno(3) and, for refused handshakes, `handshake`. */
  failed: v.object({ total: natural, byErrno: v.record(v.string(), v.number()) }),
  /** Connections that were established and lost, not by our drain. */
  lost: natural,
  /** New connections per second, counted on the client: each worker's own over its own time since the last sample. */
  connectRate: v.number(),
  /** The same of each tenth of a second since the last sample; only in the first seconds of a ramp. */
  connectRates: v.optional(v.array(v.number())),
  /** While a ramp is on and when it has ended: what it opened, and in how many seconds from its order to its last connection. */
  ramp: v.optional(
    v.object({
      seconds: v.number(),
      opened: natural,
      /** User and system time of all workers in it; null where they are on several hosts. */
      cpuMicroseconds: v.nullable(v.number()),
    }),
  ),
  /** Workers whose counts are older than two seconds; absent while there are none. */
  staleWorkers: v.optional(v.array(v.string())),
  ledger: ledgerSchema,
  memory: v.object({ availableBytes: v.number(), totalBytes: v.number(), guardBytes: v.number(), cgroupCurrentBytes: v.nullable(v.number()) }),
  /** In cores (1 = one core busy). `host` is all that was busy on the machine. */
  cpu: v.object({ server: v.number(), client: v.number(), supervisor: v.number(), host: v.number(), cores: v.number() }),
  /** `/proc/net/sockstat`: inUse and timeWait are of the run's namespace, allocated, orphan and memoryPages of the host. null: it cannot be read. */
  sockstat: v.nullable(v.object({ inUse: v.number(), allocated: v.number(), orphan: v.number(), timeWait: v.number(), memoryPages: v.number() })),
  /** Growth since the baseline of `/proc/net/netstat` and `/proc/net/snmp` counters, only those that moved. */
  netstat: v.record(v.string(), v.number()),
  /** Use of limits: file-nr, conntrack, and so on: `{fileMax: {used, limit}}`. */
  limits: v.record(v.string(), v.object({ used: v.number(), limit: v.number() })),
  /** Since the run began; absent without messages. */
  latency: v.optional(latencySchema),
  /** Only with TLS. */
  tls: v.optional(tlsSampleSchema),
  /**
   * What the host goes by beside its target: connections per second that are asked for (0: as fast as possible), and what is left of the hold of this
   * stage, which waits while an order ramps; null where no hold has begun. Absent in runs of older versions.
   */
  aim: v.optional(v.object({ rate: v.number(), holdLeftSeconds: v.nullable(v.number()) })),
  /** A run over several hosts: what each of them holds, by its name. */
  hosts: v.optional(v.record(v.string(), v.object({ server: natural, client: natural, availableBytes: v.number() }))),
  /** What walls are recognised by beside the counts, so that a saved run can be judged again; absent while there is nothing to report. */
  evidence: v.optional(evidenceSchema),
});
export type Sample = v.InferOutput<typeof sampleSchema>;

export const wallSchema = v.object({
  id: wallIdSchema,
  title: v.string(),
  /** Established connections when it was recognised. */
  at: natural,
  evidence: v.string(),
  remedy: v.string(),
});
export type Wall = v.InferOutput<typeof wallSchema>;

export const keyOutcomeSchema = v.object({
  key: v.string(),
  original: v.string(),
  ours: v.string(),
  now: v.nullable(v.string()),
  outcome: v.picklist(['restored', 'changedByOthers', 'refused']),
});
export type KeyOutcome = v.InferOutput<typeof keyOutcomeSchema>;

export const thresholdResultSchema = v.object({ expression: v.string(), value: v.nullable(v.number()), passed: v.boolean() });

/** Messages of bursts and of the steady traffic; `planned` = `total` (echoed) + `unanswered` + `lost` (their connection died). */
export const messageCountsSchema = v.object({ planned: v.number(), total: v.number(), unanswered: v.number(), lost: v.number() });

/** One protocol's part at the peak. `entries`: its ledger, only in a run of both protocols. */
export const protocolSummarySchema = v.object({
  server: natural,
  client: natural,
  bytesPerEnd: v.optional(v.nullable(v.number())),
  entries: v.optional(v.record(v.string(), v.number())),
  messages: v.optional(messageCountsSchema),
});

export const summarySchema = v.object({
  verdict: v.picklist(['finished', 'failed', 'stopped']),
  /** Why it failed or stopped, one sentence; absent for `finished`. */
  reason: v.optional(v.string()),
  target: natural,
  /** The peak that both sides held at the same time. */
  established: v.object({ server: natural, client: natural }),
  byProtocol: v.optional(v.record(v.string(), protocolSummarySchema), {}),
  failed: v.object({ total: natural, byErrno: v.record(v.string(), v.number()) }),
  lost: v.optional(natural, 0),
  /** Connections per second over the ramp. Median and maximum are of five intervals at least, otherwise null. */
  connectRate: v.object({ mean: v.number(), p50: v.nullable(v.number()), max: v.nullable(v.number()) }),
  /** User and system time of all workers over the ramp, for each connection (both ends); null where it is not known. */
  cpuMicrosecondsPerConnection: v.optional(v.nullable(v.number()), null),
  bytesPerEnd: v.nullable(v.number()),
  bytesPerPair: v.nullable(v.number()),
  /** The ledger at the peak. */
  ledger: v.nullable(ledgerSchema),
  explainedRatio: v.nullable(v.number()),
  latency: v.optional(latencySchema),
  /** Of the last sample; only with TLS. */
  tls: v.optional(tlsSampleSchema),
  /** Without `planned` and `unanswered` in runs of earlier versions, which did not count them. */
  messages: v.optional(v.object({ ...v.partial(messageCountsSchema, ['planned', 'unanswered']).entries, perSecondMaximum: v.number() })),
  /** What the user's own server said and did, as of the end. */
  foreign: v.optional(foreignEvidenceSchema),
  rampSeconds: v.number(),
  /** Without `waitedSeconds`. */
  elapsedSeconds: v.number(),
  /** For another run on the same host to end. */
  waitedSeconds: v.optional(v.number(), 0),
  walls: v.array(wallSchema),
  hostRestored: v.boolean(),
  /** Each global key that was changed, with how it ended. */
  keys: v.array(keyOutcomeSchema),
  thresholds: v.optional(v.array(thresholdResultSchema), []),
  /** False: the controller lost the host for good; what is known up to then was saved. */
  endSeen: v.optional(v.boolean(), true),
  /** Ended early because a threshold failed: that, and not the target that it did not reach, is its result. */
  endedBy: v.optional(v.literal('threshold')),
  /** As the writer judged it. Readers judge the parts themselves: `core/verdict.ts`. */
  exitCode: v.pipe(v.number(), v.integer()),
});
export type Summary = v.InferOutput<typeof summarySchema>;

/** Result of a `burst` or of a change of the target, with its elapsed time, as the original 2014 clients printed it. */
export const orderSchema = v.object({
  ...base,
  type: v.literal('order'),
  order: v.picklist(['target', 'rate', 'burst', 'removeAll']),
  /** What was asked for, in words. */
  text: v.string(),
  /** replaced: a later order of its kind came before it was carried out. */
  state: v.picklist(['accepted', 'done', 'failed', 'replaced']),
  elapsedMs: v.optional(v.number()),
  messages: v.optional(v.number()),
  bytes: v.optional(v.number()),
  /** Messages that did not come back. */
  lost: v.optional(v.number()),
});

export const helloSchema = v.object({
  ...base,
  type: v.literal('hello'),
  runId: v.string(),
  /** ISO 8601, by the host's clock. */
  startedAt: v.string(),
  agentVersion: v.string(),
  supervisorPid: v.number(),
  spec: runSpecSchema,
});
export const phaseEventSchema = v.object({ ...base, type: v.literal('phase'), phase: phaseSchema, detail: v.optional(v.string()) });
export const factsEventSchema = v.object({ ...base, type: v.literal('facts'), facts: hostFactsSchema });
/** `reason`: why the run was planned anew, after what was shown before it began. */
export const planEventSchema = v.object({ ...base, type: v.literal('plan'), plan: planSchema, reason: v.optional(v.string()) });
export const wallEventSchema = v.object({ ...base, type: v.literal('wall'), wall: wallSchema });
export const logSchema = v.object({
  ...base,
  type: v.literal('log'),
  level: v.picklist(['debug', 'info', 'warn', 'error']),
  text: v.string(),
  host: v.optional(v.string()),
});
export const workerEventSchema = v.object({
  ...base,
  type: v.literal('worker'),
  id: v.string(),
  role: v.picklist(['server', 'client', 'guardian']),
  state: v.picklist(['started', 'ready', 'exited']),
  pid: v.optional(v.number()),
  exitCode: v.optional(v.nullable(v.number())),
  signal: v.optional(v.nullable(v.string())),
  lastLines: v.optional(v.array(v.string())),
});
export const tuningEventSchema = v.object({
  ...base,
  type: v.literal('tuning'),
  key: v.string(),
  scope: v.picklist(['netns', 'global']),
  from: v.string(),
  to: v.string(),
  outcome: v.picklist(['applied', 'refused', 'restored', 'changedByOthers', 'restoreRefused']),
  detail: v.optional(v.string()),
});
export const summaryEventSchema = v.object({ ...base, type: v.literal('summary'), summary: summarySchema });

export const runEventSchema = v.variant('type', [
  helloSchema,
  phaseEventSchema,
  factsEventSchema,
  planEventSchema,
  sampleSchema,
  wallEventSchema,
  logSchema,
  workerEventSchema,
  tuningEventSchema,
  orderSchema,
  summaryEventSchema,
]);
export type RunEvent = v.InferOutput<typeof runEventSchema>;
type WithoutBase<T> = T extends unknown ? Omit<T, 'seq' | 't'> : never;
/** An event before the supervisor numbers and times it. */
export type RunEventBody = WithoutBase<RunEvent>;
