import * as v from 'valibot';
import { summarySchema } from './events.js';
import { hostFactsSchema } from './facts.js';
import { planSchema } from './plan.js';
import { runSpecSchema } from './spec.js';

/**
 * `run.json` of a saved run: written when the run starts (without summary), and again (written, then renamed) when it ends.
 * `events.ndjson` beside it holds every event. The same directory is the export, the import and the bug report.
 */
export const savedRunSchema = v.object({
  format: v.literal(1),
  id: v.string(),
  name: v.optional(v.string()),
  tags: v.optional(v.array(v.string()), []),
  pinned: v.optional(v.boolean(), false),
  /** ISO 8601. */
  startedAt: v.string(),
  endedAt: v.optional(v.string()),
  c10mVersion: v.string(),
  spec: runSpecSchema,
  facts: v.optional(hostFactsSchema),
  plan: v.optional(planSchema),
  summary: v.optional(summarySchema),
});
export type SavedRun = v.InferOutput<typeof savedRunSchema>;
