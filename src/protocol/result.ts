import * as v from 'valibot';
import { summarySchema } from './events.js';
import { hostFactsSchema } from './facts.js';
import { planSchema } from './plan.js';
import { runSpecSchema } from './spec.js';

/**
 * `run.json` of a saved run: written when the run starts (without summary), and again (written, then renamed) when it ends, by
 * the run alone. `labels.json` beside it is written by the history alone, `events.ndjson` holds every event. The same directory
 * is the export, the import and the bug report.
 */
export const runFileSchema = v.object({
  format: v.literal(1),
  id: v.string(),
  /** Labels, as version 0.1.0 kept them; later ones keep them in `labels.json`. */
  name: v.optional(v.string()),
  tags: v.optional(v.array(v.string())),
  pinned: v.optional(v.boolean()),
  /** ISO 8601. */
  startedAt: v.string(),
  endedAt: v.optional(v.string()),
  c10mVersion: v.string(),
  /** It was started from another laptop or account: its hosts keep it for whoever did. */
  startedElsewhere: v.optional(v.boolean()),
  spec: runSpecSchema,
  facts: v.optional(hostFactsSchema),
  plan: v.optional(planSchema),
  summary: v.optional(summarySchema),
});
export type RunFile = v.InferOutput<typeof runFileSchema>;

/** A run as the history gives it: with the labels that a person gave to it. */
export interface SavedRun extends RunFile {
  tags: string[];
  pinned: boolean;
}
