import type { RunStore } from '../history/store.js';
import type { RunEvent, Sample, Summary } from '../protocol/events.js';
import type { Plan } from '../protocol/plan.js';
import type { RunSpec } from '../protocol/spec.js';
import type { RunController } from './controller.js';

/** What one host does in a run over several. */
export interface Part {
  name: string;
  role: 'server' | 'client';
  controller: RunController;
  done: Promise<Summary>;
  last: Sample | undefined;
  /** Most connections of its side in all of its samples, those that were missed and told later included. */
  most: number;
}

/** What is saved of a part, to take it up again; undefined where it had not begun. */
export async function savedPart(
  store: RunStore,
  id: string,
  role: Part['role'],
): Promise<{ spec: RunSpec; plan: Plan | undefined; lastSequence: number; lastSample: Sample | undefined; most: number } | undefined> {
  if (!store.list().some((entry) => entry.id === id && entry.state === 'ok')) return undefined;
  const { spec, plan } = store.read(id);
  let lastSequence = 0;
  let lastSample: Sample | undefined;
  let most = 0;
  await store.eachEvent(id, (event) => {
    lastSequence = event.seq;
    if (event.type !== 'sample') return;
    lastSample = event;
    most = Math.max(most, event.established[role]);
  });
  return { spec, plan, lastSequence, lastSample, most };
}

/** An event without what numbers and times it, to be told again as one of the merged run. */
export function bodyOf<T extends RunEvent>(event: T): Omit<T, 'seq' | 't'> {
  const copy: Partial<T> = { ...event };
  delete copy.seq;
  delete copy.t;
  return copy as Omit<T, 'seq' | 't'>;
}
