import { cancelledError } from '../core/cancellation.js';
import { HumanError } from '../core/errors.js';
import { hostsOf, planHosts, type RunPlan } from '../core/plan/hostPlans.js';
import { divideOrder } from '../core/plan/partSpecs.js';
import type { LinkState } from '../core/run/linkStates.js';
import { phaseOf, type RunModel } from '../core/run/model.js';
import { type Outcome, unseenText } from '../core/run/outcome.js';
import { eventOfWhole, hostsLeft, mostOf, newReport } from '../core/run/partReport.js';
import { RunRecording } from '../history/recording.js';
import { newRunId } from '../history/runId.js';
import type { RunStore } from '../history/store.js';
import type { Phase, RunEvent, Summary } from '../protocol/events.js';
import type { HostFacts } from '../protocol/facts.js';
import type { SampleColumns } from '../protocol/panel.js';
import type { RunSpec } from '../protocol/spec.js';
import { askHost } from './askHost.js';
import { BothSides } from './bothSides.js';
import { conductResume, conductStart } from './conduct.js';
import type { HostLease } from './hostPool.js';
import { type Part, Parts } from './parts.js';
import { type RunListener, RunRecord } from './runRecord.js';

export interface RunDependencies {
  lease(hostName: string): HostLease;
  store: RunStore;
  version: string;
  /** Who started it, for whoever finds the host busy: `name@laptop`. */
  owner: string;
  /** Values of `{env:NAME}` in a spec. Throws a HumanError (usage) for one that is not set. */
  secrets?: (spec: RunSpec) => Record<string, string>;
  log: (line: string) => void;
}

/**
 * One run on one host or on several: planned, started, followed, steered and saved. Each host runs its part by itself, under its own supervisor,
 * guardian and lease. With one host its events are those of the run; with several they are put together here, and saved whole in `hosts/` beside it.
 */
export class Run {
  private readonly record: RunRecord;
  private readonly parts: Parts;
  private readonly sides: BothSides;

  constructor(
    private readonly dependencies: RunDependencies,
    readonly spec: RunSpec,
    readonly id: string = newRunId(),
  ) {
    const { owner, secrets, version, log } = dependencies;
    const record = new RunRecord(id, spec);
    this.record = record;
    this.parts = new Parts({
      id,
      directory: this.directory,
      version,
      lease: (name) => dependencies.lease(name),
      orderBasis: () => ({ owner, secrets: secrets?.(spec) ?? {} }),
      elapsedSeconds: () => record.elapsedSeconds,
      accept: (part, event) => this.accept(part, event),
      onLink: (lost) => this.noteLink(lost),
      log,
    });
    this.sides = new BothSides({
      spec,
      parts: this.parts.all,
      walls: () => this.model.walls,
      phase: () => phaseOf(this.model),
      enter: (phase) => record.enter(phase),
      emit: (event) => record.emit(event),
    });
  }

  /** All that is shown of the run. */
  get model(): RunModel {
    return this.record.model;
  }

  /** All samples so far, as columns: a copy. */
  sampleColumns(): SampleColumns {
    return this.record.sampleColumns();
  }

  /** The links to its hosts, the server's first; none before it begins. */
  get links(): readonly { name: string; state: LinkState }[] {
    return this.parts.all.map(({ name, link }) => ({ name, state: link.state }));
  }

  /** Where the run is saved. */
  get directory(): string {
    return this.dependencies.store.pathOf(this.id);
  }

  /** Returns the way to stop listening. */
  onEvent(listener: RunListener): () => void {
    return this.record.onEvent(listener);
  }

  /** Resolves when the run is in this phase, now or for the first time; never, when it ends before: what waits then has no run any more. */
  reached(phase: Phase): Promise<void> {
    if (phaseOf(this.model) === phase) return Promise.resolve();
    return new Promise((resolve) => {
      const release = this.onEvent((event) => {
        if (event.type !== 'phase' || event.phase !== phase) return;
        release();
        resolve();
      });
    });
  }

  /** Probes the hosts and plans; changes nothing on them. Throws HumanErrors. */
  async plan(signal: AbortSignal): Promise<RunPlan> {
    const { spec } = this;
    const either = AbortSignal.any([signal, this.parts.closed]);
    const facts: HostFacts[] = [];
    // One after the other: each may have to ask a person.
    for (const name of hostsOf(spec)) {
      const lease = this.dependencies.lease(name);
      const isolation = spec.clientHosts.length > 0 ? 'host' : spec.isolation;
      try {
        facts.push(await askHost<HostFacts>(lease, (id) => ({ type: 'probe', id, isolation, servers: spec.attach !== undefined }), either));
      } finally {
        lease.release();
      }
    }
    return planHosts(spec, facts);
  }

  /**
   * Runs the spec by this plan, or by one that is made now, and resolves with the summary when the hosts are restored and everything is saved. Aborting
   * the signal stops the run (it drains and restores first). Rejects with a HumanError when it could not begin; then nothing was saved.
   */
  start(signal: AbortSignal, confirmed?: RunPlan): Promise<Summary> {
    return this.untilClosed(signal, async () => {
      const plan = confirmed ?? (await this.plan(signal));
      if (this.parts.closed.aborted) throw cancelledError();
      const { store, version } = this.dependencies;
      const startedAt = new Date().toISOString();
      this.record.saveIn(RunRecording.begin(store, { id: this.id, spec: this.spec, startedAt, version }));
      const [first, ...others] = plan.parts;
      if (others.length === 0) return this.followWhole(this.parts.add(first!));
      this.announce(plan, startedAt);
      return this.finish(await conductStart(this.conducted(), plan), false);
    });
  }

