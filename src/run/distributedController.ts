import { join } from 'node:path';
import { HumanError } from '../core/errors.js';
import { advance } from '../core/phases.js';
import { SummaryBuilder } from '../core/summary.js';
import { newRunId } from '../history/runId.js';
import { RunStore, type RunWriter } from '../history/store.js';
import type { Phase, RunEvent, RunEventBody, Sample, Summary, Verdict } from '../protocol/events.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { SavedRun } from '../protocol/result.js';
import type { RunSpec } from '../protocol/spec.js';
import { RunController } from './controller.js';
import { type ControllerDependencies, ObservedRun } from './observedRun.js';
import { mergePlans, planParts, type PartPlans } from './distributedPlan.js';
import { mergeSamples } from './mergeSamples.js';
import type { ControllerEvent, RunHandle } from './runHandle.js';
import { applyEvent } from './runState.js';

/** The server host holds until the clients are done and it is told so; its own lease still protects it. This is the longest hold there is. */
const serverHoldSeconds = 7 * 86_400;

interface Part {
  name: string;
  role: 'server' | 'client';
  controller: RunController;
  done: Promise<Summary>;
  last: Sample | undefined;
}

/**
 * One run over several hosts: servers on one, clients on the others. Each host runs its part by itself, under its own supervisor, guardian and lease;
 * the parts are saved whole in `hosts/` beside the merged run. The public face is that of RunController.
 */
export class DistributedController extends ObservedRun implements RunHandle {
  private readonly builder = new SummaryBuilder();
  private readonly beganAt = performance.now();
  private parts: Part[] = [];
  private writer: RunWriter | undefined;
  private saved: SavedRun | undefined;
  private sequence = 0;
  private phase: Phase | undefined;
  private stopReason: string | undefined;
  private target = 0;

  constructor(
    dependencies: ControllerDependencies,
    private readonly spec: RunSpec,
    runId: string = newRunId(),
  ) {
    super(dependencies, spec, runId);
  }

  /** As RunController.start. A client host that fails is an event; it ends the run only where the spec says so, or when it was the last one. */
  async start(signal: AbortSignal): Promise<Summary> {
    const onAbort = () => this.stop();
    signal.addEventListener('abort', onAbort, { once: true });
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
    try {
      const facts = await this.probeAll(signal);
      const plans = planParts(this.spec, facts);
      this.writer = this.dependencies.store.create(this.saved);
      this.emit({ type: 'hello', runId, startedAt, agentVersion: this.dependencies.version, supervisorPid: process.pid, spec });
      this.enter('probing');
      this.emit({ type: 'facts', facts: facts[0]! });
      this.enter('planning');
      this.publishPlan(mergePlans(plans, spec));
      const end = await this.runParts(plans, signal);
      return this.finish(end);
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.writer?.close();
    }
  }

  /** The parts are followed by the window that started them only: without it each host ends its part when its lease is over. */
  reattach(): Promise<Summary> {
    return Promise.reject(
      new HumanError('A run over several hosts cannot be followed again.', {
        code: 'unsupported',
        remedy: 'Each host ends its part by itself when its lease is over, and restores itself.',
      }),
    );
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
    const total = Math.max(1, this.state.plan?.connections ?? 1);
    if (change.target !== undefined) this.target = change.target;
    await Promise.all(
      clients.map((part) => {
        const share = (part.controller.state.plan?.connections ?? 0) / total;
        return part.controller.set({
          ...(change.target === undefined ? {} : { target: Math.round(change.target * share) }),
          ...(change.rate === undefined ? {} : { rate: Math.round(change.rate / clients.length) }),
        });
      }),
    );
  }

  async burst(messages: number, bytes: number): Promise<void> {
    await Promise.all(this.clients().map((part) => part.controller.burst(messages, bytes)));
  }

  async removeAll(): Promise<void> {
    await Promise.all(this.clients().map((part) => part.controller.removeAll()));
  }

  async detach(): Promise<void> {
    await Promise.all(this.parts.map((part) => part.controller.detach()));
  }

