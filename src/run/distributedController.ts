import { join } from 'node:path';
import { HumanError, messageOf } from '../core/errors.js';
import { advance } from '../core/phases.js';
import { SummaryBuilder } from '../core/figures/summary.js';
import { newRunId } from '../history/runId.js';
import type { RunWriter } from '../history/runWriter.js';
import { partsName, RunStore } from '../history/store.js';
import type { Phase, RunEvent, RunEventBody, Summary, Verdict } from '../protocol/events.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { SavedRun } from '../protocol/result.js';
import type { RunSpec } from '../protocol/spec.js';
import { BothSides } from './bothSides.js';
import { RunController } from './controller.js';
import { type ControllerDependencies, ObservedRun } from './observedRun.js';
import { mergePlans, planParts, type PartPlans } from './distributedPlan.js';
import { phaseReached } from './phaseReached.js';
import { clientPartSpecs, divideOrder, partSpec, serverPartSpec } from './partSpecs.js';
import { bodyOf, type Part, savedPart } from './hostParts.js';
import type { ControllerEvent, RunHandle } from './runHandle.js';
import { applyEvent } from './runState.js';

/**
 * One run over several hosts: servers on one, clients on the others. Each host runs its part by itself, under its own supervisor, guardian and lease;
 * the parts are saved whole in `hosts/` beside the merged run. The public face is that of RunController.
 */
export class DistributedController extends ObservedRun implements RunHandle {
  private readonly builder = new SummaryBuilder();
  private beganAt = performance.now();
  private parts: Part[] = [];
  private writer: RunWriter | undefined;
  private saved: SavedRun | undefined;
  private sequence = 0;
  /** Of the last event. */
  private elapsedMs = 0;
  private phase: Phase | undefined;
  private stopReason: string | undefined;
  private isDetached = false;
  private serverProblem: string | undefined;
  private target = 0;
  private readonly sides: BothSides;

  constructor(
    dependencies: ControllerDependencies,
    private readonly spec: RunSpec,
    runId: string = newRunId(),
  ) {
    super(dependencies, spec, runId);
    this.sides = new BothSides({
      spec,
      state: this.state,
      parts: () => this.parts,
      now: () => ({ phase: this.phase, target: this.target }),
      enter: (phase) => this.enter(phase),
      emit: (event) => this.emit(event),
    });
  }

  /** As RunController.start. A client host that fails is an event; it ends the run only where the spec says so, or when it was the last one. */
  async start(signal: AbortSignal): Promise<Summary> {
    const { spec } = this;
    const { runId } = this.state;
    const startedAt = new Date().toISOString();
    this.saved = {
      format: 1,
      id: runId,
      ...(spec.name === undefined ? {} : { name: spec.name }),
      tags: [],
      pinned: false,
      startedAt,
      c10mVersion: this.dependencies.version,
      spec,
    };
    return this.follow(signal, async () => {
      const facts = await this.probeAll(signal);
      const plans = planParts(this.spec, facts);
      this.writer = this.dependencies.store.create(this.saved!);
      this.emit({ type: 'hello', runId, startedAt, agentVersion: this.dependencies.version, supervisorPid: process.pid, spec });
      this.enter('probing');
      this.emit({ type: 'facts', facts: facts[0]! });
      this.enter('planning');
      this.publishPlan(mergePlans(plans, spec));
      return this.runParts(plans, signal);
    });
  }

