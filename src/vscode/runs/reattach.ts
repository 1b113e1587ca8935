import type { LogOutputChannel } from 'vscode';
import { messageOf } from '../../core/errors.js';
import { sleep } from '../../files/sleep.js';
import type { SavedRun } from '../../protocol/result.js';
import type { RunStore } from '../../history/store.js';
import type { LiveRuns } from './liveRuns.js';
import type { RunningRuns } from './runningRuns.js';

/** How long a reloaded window waits for the extension host of its former self to end, and how often it looks. */
const handoverMs = 15_000;
const lookEveryMs = 500;

export interface ReattachDependencies {
  running: RunningRuns;
  live: LiveRuns;
  store: RunStore;
  log: LogOutputChannel;
}

/**
 * Takes up the runs that a reloaded or closed window left in progress. Its extension host may live on for some seconds, so the
 * list is looked at more than once. The lease of a run is 120 s: nothing is lost in the meantime.
 */
export async function reattachOrphans(dependencies: ReattachDependencies): Promise<void> {
  const { running, live, log } = dependencies;
  const deadline = Date.now() + handoverMs;
  const taken = new Set<string>();
  for (;;) {
    const others = await running.list();
    if (others.length === 0) return;
    for (const entry of await running.orphans()) {
      if (taken.has(entry.runId) || live.get(entry.runId) !== undefined) continue;
      taken.add(entry.runId);
      void reattach(dependencies, entry.runId).catch((error: unknown) => log.warn(`${entry.runId}: ${messageOf(error)}`));
    }
    if (Date.now() > deadline) return;
    await sleep(lookEveryMs);
  }
}

async function reattach({ running, live, store, log }: ReattachDependencies, runId: string): Promise<void> {
  const entry = (await running.list()).find((candidate) => candidate.runId === runId);
  if (entry === undefined) return;
  // Claimed before anything else, so that a second window does not take it too.
  await running.remember({ ...entry, pid: process.pid });
  let run: SavedRun;
  try {
    run = store.read(runId);
  } catch (error) {
    await running.forget(runId);
    throw error;
  }
  if (run.summary !== undefined) {
    await running.forget(runId);
    return;
  }
  log.info(`${runId}: attaching again to ${entry.host}`);
  await live.follow(run.spec, runId).outcome;
}
