import { EventEmitter, type Disposable, type LogOutputChannel } from 'vscode';
import { entryText } from '../../core/run/line.js';
import type { PanelRequest } from '../../protocol/panel.js';
import type { RunSpec } from '../../protocol/spec.js';
import type { RunPlan } from '../../core/plan/hostPlans.js';
import type { Run } from '../../run/run.js';
import { notSaved, type RunListener } from '../../run/runRecord.js';
import { LiveRun } from './liveRun.js';
import type { RunningRuns } from './runningRuns.js';

export interface LiveRunsDependencies {
  createRun(spec: RunSpec, runId: string | undefined, progress: (text: string) => void): Run;
  running: RunningRuns;
  log: LogOutputChannel;
  /** Requests of a panel that are not orders to the run. */
  runCommand(runId: string, request: PanelRequest, spec?: RunSpec): Promise<unknown>;
}

/** The runs in progress of this window. Owns them. */
export class LiveRuns implements Disposable {
  private readonly runs = new Map<string, { shown: LiveRun; run: Run }>();
  private disposed = false;
  private readonly changed = new EventEmitter<void>();
  /** A run began, changed (once a second) or ended. */
  readonly onDidChange = this.changed.event;
  private readonly endedEmitter = new EventEmitter<LiveRun>();
  readonly onDidEnd = this.endedEmitter.event;

  constructor(private readonly dependencies: LiveRunsDependencies) {}

  get(runId: string): LiveRun | undefined {
    return this.runs.get(runId)?.shown;
  }

  get all(): readonly LiveRun[] {
    return [...this.runs.values()].map(({ shown }) => shown);
  }

  /** The run that began last. */
  get current(): LiveRun | undefined {
    return this.all.at(-1);
  }

  /** Starts a run by the plan that was confirmed and returns it at once; `outcome` settles when it is over and saved. */
  start(spec: RunSpec, plan: RunPlan): { run: LiveRun; outcome: Promise<void> } {
    return this.adopt(spec, undefined, (run, signal) => run.start(signal, plan));
  }

  /** Follows a run that goes on on its hosts, or fetches the end of one: from the last event that is saved here. */
  follow(spec: RunSpec, runId: string): { run: LiveRun; outcome: Promise<void> } {
    return this.adopt(spec, runId, (run, signal) => run.resume(signal));
  }

  dispose(): void {
    // The supervisor lives on: another window, or this one after its reload, attaches again within the lease.
    this.disposed = true;
    for (const { run, shown } of this.runs.values()) {
      run.detach();
      shown.dispose();
    }
    this.runs.clear();
    this.changed.dispose();
    this.endedEmitter.dispose();
  }

  private adopt(
    spec: RunSpec,
    runId: string | undefined,
    begin: (run: Run, signal: AbortSignal) => Promise<unknown>,
  ): { run: LiveRun; outcome: Promise<void> } {
    const abort = new AbortController();
    const run = this.dependencies.createRun(spec, runId, (text) => this.get(run.id)?.showProgress(text));
    const shown = new LiveRun(run, abort, (request) => this.dependencies.runCommand(run.id, request, spec));
    this.runs.set(run.id, { shown, run });
    const releaseLog = run.onEvent((...event) => this.logEvent(run.id, ...event));
    shown.onDelta(() => this.changed.fire());
    this.changed.fire();
    return { run: shown, outcome: this.untilEnd(shown, run, () => begin(run, abort.signal)).finally(releaseLog) };
  }

  private async untilEnd(shown: LiveRun, run: Run, begin: () => Promise<unknown>): Promise<void> {
    const { running } = this.dependencies;
    const runId = run.id;
    try {
      await running.remember({ runId, host: run.spec.host, pid: process.pid });
      await begin();
      const unsaved = notSaved(run);
      if (unsaved !== undefined) throw unsaved;
      shown.end();
    } catch (error) {
      if (this.disposed) return;
      shown.end(error);
      throw error;
    } finally {
      // A window that closes leaves its runs to the next one.
      if (!this.disposed) {
        this.runs.delete(runId);
        await running.forget(runId);
        this.endedEmitter.fire(shown);
        this.changed.fire();
        shown.dispose();
      }
    }
  }

  private logEvent(runId: string, event: Parameters<RunListener>[0], { line }: Parameters<RunListener>[1]): void {
    const { log } = this.dependencies;
    if (event.type === 'link') log.info(`${runId}: link ${event.lost ?? 'is back'}`);
    else if (event.type === 'saving') log.warn(`${runId}: ${event.problem ?? 'saved again'}`);
    else if (line === undefined) log.trace(`${runId}: ${event.type}`);
    else log[line.level](`${runId}: ${entryText(line)}`);
  }
}