  /**
   * As RunController.reattach, for each host: all parts are followed from the last event that is saved of them. What happened meanwhile is
   * in the parts; the merged curve has a gap there. A run whose hosts had not all begun is ended.
   */
  async reattach(signal: AbortSignal): Promise<Summary> {
    const { store } = this.dependencies;
    const { runId } = this.state;
    this.saved = store.read(runId);
    this.beganAt = performance.now() - (Date.now() - Date.parse(this.saved.startedAt));
    await store.eachEvent(runId, (event) => this.observe(event));
    if (this.state.summary !== undefined) return this.state.summary;
    this.writer = store.create(this.saved);
    this.sides.takeUp();
    return this.follow(signal, async () => {
      const names = [this.spec.host, ...this.spec.clientHosts];
      for (const [index, name] of names.entries()) await this.reattachPart(name, index === 0 ? 'server' : 'client', signal);
      const [server, ...clients] = this.parts;
      if (server === undefined) return { verdict: 'failed', reason: 'The window was left before the run had begun on any host.' };
      if (clients.length < this.spec.clientHosts.length) this.stop('The window was left before the run had begun on all hosts.');
      return this.untilDone(server, clients);
    });
  }

  async check(signal: AbortSignal): Promise<{ facts: HostFacts; plan: Plan }> {
    const facts = await this.probeAll(signal);
    return { facts: facts[0]!, plan: mergePlans(planParts(this.spec, facts), this.spec) };
  }

  stop(reason = 'Stopped by the user.'): void {
    this.stopReason ??= reason;
    for (const part of this.parts) part.controller.stop(reason);
  }

  /** Shares the new target or rate over the client hosts as the plan did. */
  async set(change: { target?: number; rate?: number }): Promise<void> {
    const clients = this.clients();
    if (change.target !== undefined) this.target = change.target;
    const orders = divideOrder(
      change,
      clients.map((part) => part.controller.state.plan?.connections ?? 0),
    );
    await Promise.all(clients.map((part, index) => part.controller.set(orders[index]!)));
  }

  async burst(messages: number, bytes: number): Promise<void> {
    await Promise.all(this.clients().map((part) => part.controller.burst(messages, bytes)));
  }

  async removeAll(): Promise<void> {
    await Promise.all(this.clients().map((part) => part.controller.removeAll()));
  }

  async detach(): Promise<void> {
    this.isDetached = true;
    this.writer?.close();
    await Promise.all(this.parts.map((part) => part.controller.detach()));
  }

