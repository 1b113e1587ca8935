import { sameValue } from '../core/sysctls.js';
import type { RestoreReport } from '../protocol/commands.js';
import { closeRun } from './cleanup.js';
import { Journal } from './journal.js';
import { readBootId } from './probe.js';
import { conditionOf, type RunDirectory, type StateDirectory } from './stateDirectory.js';
import { SysctlFiles } from './sysctlFiles.js';

/** Puts back what dead runs left on this host, or tells what it would do. Runs that live are left alone. */
export async function restoreHost(state: StateDirectory, dryRun: boolean, sysctls = new SysctlFiles()): Promise<RestoreReport> {
  const report: RestoreReport = { runs: [], keys: [], processesEnded: 0, commands: [], complete: true };
  for (const run of state.runs()) {
    if (conditionOf(run.readState()) !== 'abandoned') continue;
    report.runs.push(run.runId);
    addPlannedKeys(report, run, sysctls);
    if (dryRun) continue;
    const closed = await closeRun(run, 'The supervisor and its guardian on the host were killed; the host was restored afterwards.', sysctls);
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
    if (outcome === 'wouldRestore') report.commands.push(`sysctl -w ${entry.key}='${entry.original.replace(/\s+/g, ' ')}'`);
  }
}
