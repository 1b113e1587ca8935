import { sameValue } from '../../core/plan/sysctls.js';
import type { RestoreReport } from '../../protocol/commands.js';
import { closeRun, type ClosedRun } from './cleanup.js';
import { HostLock, lockPath } from '../hostLock.js';
import { Journal } from './journal.js';
import { readBootId } from '../probe.js';
import { conditionOfRun, type RunDirectory, type StateDirectory } from '../stateDirectory.js';
import { SysctlFiles } from './sysctlFiles.js';

/** Does for a run what its supervisor and its guardian, both dead, no longer can. */
export async function closeAbandoned(run: RunDirectory, sysctls: SysctlFiles): Promise<ClosedRun> {
  const closed = await closeRun(run, 'The supervisor and its guardian on the host were killed.', sysctls);
  HostLock.sweep(lockPath(process.env));
  return closed;
}

/** Puts back what dead runs left on this host, or tells what it would do. Runs that live are left alone. */
export async function restoreHost(state: StateDirectory, dryRun: boolean, sysctls = new SysctlFiles()): Promise<RestoreReport> {
  const report: RestoreReport = { runs: [], keys: [], processesEnded: 0, complete: true };
  for (const run of state.runs()) {
    if (conditionOfRun(run) !== 'abandoned') continue;
    report.runs.push(run.runId);
    addPlannedKeys(report, run, sysctls);
    if (dryRun) continue;
    const closed = await closeAbandoned(run, sysctls);
    report.processesEnded += closed.processesEnded;
    report.complete &&= closed.complete;
    for (const key of closed.keys) {
      const listed = report.keys.find((candidate) => candidate.key === key.key && candidate.outcome === 'wouldRestore');
      if (listed !== undefined) Object.assign(listed, key);
    }
  }
  if (dryRun) report.complete = report.runs.length === 0;
  return report;
}

function addPlannedKeys(report: RestoreReport, run: RunDirectory, sysctls: SysctlFiles): void {
  const journal = Journal.load(run.journalPath);
  if (journal === undefined || journal.isClosed) return;
  const sameBoot = journal.bootId === readBootId();
  for (const entry of journal.entries) {
    const now = sysctls.read(entry.key) ?? null;
    const holdsOurs = now !== null && sameValue(entry.key, now, entry.ours);
    const outcome = !sameBoot
      ? 'earlierBoot'
      : holdsOurs
        ? 'wouldRestore'
        : now !== null && sameValue(entry.key, now, entry.original)
          ? 'restored'
          : 'changedByOthers';
    report.keys.push({ ...entry, now, outcome });
  }
}
