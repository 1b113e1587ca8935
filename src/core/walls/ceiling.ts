import type { Plan } from '../../protocol/plan.js';
import { isSlowing } from './catalogue.js';
import { formatCount } from '../units.js';
import type { WallId } from './catalogue.js';

const gibibyte = 1024 ** 3;
const wallsOfMemory: ReadonlySet<string> = new Set<WallId>(['memory', 'cgroupMemory']);

/**
 * What a run to the ceiling would gain if the wall that ended it at `held` connections were raised: connections for each GiB where it is
 * memory, and where the next known wall stands.
 */
export function gainBeyond(id: WallId, held: number, plan: Pick<Plan, 'walls' | 'predicted' | 'connections'>): string {
  const next = plan.walls.find((wall) => wall.id !== id && wall.atAfterTuning !== null && wall.atAfterTuning > held && !isSlowing(wall.id));
  const bytesPerConnection = plan.predicted.totalBytes / Math.max(1, plan.connections);
  const perGibibyte =
    wallsOfMemory.has(id) && bytesPerConnection > 0 ? `Each further GiB gives about ${formatCount(gibibyte / bytesPerConnection)} connections. ` : '';
  const then = next === undefined ? 'No further wall is known.' : `The next wall that is known stands at ${formatCount(next.atAfterTuning!)}: ${next.title}.`;
  return `${perGibibyte}${then}`;
}
