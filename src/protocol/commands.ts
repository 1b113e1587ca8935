import * as v from 'valibot';
import { runEventSchema } from './events.js';
import { planSchema } from './plan.js';
import { runSpecSchema } from './spec.js';

/**
 * What a controller writes to the relay's standard input (NDJSON), and what it reads from its standard output. A request
 * has an `id` and is always answered by one `reply`; events of the attached run come in between. All other lines on stdout
 * (a shell's banner, say) are shown and ignored.
 */
/** Values of `{env:NAME}`. They go from process to process and into no file. */
export const secretsSchema = v.record(v.pipe(v.string(), v.maxLength(200)), v.pipe(v.string(), v.maxLength(16_384)));
const id = v.pipe(v.number(), v.integer());
const runId = v.pipe(v.string(), v.regex(/^[0-9A-Za-z-]{1,64}$/));

/** What a run is started with. */
const startOrderSchema = v.object({
  runId,
  spec: runSpecSchema,
  /** The plan that was shown: the host refuses one that no longer fits, and says what changed. Absent: the host plans, and says so by its event. */
  plan: v.optional(planSchema),
  /** What this host does in the run: all of it, or one side of a run over several hosts. */
  role: v.optional(v.picklist(['whole', 'server', 'client']), 'whole'),
  owner: v.string(),
  /** Values of `{env:NAME}`; they go from process to process and into no file. */
  secrets: v.optional(secretsSchema),
});
export type StartOrder = v.InferOutput<typeof startOrderSchema>;

/** Orders to a running run; the relay passes them on to the supervisor. */
export const orderCommandSchemas = [
  /** The relay answers one with an `id` by itself: whoever waits for the run must notice a relay that hangs. */
  v.object({ type: v.literal('heartbeat'), id: v.optional(id) }),
  v.object({
    type: v.literal('set'),
    id,
    target: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    /** Connections per second; 0: as fast as possible. */
    rate: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  }),
  v.object({
    type: v.literal('burst'),
    id,
    /** Messages over each open connection, and the size of each. */
    messages: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000_000)),
    bytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_536)),
  }),
  v.object({ type: v.literal('removeAll'), id }),
  /** Have every open connection proven by a keep-alive probe. */
  v.object({ type: v.literal('prove'), id }),
  v.object({ type: v.literal('stop'), id, reason: v.optional(v.string()) }),
] as const;

export const controllerCommandSchema = v.variant('type', [
  /** Facts of this host. Reply: HostFacts. */
  /** `servers`: with those that listen there. */
  v.object({ type: v.literal('probe'), id, isolation: v.picklist(['netns', 'host']), servers: v.optional(v.boolean()) }),
  /** Servers that listen on this host. Reply: ListeningServer[]. */
  v.object({ type: v.literal('servers'), id }),
  /** Starts a supervisor and attaches to it from its first event. Reply: {runId}. */
  v.object({ type: v.literal('start'), id, ...startOrderSchema.entries }),
  /** Replays from `fromSeq` and follows. Reply: {runId}. */
  v.object({ type: v.literal('attach'), id, runId, fromSeq: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
  /** The controller has saved every event: the host's copy may go. Only for runs that ended. */
  v.object({ type: v.literal('forget'), id, runId }),
  /** Runs and journals on this host. Reply: HostRun[]. */
  v.object({ type: v.literal('list'), id }),
  /** Puts back what a dead run left behind. Reply: RestoreReport. */
  v.object({ type: v.literal('restore'), id, dryRun: v.boolean() }),
  ...orderCommandSchemas,
]);
/** As a controller writes it … */
export type ControllerCommand = v.InferInput<typeof controllerCommandSchema>;
/** … and as the relay reads it. */
export type ReceivedCommand = v.InferOutput<typeof controllerCommandSchema>;

/** An error in the shape in which it crosses a process boundary. `code` says why, as a stable word that programs may branch on. */
export const plainErrorSchema = v.object({
  code: v.picklist(['usage', 'unreachable', 'accessRefused', 'notRestored', 'busy', 'unsupported', 'cancelled', 'failed']),
  message: v.string(),
  remedy: v.optional(v.string()),
});
export type PlainError = v.InferOutput<typeof plainErrorSchema>;

export const replySchema = v.variant('ok', [
  v.object({ type: v.literal('reply'), id, ok: v.literal(true), value: v.unknown() }),
  v.object({ type: v.literal('reply'), id, ok: v.literal(false), error: plainErrorSchema }),
]);
export type Reply = v.InferOutput<typeof replySchema>;

/** A line from the relay: an event of the run it is attached to, or the reply to a request. */
export const relayMessageSchema = v.union([replySchema, runEventSchema]);

/** A run that a host knows of: one that lives, or one that ended and was not yet fetched. */
const hostRunSchema = v.object({
  runId: v.string(),
  owner: v.string(),
  startedAt: v.string(),
  state: v.picklist(['running', 'ended', 'abandoned']),
  supervisorPid: v.nullable(v.number()),
  spec: v.optional(runSpecSchema),
});
export type HostRun = v.InferOutput<typeof hostRunSchema>;

/** The reply to `list`. Throws what valibot throws. */
export function parseHostRuns(value: unknown): HostRun[] {
  return v.parse(v.array(hostRunSchema), value);
}

/** What `restore` found and did. */
export const restoreReportSchema = v.object({
  runs: v.array(v.string()),
  keys: v.array(
    v.object({
      key: v.string(),
      original: v.string(),
      ours: v.string(),
      now: v.nullable(v.string()),
      outcome: v.picklist(['restored', 'changedByOthers', 'refused', 'wouldRestore', 'earlierBoot']),
    }),
  ),
  processesEnded: v.number(),
  /** What else there is to know, in sentences: runs under way, a journal that cannot be understood, a lock that nobody should hold. */
  notes: v.optional(v.array(v.string()), []),
  complete: v.boolean(),
});
export type RestoreReport = v.InferOutput<typeof restoreReportSchema>;
