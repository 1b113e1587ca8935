import { join } from 'node:path';
import type { HostPart } from '../core/plan/hostPlans.js';
import { newReport, noteReport, type PartReport } from '../core/run/partReport.js';
import { partsName } from '../history/exchange.js';
import { RunStore } from '../history/store.js';

/** Where the parts of a run over several hosts are saved whole, beside it. */
export function partStore(runDirectory: string): RunStore {
  return new RunStore(join(runDirectory, partsName));
}

/** The id of one host's part, on that host and on disk. `index`: 0 the server's, then the client hosts in their order. */
export function partId(runId: string, role: HostPart['role'], index: number): string {
  return role === 'whole' ? runId : `${runId}-${role === 'server' ? 'server' : `client${index}`}`;
}

export interface SavedPart {
  part: Omit<HostPart, 'plan'> & { plan?: HostPart['plan'] | undefined };
  report: PartReport;
}

/** What is saved of a part, to follow it again; undefined where it had not begun. */
export async function savedPart(store: RunStore, runId: string, name: string, index: number): Promise<SavedPart | undefined> {
  const role = index === 0 ? 'server' : 'client';
  const id = partId(runId, role, index);
  if (!store.list().some((entry) => entry.id === id && entry.state === 'ok')) return undefined;
  const { spec, plan } = store.read(id);
  const report = newReport();
  await store.eachEvent(id, (event) => noteReport(report, role, event));
  return { part: { name, role, spec, plan }, report };
}
