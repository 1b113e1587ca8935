import type { Plan, PlannedWall } from '../../protocol/plan.js';
import { formatCount } from '../units.js';

/**
 * Memory moves from second to second: a plan still fits while no more than this share of it has lost its room, and the guard watches the rest. One
 * that aims at the ceiling asks for no number in particular.
 */
const tolerance = { number: 0.1, max: 0.5 };

/**
 * What has changed on a host since a plan was confirmed, so that it may no longer be carried out; empty: it still fits. `now` is what would be planned
 * now for the same spec. Keys are raised only as confirmed, so that one which would have to be raised beyond that is a change.
 */
export function changesSince(confirmed: Plan, now: Plan): string[] {
  const changes: string[] = [];
  if (confirmed.isolation !== now.isolation) {
    changes.push(`the run would be isolated by ${isolationText(now)}, not by ${isolationText(confirmed)}`);
  }
  if (now.connections < confirmed.connections * (1 - (confirmed.requested === 'max' ? tolerance.max : tolerance.number))) {
    changes.push(`${formatCount(now.connections)} connections fit, not ${formatCount(confirmed.connections)}${wallText(firstMoved(confirmed, now))}`);
  }
  for (const port of missingPorts(confirmed, now)) changes.push(`port ${port} is in use`);
  for (const { key, current, scope } of now.sysctls) {
    if (scope === 'global' && !confirmed.sysctls.some((planned) => planned.key === key)) changes.push(`${key} is ${current} and would have to be raised`);
  }
  return changes;
}

function isolationText({ isolation }: Plan): string {
  return { netns: 'a network namespace', userns: 'a user and network namespace', host: 'nothing, in the network of the host' }[isolation];
}

/** The first wall that stands lower now than when the plan was confirmed. */
function firstMoved(confirmed: Plan, now: Plan): PlannedWall | undefined {
  return now.walls.find((wall) => {
    const before = confirmed.walls.find(({ id }) => id === wall.id);
    return wall.atAfterTuning !== null && (before?.atAfterTuning ?? Number.POSITIVE_INFINITY) > wall.atAfterTuning;
  });
}

function wallText(wall: PlannedWall | undefined): string {
  return wall === undefined ? '' : ` (${wall.title}: ${wall.evidence})`;
}

/** Ports that were planned and would be left out now, because something listens there. */
function missingPorts(confirmed: Plan, now: Plan): number[] {
  const portsOf = (plan: Plan) => plan.serverWorkers.flatMap((worker) => worker.ports.map(({ port }) => port));
  const planned = new Set(portsOf(now));
  const highest = Math.max(0, ...planned);
  // The number of ports may differ with the room that is left; one below the highest that is passed over is taken.
  return portsOf(confirmed).filter((port) => port < highest && !planned.has(port));
}