  /**
   * Follows a run that was started before, by another window or terminal, from the last event that is saved. What happened on several hosts meanwhile is
   * in their parts; the merged curve has a gap there. A run whose hosts had not all begun is ended.
   */
  async resume(signal: AbortSignal): Promise<Summary> {
    const { store } = this.dependencies;
    const saved = store.read(this.id);
    await store.eachEvent(this.id, (event) => this.record.accept(event));
    if (this.model.summary !== undefined) return this.model.summary;
    return this.untilClosed(
      signal,
      async () => {
        this.record.saveIn(RunRecording.continue(store, saved), saved.startedAt);
        if (this.spec.clientHosts.length > 0) {
          this.sides.noteGap();
          return this.finish(await conductResume(this.conducted()), true);
        }
        const part = { name: this.spec.host, role: 'whole', spec: this.spec, plan: this.model.plan } as const;
        return this.followWhole(this.parts.add(part, { ...newReport(), lastSequence: this.model.lastSequence }));
      },
      saved.startedElsewhere !== true,
    );
  }

  /** Stops the run from any phase: it drains, restores and ends as `stopped`. The first reason counts. A host out of reach is left to its lease. */
  stop(reason = 'Stopped by the user.'): void {
    this.parts.stop(reason);
  }

  /** Releases the run without stopping it: it lives on under its lease, and `resume` finds it. */
  detach(): void {
    this.parts.detach();
  }

  /** Changes the target (connections) or the rate (connections per second, 0: as fast as possible), shared over the client hosts as the plan did. */
  async set(change: { target?: number; rate?: number }): Promise<void> {
    await this.parts.order((planned) =>
      (planned.length === 1 ? [change] : divideOrder(change, planned)).map((share) => (id) => ({ type: 'set', id, ...share })),
    );
  }

  /** Sends so many messages of so many bytes over each open connection. Its result comes as an `order` event. */
  async burst(messages: number, bytes: number): Promise<void> {
    await this.parts.order((planned) => planned.map(() => (id) => ({ type: 'burst', id, messages, bytes })));
  }

  /** Closes all connections; the run goes on. */
  async removeAll(): Promise<void> {
    await this.parts.order((planned) => planned.map(() => (id) => ({ type: 'removeAll', id })));
  }

  private async untilClosed(signal: AbortSignal, follow: () => Promise<Summary>, isOurs = true): Promise<Summary> {
    const onAbort = () => this.stop();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) this.stop();
    try {
      const summary = await follow();
      // What is not on this disk must stay on the hosts'.
      if (summary.endSeen && this.model.unsaved === undefined && isOurs) await this.parts.forget();
      return summary;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.parts.close();
      this.record.close();
    }
  }

  /** One host: its events are those of the run. */
  private async followWhole(part: Part): Promise<Summary> {
    const end = await part.ended;
    if (end === undefined) throw released();
    if (end.is === 'seen') return this.model.summary ?? end.summary;
    if (end.is === 'unseen')
      return this.record.endUnseen({ verdict: this.unseenVerdict(), reason: unseenText(part.name, end.why, this.spec.leaseSeconds), keys: [] });
    this.record.discardIfEmpty();
    throw end.error;
  }

  private accept(part: Part, event: RunEvent): void {
    if (part.role === 'whole') {
      this.record.accept(event);
      return;
    }
    const body = eventOfWhole(part.name, event);
    if (body !== undefined) this.record.emit(body);
    if (event.type === 'sample' && part.role === 'server') this.sides.addSample();
  }

  private noteLink(lost: string | undefined): void {
    // What the server's host reports when it is back is of other times than what the clients' hosts report then.
    if (this.parts.all[0]?.link.state.is === 'lost') this.sides.noteGap();
    if (lost !== this.model.linkLost) this.record.accept({ type: 'link', lost });
  }

  /** What a host reports of itself before it begins, for several. */
  private announce(plan: RunPlan, startedAt: string): void {
    const { id, spec, record } = this;
    record.emit({ type: 'hello', runId: id, startedAt, agentVersion: this.dependencies.version, supervisorPid: process.pid, spec });
    record.enter('probing');
    record.emit({ type: 'facts', facts: plan.facts });
    record.enter('planning');
    record.emit({ type: 'plan', plan: plan.plan });
  }

  private conducted() {
    const { id, spec, directory, record, parts } = this;
    return { id, spec, directory, record, parts };
  }

  /** The end of a run over several hosts. One whose end was not seen on some host is followed from there by `resume`. */
  private finish(outcome: Outcome, isResumed: boolean): Summary {
    const { record, parts } = this;
    if (parts.isReleased) throw released();
    const begun = parts.all.filter(({ link: { state } }) => !(state.is === 'ended' && state.end.is === 'notBegun'));
    const left = { ...hostsLeft(begun), ...(isResumed || parts.hasGap ? { most: mostOf(parts.all) } : {}) };
    const unseen = begun.flatMap(({ name, link: { state } }) =>
      state.is === 'ended' && state.end.is === 'unseen' ? [unseenText(name, state.end.why, this.spec.leaseSeconds)] : [],
    );
    if (unseen.length > 0) return record.endUnseen({ ...left, verdict: this.unseenVerdict(), reason: [outcome.reason ?? [], unseen].flat().join(' ') });
    if (phaseOf(this.model) !== 'restoring') {
      this.sides.addLast();
      record.enter('restoring');
    }
    record.enter(outcome.verdict, outcome.reason);
    const summary = record.summarise({ ...outcome, ...left });
    record.emit({ type: 'summary', summary });
    return summary;
  }

  private unseenVerdict(): 'stopped' | 'failed' {
    return this.parts.stopReason === undefined ? 'failed' : 'stopped';
  }
}

function released(): HumanError {
  return new HumanError('The run goes on without this window.', { code: 'cancelled' });
}
