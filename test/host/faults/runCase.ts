import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { startHost } from '../support/host.js';
import type { FaultCase } from './cases.js';
import { leftoversBetween, snapshotOf } from './hostSnapshot.js';
import { RemoteRun, specFor } from './remoteRun.js';

export const agentPath = resolve('dist/host/agent.cjs');

/** What was checked of one case, for the table. */
export interface CaseRow {
  name: string;
  verdict: string;
  reason: string;
  checked: string;
  seconds: number;
}

/** Runs one fault on a host of its own and checks that the host is as before and that the run tells the truth. Throws when not. */
export async function runCase(fault: FaultCase, index: number): Promise<CaseRow> {
  const began = Date.now();
  const host = await startHost({ name: `f${index}`, ...fault.variants });
  let run: RemoteRun | undefined;
  try {
    await fault.prepare?.(host);
    const before = await snapshotOf(host);
    run = new RemoteRun(
      { host, agentPath, ...(fault.user === undefined ? {} : { user: fault.user }), ...(fault.prefix === undefined ? {} : { prefix: fault.prefix(host) }) },
      `run-${index}`,
    );
    await run.start(specFor(fault.spec ?? {}));
    await run.waitForPhase(fault.phase ?? 'holding');
    await fault.fault({ host, run });
    const summary = await run.summary();
    assert.equal(summary.verdict, fault.verdict, summary.reason);
    if (fault.reason !== undefined) assert.match(summary.reason ?? '', fault.reason);
    assert.equal(summary.hostRestored, true, JSON.stringify(summary.keys));
    assert.deepEqual(run.gaps, [], 'no event is missing');
    const phases = run.events.flatMap((event) => (event.type === 'phase' ? [event.phase] : []));
    assert.deepEqual(phases.slice(-2), ['restoring', fault.verdict]);
    assert.equal(run.events.at(-1)?.type, 'summary');
    const more = await fault.check?.({ host, run, summary });
    await run.forget();
    run.close();
    const left = await settledLeftovers(host, before, fault);
    assert.deepEqual(left, [], 'nothing is left behind');
    for (const [key, value] of Object.entries(fault.changedByOthers ?? {})) {
      assert.equal((await host.exec(`cat /proc/sys/${key}`)).stdout.trim(), value, `${key} is as somebody else set it`);
    }
    return {
      name: fault.name,
      verdict: summary.verdict,
      reason: summary.reason ?? '',
      checked: `${Object.keys(before.sysctls).length} keys, processes, namespaces, files, addresses${more === undefined ? '' : `; ${more}`}`,
      seconds: (Date.now() - began) / 1_000,
    };
  } finally {
    run?.close();
    await host.stop();
  }
}

/** The session's own processes need a moment to end. */
async function settledLeftovers(
  host: Awaited<ReturnType<typeof startHost>>,
  before: Awaited<ReturnType<typeof snapshotOf>>,
  fault: FaultCase,
): Promise<string[]> {
  const allowed = Object.keys(fault.changedByOthers ?? {});
  let left: string[] = [];
  for (let tries = 0; tries < 20; tries++) {
    left = leftoversBetween(before, await snapshotOf(host), allowed);
    if (left.length === 0) break;
    await new Promise((resolve_) => setTimeout(resolve_, 100));
  }
  return left;
}
