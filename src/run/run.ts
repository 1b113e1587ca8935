import { HumanError } from '../core/errors.js';
import { phaseOf, type RunModel } from '../core/run/model.js';
import { RunRecording } from '../history/recording.js';
import { newRunId } from '../history/runId.js';
import type { RunStore } from '../history/store.js';
import type { ControllerCommand } from '../protocol/commands.js';
import type { Phase, RunEvent, Summary } from '../protocol/events.js';
import type { HostFacts } from '../protocol/facts.js';
import type { RunSpec } from '../protocol/spec.js';
import { askHost } from './askHost.js';
import { BothSides } from './bothSides.js';
import { asWhole, leftOf, mostOf, newReport, noteReport, type Part, type PartReport } from './combine.js';
import { awaitServer, conduct, type Conducted, type Outcome } from './conduct.js';
import { HostLink } from './hostLink.js';
import type { HostLease } from './hostPool.js';
import type { LinkState } from './linkStates.js';
import { divideOrder } from './partSpecs.js';
import { type HostPart, hostsOf, planHosts, type RunPlan } from './planning.js';
import { type RunListener, RunRecord } from './runRecord.js';
import { partId, partStore, savedPart, type SavedPart } from './savedParts.js';

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
  private stopReason: string | undefined;
  private target = 0;
  private readonly parts: Part[] = [];
  private readonly record: RunRecord;
  private readonly sides: BothSides;
  /** Given when the run is stopped or let go of: nothing new is begun then. */
  private readonly closing = new AbortController();
  /** Looked at after each event of a part. */
  private readonly checks = new Set<() => void>();

  constructor(
    private readonly dependencies: RunDependencies,
    readonly spec: RunSpec,
    readonly id: string = newRunId(),
  ) {
    this.record = new RunRecord(id, spec);
    this.sides = new BothSides({
      spec,
      walls: () => this.model.walls,
      parts: () => this.parts,
      now: () => ({ phase: phaseOf(this.model), target: this.target }),
      enter: (phase) => this.record.enter(phase),
      emit: (event) => this.record.emit(event),
    });
  }

  /** All that is shown of the run. */
  get model(): RunModel {
    return this.record.model;
  }

  /** The links to its hosts, the server's first; none before it begins. */
  get links(): readonly { name: string; state: LinkState }[] {
    return this.parts.map(({ name, link }) => ({ name, state: link.state }));
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
    const either = AbortSignal.any([signal, this.closing.signal]);
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
      if (this.closing.signal.aborted) throw new HumanError('Cancelled.', { code: 'cancelled' });
      const { store, version } = this.dependencies;
      const startedAt = new Date().toISOString();
      this.record.saveIn(RunRecording.begin(store, { id: this.id, spec: this.spec, startedAt, version }));
      const [first, ...others] = plan.parts;
      if (others.length === 0) return this.followWhole(this.addPart(first!));
      this.announce(plan, startedAt);
      return this.finish(await this.startParts(first!, others));
    });
  }

  /**
   * Follows a run that was started before, by another window or terminal, from the last event that is saved. What happened on several hosts meanwhile is
   * in their parts; the merged curve has a gap there. A run whose hosts had not all begun is ended. `isGuest`: it was started elsewhere, so that its hosts
   * keep it for whoever did.
   */
  async resume(signal: AbortSignal, isGuest = false): Promise<Summary> {
    const { store } = this.dependencies;
    const saved = store.read(this.id);
    await store.eachEvent(this.id, (event) => this.record.accept(event));
    if (this.model.summary !== undefined) return this.model.summary;
    return this.untilClosed(
      signal,
      async () => {
        this.record.saveIn(RunRecording.continue(store, saved), saved.startedAt);
        if (this.spec.clientHosts.length > 0) return this.finish(await this.resumeParts());
        const part = { name: this.spec.host, role: 'whole', spec: this.spec, plan: this.model.plan } as const;
        return this.followWhole(this.addPart(part, { ...newReport(), lastSequence: this.model.lastSequence }));
      },
      isGuest,
    );
  }

  /** Stops the run from any phase: it drains, restores and ends as `stopped`. The first reason counts. A host out of reach is left to its lease. */
  stop(reason = 'Stopped by the user.'): void {
    this.stopReason ??= reason;
    this.closing.abort();
    for (const part of this.parts) part.link.stop(this.stopReason);
  }

  /** Lets go of the run without stopping it: it lives on under its lease, and `resume` finds it. */
  detach(): void {
    this.closing.abort();
    for (const part of this.parts) part.link.detach();
  }

  /** Changes the target (connections) or the rate (connections per second, 0: as fast as possible), shared over the client hosts as the plan did. */
  async set(change: { target?: number; rate?: number }): Promise<void> {
    if (change.target !== undefined) this.target = change.target;
    const planned = this.holders().map((part) => part.planned);
    const orders = planned.length === 1 ? [change] : divideOrder(change, planned);
    await this.order((id, index) => ({ type: 'set', id, ...orders[index] }));
  }

  /** Sends so many messages of so many bytes over each open connection. Its result comes as an `order` event. */
  async burst(messages: number, bytes: number): Promise<void> {
    await this.order((id) => ({ type: 'burst', id, messages, bytes }));
  }

  /** Closes all connections; the run goes on. */
  async removeAll(): Promise<void> {
    await this.order((id) => ({ type: 'removeAll', id }));
  }

  /** The parts that hold the clients' ends. */
  private holders(): Part[] {
    return this.parts.filter(({ role }) => role !== 'server');
  }

  private async order(build: (id: number, index: number) => ControllerCommand): Promise<void> {
    const parts = this.holders();
    if (parts.length === 0) throw new HumanError('The run has not begun.', { code: 'usage', remedy: 'It takes orders while it ramps and holds.' });
    await Promise.all(parts.map((part, index) => part.link.request((id) => build(id, index))));
  }

  private isReleased(): boolean {
    return this.closing.signal.aborted && this.stopReason === undefined;
  }

  private async untilClosed(signal: AbortSignal, follow: () => Promise<Summary>, isGuest = false): Promise<Summary> {
    const onAbort = () => this.stop();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) this.stop();
    try {
      const summary = await follow();
      // What is not on this disk must stay on the hosts'.
      if (summary.endSeen && this.model.unsaved === undefined && !isGuest) await this.forget();
      return summary;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.sides.close();
      for (const part of this.parts) {
        part.link.close();
        part.recording?.close();
      }
      this.record.close();
    }
  }

  private async forget(): Promise<void> {
    const saved = this.parts.filter(({ report, recording }) => report.summary !== undefined && recording?.problem === undefined);
    await Promise.all(saved.map((part) => part.link.forget()));
  }

  /** One host: its events are those of the run. */
  private async followWhole(part: Part): Promise<Summary> {
    const end = await part.ended;
    if (end === undefined) throw letGo();
    if (end.is === 'seen') return this.model.summary ?? end.summary;
    if (end.is === 'unseen') return this.record.endUnseen({ ...this.lostEnd(), reason: this.unseenText(part, end.why), keys: [] });
    this.record.discardIfEmpty();
    throw end.error;
  }

  /** The servers first, then the clients. */
  private async startParts(first: HostPart, others: readonly HostPart[]): Promise<Outcome> {
    this.record.enter('starting');
    const server = this.addPart(first);
    const failure = await awaitServer(this.conducted(), server);
    if (failure !== undefined || this.isReleased()) return failure ?? { verdict: 'stopped' };
    if (this.stopReason === undefined) this.record.enter('ramping');
    const clients = this.stopReason === undefined ? others.map((other) => this.addPart(other)) : [];
    return conduct(this.conducted(), server, clients);
  }

  private async resumeParts(): Promise<Outcome> {
    this.target = this.model.last?.target ?? this.model.plan?.connections ?? 0;
    this.sides.takeUp();
    for (const [index, name] of hostsOf(this.spec).entries()) {
      const known = await savedPart(partStore(this.directory), this.id, name, index);
      if (known !== undefined) this.addPart(known.part, known.report);
    }
    const [server, ...clients] = this.parts;
    if (server?.role !== 'server') return { verdict: 'failed', reason: 'It was left before it had begun on any host.' };
    if (clients.length < this.spec.clientHosts.length) this.stop('It was left before it had begun on all hosts.');
    return conduct(this.conducted(), server, clients);
  }

  /** Begins a part, or, with its report, follows it again. */
  private addPart({ name, role, spec, plan }: SavedPart['part'], known?: PartReport): Part {
    const { owner, log } = this.dependencies;
    const id = partId(this.id, role, this.parts.length);
    const report = known ?? newReport();
    const recording = role === 'whole' ? undefined : this.recordPart(id, spec, known !== undefined);
    const link = new HostLink({
      name,
      runId: id,
      leaseSeconds: spec.leaseSeconds,
      lease: this.dependencies.lease(name),
      lastSequence: report.lastSequence,
      elapsedSeconds: () => this.record.elapsedSeconds,
      order:
        known === undefined && plan !== undefined ? { runId: id, spec, plan, role, owner, secrets: this.dependencies.secrets?.(this.spec) ?? {} } : undefined,
      summary: report.summary,
      onEvent: (event) => this.acceptFrom(part, event),
      onChange: () => this.reportLinks(),
      log,
    });
    const part: Part = { name, role, planned: plan?.connections ?? 0, link, recording, report, ended: link.follow() };
    this.parts.push(part);
    if (this.stopReason !== undefined) link.stop(this.stopReason);
    return part;
  }

  private recordPart(id: string, spec: RunSpec, isKnown: boolean): RunRecording {
    const { version } = this.dependencies;
    const store = partStore(this.directory);
    if (isKnown) return RunRecording.continue(store, store.read(id));
    return RunRecording.begin(store, { id, spec, startedAt: new Date().toISOString(), version });
  }

  private acceptFrom(part: Part, event: RunEvent): void {
    noteReport(part.report, part.role, event);
    if (part.role === 'whole') this.record.accept(event);
    else {
      part.recording?.append(event);
      const body = asWhole(part.name, event);
      if (body !== undefined) this.record.emit(body);
      if (event.type === 'sample' && part.role === 'server') this.sides.sample();
    }
    for (const check of this.checks) check();
  }

  private reportLinks(): void {
    const lost = this.parts.flatMap(({ name, role, link: { state } }) =>
      state.is === 'lost' ? [role === 'whole' ? state.why : `${name}: ${state.why}`] : [],
    )[0];
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
    this.target = plan.plan.connections;
  }

  private conducted(): Conducted {
    return {
      failOnClientHostLoss: this.spec.failOnClientHostLoss,
      phase: () => phaseOf(this.model),
      stopReason: () => this.stopReason,
      isReleased: () => this.isReleased(),
      enter: (phase) => this.record.enter(phase),
      report: (part, text) => this.record.emit({ type: 'log', level: 'error', text, host: part.name }),
      holding: (parts) =>
        new Promise((resolve) => {
          const check = () => {
            if (!parts.every(({ report }) => report.hasHeld)) return;
            this.checks.delete(check);
            resolve();
          };
          this.checks.add(check);
          check();
        }),
    };
  }

  /** The end of a run over several hosts. One whose end was not seen on some host is followed from there by `resume`. */
  private finish(outcome: Outcome): Summary {
    if (this.isReleased()) throw letGo();
    const { record } = this;
    const begun = this.parts.filter(({ link: { state } }) => !(state.is === 'ended' && state.end.is === 'notBegun'));
    const left = { ...leftOf(begun), ...(this.sides.wasTakenUp ? { most: mostOf(this.parts) } : {}) };
    const unseen = begun.flatMap((part) =>
      part.link.state.is === 'ended' && part.link.state.end.is === 'unseen' ? [this.unseenText(part, part.link.state.end.why)] : [],
    );
    if (unseen.length > 0) return record.endUnseen({ ...left, ...this.lostEnd(), reason: [outcome.reason ?? [], unseen].flat().join(' ') });
    if (phaseOf(this.model) !== 'restoring') {
      this.sides.last();
      record.enter('restoring');
    }
    record.enter(outcome.verdict, outcome.reason);
    const summary = record.summarise({ ...outcome, ...left });
    record.emit({ type: 'summary', summary });
    return summary;
  }

  private lostEnd(): { verdict: 'stopped' | 'failed' } {
    return { verdict: this.stopReason === undefined ? 'failed' : 'stopped' };
  }

  private unseenText({ name }: Part, why: string): string {
    const { leaseSeconds } = this.spec;
    return `The end of the run on ${name} was not seen: ${why.replace(/\.$/, '')}. Without a sign of life, the host ends the run by itself and restores what it changed, within ${leaseSeconds} s.`;
  }
}

function letGo(): HumanError {
  return new HumanError('The run goes on without this window.', { code: 'cancelled' });
}
