import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { specFromInput } from '../../../src/core/profile.js';
import type { SpecInput } from '../../../src/core/specInput.js';
import { RunStore } from '../../../src/history/store.js';
import type { Phase, RunEvent } from '../../../src/protocol/events.js';
import { type HostLease, HostPool } from '../../../src/run/hostPool.js';
import { Run } from '../../../src/run/run.js';
import type { Prompts } from '../../../src/transport/contract.js';
import { connectHost } from '../../../src/transport/transport.js';
import { testEnvironment } from './attempt.js';
import type { Laptop } from './laptop.js';

/** The window of a user, without its windows: one pool of hosts, one store, and whoever answers questions. */
export interface TestWindow {
  readonly pool: HostPool;
  readonly store: RunStore;
  /** Kinds of secrets that were asked for, in order. */
  readonly asked: string[];
  run(input: Partial<SpecInput>, options?: { id?: string; lease?: (name: string) => HostLease }): Run;
  close(): Promise<void>;
}

/** Host keys are known; each secret is answered with `password`. */
export function openWindow(laptop: Laptop, password?: string): TestWindow {
  const asked: string[] = [];
  const prompts: Prompts = {
    confirmHostKey: () => Promise.resolve(false),
    secret: ({ kind }) => {
      asked.push(kind);
      return Promise.resolve(password);
    },
    confirm: () => Promise.resolve(false),
  };
  const pool = new HostPool((name, { signal, progress }) =>
    connectHost(name, {
      payloadDirectory: join(import.meta.dirname, '..', '..', '..', 'dist', 'host'),
      environment: testEnvironment(laptop),
      prompts,
      signal,
      progress,
      log: () => undefined,
      inform: () => undefined,
    }),
  );
  const store = new RunStore(join(laptop.home, 'window-runs'));
  return {
    pool,
    store,
    asked,
    run: (input, { id, lease = (name: string) => pool.lease(name) } = {}) =>
      new Run(
        { lease, store, version: 'test', owner: 'tester@laptop', log: () => undefined },
        id === undefined ? specFromInput({ connections: 600, ...input }) : store.read(id).spec,
        id,
      ),
    close: () => pool.dispose(),
  };
}

/** Resolves when the run reports such an event. Rejects when it takes longer than a minute. */
export function seen(run: Run, what: (event: RunEvent) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      release();
      reject(new Error(`it did not come; the run is ${run.model.phases.at(-1)?.phase ?? 'not begun'}`));
    }, 60_000);
    const release = run.onEvent((event) => {
      if (!('seq' in event) || !what(event)) return;
      clearTimeout(timer);
      release();
      resolve();
    });
  });
}

export const inPhase = (phase: Phase) => (event: RunEvent) => event.type === 'phase' && event.phase === phase;

/** Waits for a condition, at most `seconds`. */
export async function until(isSo: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
  for (const deadline = performance.now() + seconds * 1_000; !(await isSo());) {
    if (performance.now() > deadline) throw new Error(`it did not come within ${seconds} s`);
    await delay(50);
  }
}
