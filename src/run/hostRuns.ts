import { HumanError } from '../core/errors.js';
import { RunRecording } from '../history/recording.js';
import type { RunStore } from '../history/store.js';
import { type HostRun, parseHostRuns } from '../protocol/commands.js';
import { askHost } from './askHost.js';
import type { HostLease } from './hostPool.js';

/** The runs that a host keeps: those that go on there, and those that ended and were not fetched. Throws HumanErrors. */
export async function listHostRuns(lease: HostLease, signal: AbortSignal): Promise<HostRun[]> {
  return parseHostRuns(await askHost(lease, (id) => ({ type: 'list', id }), signal));
}

/**
 * Makes room in the store for a run that was started elsewhere, so that `Run.resume` can follow it from its first event. Its host
 * has the name that it has here, and keeps the run for whoever started it. One host's part of a run over several is followed as a run of its own.
 */
export function adoptHostRun(store: RunStore, hostName: string, { runId, spec, startedAt }: HostRun, version: string): void {
  if (spec === undefined) {
    throw new HumanError(`${hostName} does not say what ${runId} is: it was started by an older version.`, {
      code: 'unsupported',
      remedy: 'Follow it from where it was started.',
    });
  }
  RunRecording.begin(store, { id: runId, spec: { ...spec, host: hostName }, startedAt, version, startedElsewhere: true }).close();
}