  /** From the beginning (or the taking up again) to the summary. Rejects when this window lets go of the run; then its end is not written. */
  private async follow(signal: AbortSignal, run: () => Promise<{ verdict: Verdict; reason?: string }>): Promise<Summary> {
    const onAbort = () => this.stop();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const end = await run();
      if (this.isDetached) throw new HumanError('The run goes on without this window.', { code: 'cancelled' });
      return this.finish(end);
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.writer?.close();
    }
  }

  private clients(): Part[] {
    return this.parts.filter((part) => part.role === 'client');
  }

  /** Facts of the server host, then of each client host. */
  private async probeAll(signal: AbortSignal): Promise<HostFacts[]> {
    const names = [this.spec.host, ...this.spec.clientHosts];
    if (new Set(names).size !== names.length) throw new HumanError('A host is named twice.', { code: 'usage', remedy: 'Name each host of the run once.' });
    const facts: HostFacts[] = [];
    // One after the other: each may have to ask a person.
    for (const name of names) facts.push((await new RunController(this.dependencies, partSpec(this.spec, name)).check(signal)).facts);
    return facts;
  }

  private publishPlan(plan: Plan): void {
    this.emit({ type: 'plan', plan });
  }

  private async runParts(plans: PartPlans, signal: AbortSignal): Promise<{ verdict: Verdict; reason?: string }> {
    const { spec } = this;
    this.enter('deploying');
    this.enter('tuning');
    this.enter('starting');
    const server = this.startPart(spec.host, 'server', serverPartSpec(spec, plans), plans.server, signal);
    const failure = await Promise.race([
      phaseReached(server.controller, 'holding'),
      server.done.then(
        (summary) => summary.reason ?? 'it ended',
        (error: unknown) => messageOf(error),
      ),
    ]);
    if (failure !== undefined) return { verdict: this.stopReason === undefined ? 'failed' : 'stopped', reason: `${spec.host}: ${failure}` };
    this.enter('ramping');
    const specs = clientPartSpecs(spec, plans);
    const clients = plans.clients.map((plan, index) => this.startPart(spec.clientHosts[index]!, 'client', specs[index]!, plan, signal));
    return this.untilDone(server, clients);
  }

  /** Follows all parts until the clients are done, then ends the server's. */
  private async untilDone(server: Part, clients: readonly Part[]): Promise<{ verdict: Verdict; reason?: string }> {
    void Promise.all(clients.map((part) => phaseReached(part.controller, 'holding'))).then(() => {
      if (this.phase === 'ramping') this.enter('holding');
    });
    const problems = await this.awaitClients(clients, server);
    // The hosts go on: nothing may be ended here.
    if (this.isDetached) return { verdict: 'stopped' };
    if (this.phase !== 'draining') this.enter('draining');
    server.controller.stop('All clients are done.');
    await server.done.catch(() => undefined);
    if (this.stopReason !== undefined) return { verdict: 'stopped', reason: this.stopReason };
    if (this.serverProblem !== undefined) return { verdict: 'failed', reason: [this.serverProblem, ...problems].join(' ') };
    const isFailed = problems.length > 0 && (this.spec.failOnClientHostLoss || problems.length >= clients.length);
    return problems.length === 0 ? { verdict: 'finished' } : { verdict: isFailed ? 'failed' : 'finished', reason: problems.join(' ') };
  }

  /** What went wrong with which client host; resolves when all are done. The end of the server ends them too. */
  private async awaitClients(clients: readonly Part[], server: Part): Promise<string[]> {
    const problems: string[] = [];
    const fail = (part: Part, reason: string) => {
      if (this.stopReason !== undefined || this.isDetached) return;
      problems.push(`${part.name}: ${reason}`);
      this.emit({ type: 'log', level: 'error', text: `The client host failed: ${reason}`, host: part.name });
      if (this.spec.failOnClientHostLoss) for (const other of clients) other.controller.stop(`${part.name} failed.`);
    };
    let isDone = false;
    const onServerEnd = () => {
      if (isDone || this.isDetached) return;
      this.serverProblem = `${server.name}: the server's part ended before the clients were done.`;
      for (const client of clients) client.controller.stop(`The server host ${server.name} ended.`);
    };
    server.done.then(onServerEnd, onServerEnd);
    await Promise.all(
      clients.map((part) =>
        part.done.then(
          (summary) => {
            if (summary.verdict === 'failed') fail(part, summary.reason ?? 'unknown');
          },
          (error: unknown) => fail(part, messageOf(error)),
        ),
      ),
    );
    isDone = true;
    return problems;
  }

  private startPart(name: string, role: Part['role'], spec: RunSpec, plan: Plan, signal: AbortSignal): Part {
    const position = role === 'server' ? 'server' : `client${this.clients().length + 1}`;
    const controller = this.controllerOf(position, spec, { ...plan, requested: plan.connections });
    const part = this.adopt({ name, role, controller, done: controller.start(signal), last: undefined, most: 0 });
    controller.onEvent((event) => this.takePart(part, event));
    return part;
  }

  /** Takes up the part of one host, if it had begun there. */
  private async reattachPart(name: string, role: Part['role'], signal: AbortSignal): Promise<void> {
    const position = role === 'server' ? 'server' : `client${this.clients().length + 1}`;
    const saved = await savedPart(this.partStore(), `${this.state.runId}-${position}`, role);
    if (saved === undefined) return;
    const controller = this.controllerOf(position, saved.spec, saved.plan);
    const done = controller.reattach(signal);
    const part = this.adopt({ name, role, controller, done, last: saved.lastSample, most: saved.most });
    // What was saved of the part is in the merged run already.
    controller.onEvent((event) => {
      if (event.type === 'link' || event.type === 'saving' || event.seq > saved.lastSequence) this.takePart(part, event);
    });
  }

  private partStore(): RunStore {
    return new RunStore(join(this.directory, partsName));
  }

  private controllerOf(position: string, spec: RunSpec, plan: Plan | undefined): RunController {
    return new RunController({ ...this.dependencies, store: this.partStore() }, spec, `${this.state.runId}-${position}`, plan);
  }

  private adopt(part: Part): Part {
    this.parts.push(part);
    part.done.catch(() => undefined);
    return part;
  }

  private takePart(part: Part, event: ControllerEvent): void {
    switch (event.type) {
      case 'link':
        this.state.linkLost = this.parts.flatMap(({ name, controller }) =>
          controller.state.linkLost === undefined ? [] : [`${name}: ${controller.state.linkLost}`],
        )[0];
        this.publish(event);
        break;
      case 'sample':
        part.last = event;
        part.most = Math.max(part.most, event.established[part.role]);
        if (part.role === 'server') this.sides.sample();
        break;
      case 'log':
        this.emit({ type: 'log', level: event.level, text: event.text, host: part.name });
        break;
      case 'worker':
        this.emit({ ...bodyOf(event), id: `${part.name}/${event.id}` });
        break;
      case 'tuning':
        this.emit({ ...bodyOf(event), key: `${part.name}: ${event.key}` });
        break;
      case 'wall':
        this.emit({ type: 'wall', wall: { ...event.wall, evidence: `${part.name}: ${event.wall.evidence}` } });
        break;
      case 'order':
        this.emit({ ...bodyOf(event), text: `${part.name}: ${event.text}` });
        break;
      default:
    }
  }

  private finish(end: { verdict: Verdict; reason?: string }): Summary {
    if (this.phase !== 'restoring') this.enter('restoring');
    const summaries = this.parts.flatMap((part) =>
      part.controller.state.summary === undefined ? [] : [{ name: part.name, summary: part.controller.state.summary }],
    );
    const keys = summaries.flatMap(({ name, summary }) => summary.keys.map((key) => ({ ...key, key: `${name}: ${key.key}` })));
    const hostRestored = summaries.length === this.parts.length && summaries.every(({ summary }) => summary.hostRestored);
    this.enter(end.verdict, end.reason);
    const mostOf = (role: Part['role']) => this.parts.filter((part) => part.role === role).reduce((sum, part) => sum + part.most, 0);
    const most = !this.sides.wasTakenUp ? {} : { most: { server: mostOf('server'), client: mostOf('client') } };
    const summary = this.builder.build({ ...end, ...most, hostRestored, keys });
    this.emit({ type: 'summary', summary });
    if (this.saved !== undefined && this.writer !== undefined) {
      const { facts, plan } = this.state;
      this.writer.save({
        ...this.withPersonalTouch(this.saved),
        endedAt: new Date().toISOString(),
        summary,
        ...(facts === undefined ? {} : { facts }),
        ...(plan === undefined ? {} : { plan }),
      });
    }
    return summary;
  }

  private enter(phase: Phase, detail?: string): void {
    // A run that is stopped early goes straight to its restoration.
    advance(this.phase, phase);
    this.emit({ type: 'phase', phase, ...(detail === undefined ? {} : { detail }) });
  }

  private emit(event: RunEventBody): RunEvent {
    // The clock of this machine may have been set back while no window followed the run.
    this.elapsedMs = Math.max(this.elapsedMs, performance.now() - this.beganAt);
    const numbered = { ...event, seq: this.sequence + 1, t: this.elapsedMs } as RunEvent;
    this.observe(numbered);
    return numbered;
  }

  private observe(event: RunEvent): void {
    this.sequence = event.seq;
    this.elapsedMs = event.t;
    if (event.type === 'phase') this.phase = event.phase;
    if (event.type === 'plan') this.target = event.plan.connections;
    else if (event.type === 'sample') this.target = event.target;
    applyEvent(this.state, event);
    this.builder.observe(event);
    this.writer?.append(event);
    this.publish(event);
    this.tellSaving(this.writer);
  }
}