  private clients(): Part[] {
    return this.parts.filter((part) => part.role === 'client');
  }

  /** The spec of one host's part. Host isolation: the hosts must reach each other. */
  private specOf(host: string, changes: Partial<RunSpec> = {}): RunSpec {
    return { ...this.spec, host, clientHosts: [], isolation: 'host', thresholds: [], ...changes };
  }

  /** Facts of the server host, then of each client host. */
  private async probeAll(signal: AbortSignal): Promise<HostFacts[]> {
    const names = [this.spec.host, ...this.spec.clientHosts];
    if (new Set(names).size !== names.length) throw new HumanError('A host is named twice.', { code: 'usage', remedy: 'Name each host of the run once.' });
    const facts: HostFacts[] = [];
    // One after the other: each may have to ask a person.
    for (const name of names) facts.push((await new RunController(this.dependencies, this.specOf(name)).check(signal)).facts);
    return facts;
  }

  private publishPlan(plan: Plan): void {
    this.target = plan.connections;
    this.emit({ type: 'plan', plan });
  }

  private async runParts(plans: PartPlans, signal: AbortSignal): Promise<{ verdict: Verdict; reason?: string }> {
    const { spec } = this;
    this.enter('deploying');
    this.enter('tuning');
    this.enter('starting');
    const server = this.startPart(
      spec.host,
      'server',
      this.specOf(spec.host, { holdSeconds: serverHoldSeconds, stages: [], connections: Math.max(1, plans.server.connections) }),
      plans.server,
      signal,
    );
    const failure = await Promise.race([
      holding(server.controller),
      server.done.then(
        (summary) => summary.reason ?? 'it ended',
        (error: unknown) => textOf(error),
      ),
    ]);
    if (failure !== undefined) return { verdict: this.stopReason === undefined ? 'failed' : 'stopped', reason: `${spec.host}: ${failure}` };
    this.enter('ramping');
    const clients = plans.clients.map((plan, index) =>
      this.startPart(spec.clientHosts[index]!, 'client', this.clientSpec(spec.clientHosts[index]!, plan, plans), plan, signal),
    );
    void Promise.all(clients.map((part) => holding(part.controller))).then(() => {
      if (this.phase === 'ramping') this.enter('holding');
    });
    const problems = await this.awaitClients(clients, server);
    this.enter('draining');
    server.controller.stop('All clients are done.');
    await server.done.catch(() => undefined);
    if (this.stopReason !== undefined) return { verdict: 'stopped', reason: this.stopReason };
    const isFailed = problems.length > 0 && (spec.failOnClientHostLoss || problems.length === clients.length);
    return problems.length === 0 ? { verdict: 'finished' } : { verdict: isFailed ? 'failed' : 'finished', reason: problems.join(' ') };
  }

  private clientSpec(host: string, plan: Plan, plans: PartPlans): RunSpec {
    const share = plan.connections / Math.max(1, plans.server.connections);
    const { rate } = this.spec;
    return this.specOf(host, {
      connections: Math.max(1, plan.connections),
      stages: this.spec.stages.map((stage) => ({
        ...stage,
        to: Math.round(stage.to * share),
        ...(stage.rate === undefined ? {} : { rate: Math.max(1, Math.round(stage.rate * share)) }),
      })),
      ...(rate === undefined ? {} : { rate: Math.max(1, Math.round(rate * share)) }),
    });
  }

  /** What went wrong with which client host; resolves when all are done. The end of the server ends them too. */
  private async awaitClients(clients: readonly Part[], server: Part): Promise<string[]> {
    const problems: string[] = [];
    const fail = (part: Part, reason: string) => {
      if (this.stopReason !== undefined) return;
      problems.push(`${part.name}: ${reason}`);
      this.emit({ type: 'log', level: 'error', text: `The client host failed: ${reason}`, host: part.name });
      if (this.spec.failOnClientHostLoss) for (const other of clients) other.controller.stop(`${part.name} failed.`);
    };
    let isDone = false;
    const onServerEnd = () => {
      if (!isDone) for (const client of clients) client.controller.stop(`The server host ${server.name} ended.`);
    };
    server.done.then(onServerEnd, onServerEnd);
    await Promise.all(
      clients.map((part) =>
        part.done.then(
          (summary) => {
            if (summary.verdict === 'failed') fail(part, summary.reason ?? 'unknown');
          },
          (error: unknown) => fail(part, textOf(error)),
        ),
      ),
    );
    isDone = true;
    return problems;
  }

