import { messageOf } from '../core/errors.js';
import type { RunWriter } from '../history/runWriter.js';
import type { RunStore } from '../history/store.js';
import type { SavedRun } from '../protocol/result.js';
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

  /** `run` with the name, tags and pin that a person may have given it in the history while it went on. */
  protected withPersonalTouch(run: SavedRun): SavedRun {
    try {
      const { name, tags, pinned } = this.dependencies.store.read(this.state.runId);
      const touched: SavedRun = { ...run, tags, pinned };
      delete touched.name;
      return name === undefined ? touched : { ...touched, name };
    } catch (error) {
      // Its file was damaged or taken away: what is known here is written again.
      this.dependencies.log(`The saved run could not be read: ${messageOf(error)}`);
      return run;
    }
  }

  /** To be called after each write. */
  protected tellSaving(writer: RunWriter | undefined): void {
    const problem = writer?.problem;
    if (problem === this.state.unsaved) return;
    this.state.unsaved = problem;
    this.publish({ type: 'saving' });
  }

  protected publish(event: ControllerEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
