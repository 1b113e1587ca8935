import * as v from 'valibot';
import { engineSchema, protocolSchema } from './specValues.js';
import { tlsPlanSchema } from './tls.js';

const natural = v.pipe(v.number(), v.integer(), v.minValue(0));

/** An id of the closed list in `core/walls/catalogue.ts`; kept open here so that an older reader still opens a newer run. */
export const wallIdSchema = v.string();

/** A limit that will stop the ramp, known before it starts. */
export const plannedWallSchema = v.object({
  id: wallIdSchema,
  title: v.string(),
  /** Connections (pairs) at which it stands; null: the host has no such limit. */
  at: v.nullable(v.number()),
  /** Where it stands after the plan's tuning; equal to `at` where tuning does not move it. */
  atAfterTuning: v.nullable(v.number()),
  evidence: v.string(),
  remedy: v.string(),
});
export type PlannedWall = v.InferOutput<typeof plannedWallSchema>;

/** One key that the run will set. `scope` netns: vanishes with the run's namespace; global: goes through the journal. */
export const plannedSysctlSchema = v.object({
  key: v.string(),
  scope: v.picklist(['netns', 'global']),
  current: v.string(),
  target: v.string(),
  reason: v.string(),
  danger: v.optional(v.string()),
});
export type PlannedSysctl = v.InferOutput<typeof plannedSysctlSchema>;

export const serverWorkerPlanSchema = v.object({
  id: v.string(),
  protocol: protocolSchema,
  /** Address to listen on, such as 127.0.0.1; 0.0.0.0 only in a namespace of our own. */
  address: v.string(),
  ports: v.array(v.object({ port: natural, protocol: v.picklist(['tcp', 'websocket']), connections: natural })),
  /** Connections that will arrive at this worker when the plan is fulfilled. */
  connections: natural,
  nofile: natural,
  backlog: natural,
  /** Peers allowed to connect (several hosts); empty: anyone. */
  allowedSources: v.optional(v.array(v.string()), []),
});
export type ServerWorkerPlan = v.InferOutput<typeof serverWorkerPlanSchema>;

/** Up to 28,000 connections from one source address to one destination port. `source` null: the kernel chooses. */
export const clientTargetSchema = v.object({
  source: v.nullable(v.string()),
  address: v.string(),
  port: natural,
  protocol: v.picklist(['tcp', 'websocket']),
  connections: natural,
  /** As many as it can take when the user asks for more than was planned; absent: no more than planned. */
  room: v.optional(natural),
});
export type ClientTarget = v.InferOutput<typeof clientTargetSchema>;

/** A client without sockets: raw packets through a TUN device of its own. All addresses are IPv4, in ranges for benchmarks (RFC 2544). */
export const statelessPlanSchema = v.object({
  device: v.string(),
  /** Address of the device, and the prefix that is routed to it. */
  deviceAddress: v.string(),
  prefixLength: natural,
  /** Source of the first connections; each further 64,000 to one port use the next address. */
  firstSource: v.string(),
});
export type StatelessPlan = v.InferOutput<typeof statelessPlanSchema>;

export const clientWorkerPlanSchema = v.object({
  id: v.string(),
  protocol: protocolSchema,
  targets: v.array(clientTargetSchema),
  connections: natural,
  nofile: natural,
  /** Absent: the client has sockets. */
  stateless: v.optional(statelessPlanSchema),
});
export type ClientWorkerPlan = v.InferOutput<typeof clientWorkerPlanSchema>;

export const planSchema = v.object({
  /** What was asked for. */
  requested: v.union([natural, v.literal('max')]),
  /** What will be opened: `requested`, or less where a limit that tuning cannot move allows less. */
  connections: natural,
  protocol: protocolSchema,
  engine: engineSchema,
  /** `stateless`: the clients have no sockets, so all figures are of server ends. */
  client: v.optional(v.picklist(['sockets', 'stateless']), 'sockets'),
  /** netns: as root; userns: through a user namespace; host: the host's own namespace. */
  isolation: v.picklist(['netns', 'userns', 'host']),
  serverWorkers: v.array(serverWorkerPlanSchema),
  clientWorkers: v.array(clientWorkerPlanSchema),
  sysctls: v.array(plannedSysctlSchema),
  /** All walls in ascending order of `atAfterTuning`. */
  walls: v.array(plannedWallSchema),
  /** The largest number of connections that fits before and after tuning. */
  largestFit: v.object({ beforeTuning: natural, afterTuning: natural }),
  /** Predicted bytes at full target, from the measured costs of the engine (`core/plan/costs.ts`). */
  predicted: v.object({ bytesPerEnd: v.number(), bytesPerPair: v.number(), totalBytes: v.number() }),
  /** The ramp stops by itself when MemAvailable falls below this. */
  guardBytes: v.number(),
  /** Absent without TLS. */
  tls: v.optional(tlsPlanSchema),
  /** What the user should know: limits that could not be raised, privileges that are missing, what that costs. */
  notes: v.array(v.string()),
});
export type Plan = v.InferOutput<typeof planSchema>;