  private startPart(name: string, role: Part['role'], spec: RunSpec, plan: Plan, signal: AbortSignal): Part {
    const store = new RunStore(join(this.directory, 'hosts'));
    const position = role === 'server' ? 'server' : `client${this.clients().length + 1}`;
    const controller = new RunController({ ...this.dependencies, store }, spec, `${this.state.runId}-${position}`, { ...plan, requested: plan.connections });
    const part: Part = { name, role, controller, done: controller.start(signal), last: undefined };
    this.parts.push(part);
    part.done.catch(() => undefined);
    controller.onEvent((event) => this.takePart(part, event));
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
        if (part.role === 'server') this.sample();
        break;
      case 'log':
        this.emit({ type: 'log', level: event.level, text: event.text, host: part.name });
        break;
      case 'worker':
        this.emit({ ...body(event), id: `${part.name}/${event.id}` });
        break;
      case 'tuning':
        this.emit({ ...body(event), key: `${part.name}: ${event.key}` });
        break;
      case 'wall':
        this.emit({ type: 'wall', wall: { ...event.wall, evidence: `${part.name}: ${event.wall.evidence}` } });
        break;
      case 'order':
        this.emit({ ...body(event), text: `${part.name}: ${event.text}` });
        break;
      default:
    }
  }

  private sample(): void {
    const [server, ...clients] = this.parts;
    if (server?.last === undefined || this.phase === undefined || this.phase === 'restoring') return;
    const known = clients.flatMap((part) => (part.last === undefined ? [] : [{ name: part.name, sample: part.last }]));
    this.emit({ ...mergeSamples({ server: { name: server.name, sample: server.last }, clients: known }), phase: this.phase, target: this.target });
  }

  private finish(end: { verdict: Verdict; reason?: string }): Summary {
    this.enter('restoring');
    const summaries = this.parts.flatMap((part) =>
      part.controller.state.summary === undefined ? [] : [{ name: part.name, summary: part.controller.state.summary }],
    );
    const keys = summaries.flatMap(({ name, summary }) => summary.keys.map((key) => ({ ...key, key: `${name}: ${key.key}` })));
    const hostRestored = summaries.length === this.parts.length && summaries.every(({ summary }) => summary.hostRestored);
    this.enter(end.verdict, end.reason);
    const summary = this.builder.build({ ...end, hostRestored, keys, interrupted: this.stopReason !== undefined });
    this.emit({ type: 'summary', summary });
    if (this.saved !== undefined && this.writer !== undefined) {
      const { facts, plan } = this.state;
      this.writer.save({
        ...this.saved,
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
    this.phase = advance(this.phase, phase);
    this.emit({ type: 'phase', phase, ...(detail === undefined ? {} : { detail }) });
  }

  private emit(event: RunEventBody): void {
    const numbered = { ...event, seq: ++this.sequence, t: performance.now() - this.beganAt } as RunEvent;
    applyEvent(this.state, numbered);
    this.builder.observe(numbered);
    this.writer?.append(numbered);
    this.publish(numbered);
  }
}

function body<T extends RunEvent>(event: T): Omit<T, 'seq' | 't'> {
  const copy: Partial<T> = { ...event };
  delete copy.seq;
  delete copy.t;
  return copy as Omit<T, 'seq' | 't'>;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Resolves when a part holds for the first time; never, when it ends before. */
function holding(controller: RunController): Promise<undefined> {
  return new Promise((resolve) => {
    controller.onEvent((event) => {
      if (event.type === 'phase' && event.phase === 'holding') resolve(undefined);
    });
  });
}
