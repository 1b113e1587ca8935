import { HumanError } from '../core/errors.js';
import { planRun } from '../core/plan/plan.js';
import { changesSince } from '../core/plan/planCheck.js';
import { firstWall } from '../core/plan/plannedWalls.js';
import { sleep } from '../files/sleep.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';
import { describeHolder, holderOfRoot, HostLock, sharesHost } from './hostLock.js';
import type { Room } from './load/room.js';
import { findNeighbours } from './neighbours.js';
import { collectFacts } from './probe.js';
import type { SysctlFiles } from '../linux/sysctlFiles.js';
import type { RunStory } from './runStory.js';
import type { RunOrder } from './stateDirectory.js';

const lockPollMs = 1_000;

/** The lock of the host, inherited from the relay or waited for. Rejects with the signal's reason. */
export async function lockHost(
  order: RunOrder,
  lockFd: number | undefined,
  story: RunStory,
  signal: AbortSignal,
): Promise<{ lock: HostLock; waited: boolean; waitedSeconds: number }> {
  const beganAt = performance.now();
  let lock = lockFd === undefined ? undefined : HostLock.inherited(lockFd);
  let waited = false;
  for (; lock === undefined; waited = true) {
    const ofRoot = sharesHost(process.env) ? holderOfRoot(order.outer.user.id) : undefined;
    const result = ofRoot === undefined ? HostLock.tryAcquire(order.lockPath) : { holder: ofRoot };
    if (result instanceof HostLock) lock = result;
    else {
      if (!waited) story.log('info', `Waiting for ${describeHolder(result.holder)} to end.`);
      await sleep(lockPollMs, signal);
    }
  }
  const waitedSeconds = (performance.now() - beganAt) / 1_000;
  lock.describe(order.runId, order.owner, process.pid);
  warnOfNeighbours(story);
  return { lock, waited, waitedSeconds };
}

/** Other users have locks of their own: that they are here can only be said. */
export function warnOfNeighbours(story: RunStory): void {
  const pids = sharesHost(process.env) ? findNeighbours() : [];
  if (pids.length > 0)
    story.log('warn', `Another user has a run on this host (supervisor ${pids.join(', ')}): memory and rates are shared with it, so figures may be off.`);
}

export async function probeForRun(order: RunOrder, isolated: boolean, sysctls: SysctlFiles, story: RunStory): Promise<HostFacts> {
  const facts = await collectFacts(order.outer, isolated, sysctls);
  story.emit({ type: 'facts', facts });
  if (order.spec.isolation === 'netns' && !isolated && order.role === 'whole') {
    const { reason } = facts.namespace;
    story.log(
      'warn',
      `No network namespace can be made${reason === undefined ? '' : ` (${reason})`}: the run uses the host's own, and its keys go through the journal.`,
    );
  }
  return facts;
}

/**
 * The plan that was shown is the one that runs, or none. Where another run had the host when it was made, it is made anew, and shown. What one host
 * of several does cannot be planned here.
 */
export function settlePlan(order: RunOrder, facts: HostFacts, waited: boolean, story: RunStory): Plan {
  const { spec, plan: confirmed, role } = order;
  if (confirmed !== undefined && role !== 'whole') {
    story.emit({ type: 'plan', plan: confirmed });
    return confirmed;
  }
  const now = planRun(spec, facts);
  if (confirmed === undefined || waited) {
    story.emit({ type: 'plan', plan: now, ...(waited ? { reason: 'Another run used the host when the plan was made.' } : {}) });
    return now;
  }
  story.emit({ type: 'plan', plan: confirmed });
  const changes = changesSince(confirmed, now);
  if (changes.length === 0) return confirmed;
  throw new HumanError(`The host is no longer as it was when the run was planned: ${changes.join('; ')}. Nothing was changed.`, {
    remedy: 'Look at a new plan and start the run again.',
  });
}

/** The first wall stands at nothing: reported before anything is changed or started. */
export function refuse(plan: Plan, story: RunStory): never {
  const wall = firstWall(plan);
  if (wall === undefined) throw new HumanError('Not one connection fits.');
  const { id, title, evidence, remedy } = wall;
  story.emit({ type: 'wall', wall: { id, title, at: 0, evidence, remedy } });
  throw new HumanError(`Not one connection fits. ${title}: ${evidence}.`, { remedy });
}

/** What the workers of this host have room for. */
export function roomOf(spec: RunSpec, facts: HostFacts, sysctls: SysctlFiles): Room {
  const [first = 32_768, last = 60_999] = (sysctls.read('net.ipv4.ip_local_port_range') ?? '').split(/\s+/).map(Number);
  const nofile = Math.min(spec.workerNofile ?? Number.POSITIVE_INFINITY, facts.nofile.raisable);
  // A third of the range, of which the kernel takes the half of one parity first: its search slows down past that half.
  return { nofile, perTuple: Math.floor((last - first) / 3) };
}
