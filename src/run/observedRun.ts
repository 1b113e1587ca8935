import type { RunStore } from '../history/store.js';
import type { RunSpec } from '../protocol/spec.js';
import type { HostConnection } from '../transport/transport.js';
import type { ControllerEvent } from './runHandle.js';
import { newRunState, type RunState } from './runState.js';

export interface ControllerDependencies {
  connect(hostName: string): Promise<HostConnection>;
  store: RunStore;
  version: string;
  /** Who started it, for whoever finds the host busy: `name@laptop`. */
  owner: string;
  log: (line: string) => void;
}

/** What every run offers its views: its state, its place on disk, and each event as it comes. */
export abstract class ObservedRun {
  readonly state: RunState;
  private readonly listeners = new Set<(event: ControllerEvent) => void>();

  constructor(
    protected readonly dependencies: ControllerDependencies,
    spec: RunSpec,
    runId: string,
  ) {
    this.state = newRunState(runId, spec);
  }

  /** Returns the way to stop listening. */
  onEvent(listener: (event: ControllerEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Where the run is saved. */
  get directory(): string {
    return this.dependencies.store.pathOf(this.state.runId);
  }

  protected publish(event: ControllerEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
