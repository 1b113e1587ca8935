import { EventEmitter, type Disposable, type LogOutputChannel } from 'vscode';
import type { PanelRequest } from '../../protocol/panel.js';
import type { RunSpec } from '../../protocol/spec.js';
import type { ControllerEvent } from '../../run/runHandle.js';
import { notSaved, type RunHandle } from '../../run/runHandle.js';
import { LiveRun } from './liveRun.js';
import type { RunningRun, RunningRuns } from './runningRuns.js';

export interface LiveRunsDependencies {
  createController(spec: RunSpec, runId: string | undefined, progress: (text: string) => void, signal: AbortSignal): RunHandle;
  running: RunningRuns;
  log: LogOutputChannel;
  /** Requests of a panel that are not orders to the run. */
  runCommand(runId: string, request: PanelRequest, spec?: RunSpec): Promise<unknown>;
}

/** The runs in progress of this window. Owns their controllers. */
export class LiveRuns implements Disposable {
  private readonly runs = new Map<string, LiveRun>();
  private readonly controllers = new Map<string, RunHandle>();
  private disposed = false;
  private readonly changed = new EventEmitter<void>();
  /** A run began, changed (once a second) or ended. */
  readonly onDidChange = this.changed.event;
  private readonly endedEmitter = new EventEmitter<LiveRun>();
  readonly onDidEnd = this.endedEmitter.event;

  constructor(private readonly dependencies: LiveRunsDependencies) {}

  get(runId: string): LiveRun | undefined {
    return this.runs.get(runId);
  }

  get all(): readonly LiveRun[] {
    return [...this.runs.values()];
  }

  /** The run that began last. */
  get current(): LiveRun | undefined {
    return this.all.at(-1);
  }

  /** Starts a run and returns it at once; `outcome` settles when it is over and saved. */
  start(spec: RunSpec): { run: LiveRun; outcome: Promise<void> } {
    const abort = new AbortController();
    const said: { run?: LiveRun } = {};
    const controller = this.dependencies.createController(spec, undefined, (text) => said.run?.tell(text), abort.signal);
    const run = this.adopt(controller, spec, abort);
    said.run = run;
    return { run, outcome: this.follow(run, controller, () => controller.start(abort.signal)) };
  }

  /** Takes up a run that an earlier window left in progress. */
  async reattach(entry: RunningRun, spec: RunSpec): Promise<void> {
    const abort = new AbortController();
    const said: { run?: LiveRun } = {};
    const controller = this.dependencies.createController(spec, entry.runId, (text) => said.run?.tell(text), abort.signal);
    const run = this.adopt(controller, spec, abort);
    said.run = run;
    await this.follow(run, controller, () => controller.reattach(abort.signal));
  }

  dispose(): void {
    // The supervisor lives on: another window, or this one after its reload, attaches again within the lease.
    this.disposed = true;
    for (const controller of this.controllers.values()) void controller.detach();
    for (const run of this.runs.values()) run.dispose();
    this.runs.clear();
    this.changed.dispose();
    this.endedEmitter.dispose();
  }

  private adopt(controller: RunHandle, spec: RunSpec, abort: AbortController): LiveRun {
    const { runId } = controller.state;
    const run = new LiveRun(controller, runId, spec, abort, (request) => this.dependencies.runCommand(runId, request, spec));
    this.runs.set(runId, run);
    this.controllers.set(runId, controller);
    controller.onEvent((event) => this.logEvent(runId, event));
    run.onDelta(() => this.changed.fire());
    this.changed.fire();
    return run;
  }

  private async follow(run: LiveRun, controller: RunHandle, begin: () => Promise<unknown>): Promise<void> {
    const { running } = this.dependencies;
    const { runId } = run;
    try {
      await running.remember({ runId, host: run.spec.host, pid: process.pid });
      await begin();
      const unsaved = notSaved(controller);
      if (unsaved !== undefined) throw unsaved;
      run.end();
    } catch (error) {
      if (this.disposed) return;
      run.end(error);
      throw error;
    } finally {
      // A window that closes leaves its runs to the next one.
      if (!this.disposed) {
        this.runs.delete(runId);
        this.controllers.delete(runId);
        await running.forget(runId);
        this.endedEmitter.fire(run);
        this.changed.fire();
        run.dispose();
      }
    }
  }

  private logEvent(runId: string, event: ControllerEvent): void {
    const { log } = this.dependencies;
    switch (event.type) {
      case 'link':
        log.info(`${runId}: link ${this.controllers.get(runId)?.state.linkLost ?? 'is back'}`);
        break;
      case 'saving':
        log.warn(`${runId}: ${this.controllers.get(runId)?.state.unsaved ?? 'saved again'}`);
        break;
      case 'phase':
        log.info(`${runId}: ${event.phase}${event.detail === undefined ? '' : `, ${event.detail}`}`);
        break;
      case 'log':
        log[event.level](`${runId}: ${event.text}`);
        break;
      case 'wall':
        log.warn(`${runId}: ${event.wall.title} at ${event.wall.at}. ${event.wall.evidence} ${event.wall.remedy}`);
        break;
      default:
        log.trace(`${runId}: ${event.type}`);
    }
  }
}
