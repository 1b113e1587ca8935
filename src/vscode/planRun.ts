import type { RunSpec } from '../protocol/spec.js';
import type { RunPlan } from '../core/plan/hostPlans.js';

/** Probes the hosts of a run and plans it; changes nothing. */
export type PlanRun = (spec: RunSpec, progress: (text: string) => void, signal: AbortSignal) => Promise<RunPlan>;
