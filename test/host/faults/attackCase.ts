import assert from 'node:assert/strict';
import type { RestoreReport } from '../../../src/protocol/commands.js';
import type { RunSpecInput } from '../../../src/protocol/spec.js';
import type { HostVariants, TestHost } from '../support/host.js';
import type { SelectedCase } from '../support/selection.js';
import { RemoteRun, specFor, type Link } from './remoteRun.js';
import { agentPath } from './runCase.js';

/** One attack on a host: what lies in the way or what is done, and how it is met. */
export interface AttackCase extends SelectedCase {
  variants?: Partial<HostVariants>;
  /** Throws when it is met in any other way; `refused` and `survived` are for the table. */
  met: 'refused' | 'survived';
  attack(host: TestHost, open: OpenRun): Promise<unknown>;
}
/** A controller with a relay on the host, closed at the end of the case. */
export type OpenRun = (id: string, link?: Partial<Link>) => RemoteRun;

export const lowFileMax = { 'fs/file-max': '5000' };
/** Where a run's files lie by default: no test's state directory is named. */
export const byDefault = { isDirect: true, prefix: 'unset C10M_STATE_DIRECTORY XDG_RUNTIME_DIR XDG_STATE_HOME; export HOME=/root; exec' };
export const read = async (host: TestHost, path: string) => (await host.exec(`cat ${path}`)).stdout.trim();

/** A run that holds its connections. */
export async function startHolding(run: RemoteRun, input: Partial<RunSpecInput> = {}): Promise<RemoteRun> {
  await run.start(specFor({ connections: 200, holdSeconds: 30, ...input }));
  await run.waitForPhase('holding');
  return run;
}

export async function runToEnd(run: RemoteRun, input: Partial<RunSpecInput> = {}): Promise<void> {
  await run.start(specFor({ connections: 200, holdSeconds: 1, ...input }));
  const summary = await run.summary();
  assert.deepEqual([summary.verdict, summary.hostRestored], ['finished', true], summary.reason);
  await run.forget();
}

export async function refused(run: RemoteRun, message: RegExp): Promise<void> {
  await assert.rejects(run.start(specFor({ connections: 200, holdSeconds: 1 })), message);
}

export const restore = (run: RemoteRun, dryRun = false) => run.request((id) => ({ type: 'restore', id, dryRun })) as Promise<RestoreReport>;

/** For the table's helper, so that each case closes what it opened. */
export function opener(host: TestHost): { open: OpenRun; close: () => void } {
  const opened: RemoteRun[] = [];
  return {
    open(id, link = {}) {
      const run = new RemoteRun({ host, agentPath, ...link }, id);
      opened.push(run);
      return run;
    },
    close: () => {
      for (const run of opened) run.close();
    },
  };
}
