import type { RunSpec } from '../protocol/spec.js';
import { RunController } from './controller.js';
import type { ControllerDependencies } from './observedRun.js';
import { DistributedController } from './distributedController.js';
import type { RunHandle } from './runHandle.js';

/** The controller that fits the spec: several hosts need one that keeps them together. */
export function newRun(dependencies: ControllerDependencies, spec: RunSpec, runId?: string): RunHandle {
  return spec.clientHosts.length > 0 ? new DistributedController(dependencies, spec, runId) : new RunController(dependencies, spec, runId);
}
