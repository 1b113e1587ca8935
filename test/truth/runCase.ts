import { type Check, type TruthCase } from './checks.js';
import { observeRun } from './observedRun.js';

/** Runs one case to its end; what it disturbs is undone also when it fails. */
export async function runCase({ args, through, input, onReading, beside, checks }: TruthCase): Promise<Check[]> {
  const end = await beside?.();
  try {
    const run = await observeRun({
      args,
      ...(through === undefined ? {} : { through }),
      ...(input === undefined ? {} : { input }),
      ...(onReading === undefined ? {} : { onReading }),
    });
    if (run.summary === undefined) throw new Error(`The run has no summary (exit code ${run.exitCode ?? 'none'}): ${run.stderr.slice(-1_000)}`);
    return checks(run);
  } finally {
    end?.();
  }
}
