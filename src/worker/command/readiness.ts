import { sleep } from '../../files/sleep.js';
import type { ServerWorkerPlan } from '../../protocol/plan.js';
import { endpointText, listeners, reaches, type Listener } from '../../linux/socketDiagnosis.js';

const pollMs = 50;
/** So many other listeners are named. */
const namedListeners = 8;

/** Resolves with the listeners of all planned ports, or with the ports that are missing when the time is over or `isOver` says so. */
export async function waitUntilListening(
  plan: Pick<ServerWorkerPlan, 'address' | 'ports'>,
  timeoutMs: number,
  isOver: () => boolean,
): Promise<{ listening: Listener[]; missing: number[]; all: Listener[] }> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    // Asks the kernel instead of connecting, so that no connection is counted that is not the run's.
    const all = listeners();
    const mine = plan.ports.map(({ port }) => all.filter((listener) => reaches(listener, plan.address, port)));
    const missing = plan.ports.filter((_, index) => mine[index]!.length === 0).map(({ port }) => port);
    if (missing.length === 0 || isOver() || performance.now() >= deadline) return { listening: mine.flat(), missing, all };
    await sleep(pollMs);
  }
}

/** Where something does listen that was not there before the command: what a person needs who asked for another address or port. */
export function listenersText(all: readonly Listener[], before: readonly Listener[]): string {
  const known = new Set(before.map(({ inode }) => inode));
  const added = all.filter(({ inode }) => !known.has(inode));
  if (added.length === 0) return 'Nothing new listens in its network namespace.';
  const named = added.slice(0, namedListeners).map(({ address, port }) => endpointText(address, port));
  return `What it does listen on: ${named.join(', ')}${added.length > named.length ? `, and ${added.length - named.length} more` : ''}.`;
}
