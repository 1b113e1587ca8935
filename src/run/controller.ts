import { HumanError, messageOf } from '../core/errors.js';
import { planRun } from '../core/plan/plan.js';
import { judgedSummary, SummaryBuilder } from '../core/figures/summary.js';
import { newRunId } from '../history/runId.js';
import type { RunWriter } from '../history/runWriter.js';
import type { ControllerCommand } from '../protocol/commands.js';
import type { RunEvent, Summary } from '../protocol/events.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import type { SavedRun } from '../protocol/result.js';
import type { RunSpec } from '../protocol/spec.js';
import type { HostConnection, RelayChannel } from '../transport/transport.js';
import type { RunHandle } from './runHandle.js';
import { type ControllerDependencies, ObservedRun } from './observedRun.js';
import { applyEvent } from './runState.js';

/** A heartbeat is sent at least this often; the shortest lease is 10 s. */
const heartbeatMs = 3_000;
/** Pauses between attempts to come back to a host. */
const reconnectPausesMs = [500, 1_000, 2_000, 4_000, 8_000, 10_000] as const;
/** After the lease the host has ended the run by itself; its spool can still be fetched, so the attempts go on this much longer. */
const reconnectBeyondLeaseMs = 10 * 60_000;

/** The story of one run on the laptop's side: start, follow, save, come back after a lost link, and steer. */
export class RunController extends ObservedRun implements RunHandle {
  private readonly builder = new SummaryBuilder();
  private connection: HostConnection | undefined;
  private relay: RelayChannel | undefined;
  private writer: RunWriter | undefined;
  private saved: SavedRun | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private stopReason: string | undefined;
  private settle: { resolve: (summary: Summary) => void; reject: (error: unknown) => void } | undefined;
  private ended = false;

  constructor(
    dependencies: ControllerDependencies,
    spec: RunSpec,
    runId: string = newRunId(),
    /** The part of a run over several hosts that this host takes; absent: the host plans by itself. */
    private readonly plan?: Plan,
  ) {
    super(dependencies, spec, runId);
  }

  /**
   * Runs the spec and resolves with its summary when the host is restored and everything is saved. Aborting the signal stops the run
   * (it drains and restores first). Rejects with a HumanError when it could not begin; then nothing was saved.
   */
  async start(signal: AbortSignal): Promise<Summary> {
    const { spec, runId } = this.state;
    return this.follow(signal, async () => {
      await this.openRelay();
      if (signal.aborted) throw new HumanError('Cancelled.', { code: 'cancelled' });
      this.saved = {
        format: 1,
        id: runId,
        ...(spec.name === undefined ? {} : { name: spec.name }),
        tags: [],
        pinned: false,
        startedAt: new Date().toISOString(),
        c10mVersion: this.dependencies.version,
        spec,
      };
      this.writer = this.dependencies.store.create(this.saved);
      try {
        // Not to be aborted: what was sent begins on the host. It is awaited, then stopped in order.
        await this.request((id) => ({
          type: 'start',
          id,
          runId,
          spec,
          owner: this.dependencies.owner,
          ...(this.plan === undefined ? {} : { plan: this.plan }),
        }));
      } catch (error) {
        if (this.state.lastSequence === 0) this.writer.discard();
        throw error;
      }
    });
  }

  /** Follows a run that was started before, by another window or terminal, from the last event that is saved. */
  async reattach(signal: AbortSignal): Promise<Summary> {
    const { store } = this.dependencies;
    const { runId } = this.state;
    this.saved = store.read(runId);
    for (const event of await store.events(runId)) this.take(event);
    if (this.state.summary !== undefined) return this.state.summary;
    this.writer = store.create(this.saved);
    return this.follow(signal, async () => {
      await this.openRelay();
      await this.attach();
    });
  }

  /** Facts of the host, and the plan for the spec; changes nothing on the host. */
  async check(signal: AbortSignal): Promise<{ facts: HostFacts; plan: Plan }> {
    const { spec } = this.state;
    try {
      await this.openRelay();
      const facts = await this.request<HostFacts>((id) => ({ type: 'probe', id, isolation: spec.isolation }), signal);
      return { facts, plan: planRun(spec, facts) };
    } finally {
      await this.release();
    }
  }

  /** Stops the run from any phase: it drains, restores and ends as `stopped`. Survives a lost link. */
  stop(reason = 'Stopped by the user.'): void {
    this.stopReason = reason;
    this.sendStop();
  }

  /** Changes the target (connections) or the rate (connections per second, 0: as fast as possible) of the running run. */
  async set(change: { target?: number; rate?: number }): Promise<void> {
    await this.request((id) => ({ type: 'set', id, ...change }));
  }

  /** Sends so many messages of so many bytes over each open connection. Its result comes as an `order` event. */
  async burst(messages: number, bytes: number): Promise<void> {
    await this.request((id) => ({ type: 'burst', id, messages, bytes }));
  }

  /** Closes all connections; the run goes on. */
  async removeAll(): Promise<void> {
    await this.request((id) => ({ type: 'removeAll', id }));
  }

  /** Has each open connection proven by a keep-alive probe; what the server does not know is opened again. */
  async prove(): Promise<void> {
    await this.request((id) => ({ type: 'prove', id }));
  }

  /** Lets go of the run without stopping it: it lives on under its lease, and `reattach` finds it. */
  async detach(): Promise<void> {
    this.ended = true;
    this.settle?.reject(new HumanError('The run goes on without this window.', { code: 'cancelled' }));
    this.writer?.close();
    await this.release();
  }

  private async follow(signal: AbortSignal, begin: () => Promise<void>): Promise<Summary> {
    const onAbort = () => this.stop();
    try {
      const end = new Promise<Summary>((resolve, reject) => {
        this.settle = { resolve, reject };
      });
      // It may be settled before anybody waits for it.
      end.catch(() => undefined);
      await begin();
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      else if (this.stopReason !== undefined) this.sendStop();
      this.heartbeat = setInterval(() => this.relay?.send({ type: 'heartbeat' }), heartbeatMs);
      const summary = await end;
      await this.forget();
      return summary;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.ended = true;
      this.writer?.close();
      await this.release();
    }
  }

  private async openRelay(): Promise<void> {
    this.connection ??= await this.dependencies.connect(this.state.spec.host);
    const relay = await this.connection.openRelay();
    this.relay = relay;
    relay.onEvent((event) => this.take(event));
    relay.onNoise((line) => this.dependencies.log(line));
    relay.onClose((reason) => {
      if (this.relay === relay) this.relay = undefined;
      if (!this.ended && this.heartbeat !== undefined && this.state.summary === undefined && this.state.linkLost === undefined) void this.comeBack(reason);
    });
  }

  private async attach(): Promise<void> {
    await this.request((id) => ({ type: 'attach', id, runId: this.state.runId, fromSeq: this.state.lastSequence + 1 }));
    if (this.stopReason !== undefined) this.sendStop();
  }

  /** Reconnects with growing pauses until the run is followed again, has ended, or is beyond reach. */
  private async comeBack(reason: string): Promise<void> {
    const lostAt = performance.now();
    const patienceMs = this.state.spec.leaseSeconds * 1000 + reconnectBeyondLeaseMs;
    this.setLink(reason);
    for (let attempt = 0; ; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, reconnectPausesMs[Math.min(attempt, reconnectPausesMs.length - 1)]));
      if (this.hasEnded()) return;
      try {
        await this.openRelay();
        await this.attach();
        this.setLink(undefined);
        return;
      } catch (error) {
        this.dependencies.log(`Attempt ${attempt + 1} to come back failed: ${messageOf(error)}`);
        const isHopeless = error instanceof HumanError && ['accessRefused', 'usage', 'cancelled'].includes(error.code);
        if (isHopeless || performance.now() - lostAt > patienceMs) {
          this.giveUp(error instanceof HumanError ? error.message : reason);
          return;
        }
        this.relay?.close();
      }
    }
  }

  private hasEnded(): boolean {
    return this.ended;
  }

  /** The run's end was never seen: what is known is saved, and said to be incomplete. */
  private giveUp(reason: string): void {
    this.finish(this.builder.build({ verdict: 'failed', reason: `The end of the run was not seen: ${reason}`, hostRestored: false, keys: [], endSeen: false }));
  }

  private take(received: RunEvent): void {
    const event = received.type === 'summary' ? { ...received, summary: judgedSummary(received.summary, this.state.spec) } : received;
    if (!applyEvent(this.state, event)) return;
    this.builder.observe(event);
    this.writer?.append(event);
    this.publish(event);
    this.tellSaving(this.writer);
    if (event.type === 'plan' || event.type === 'facts') this.save();
    if (event.type === 'summary') this.finish(event.summary);
  }

  private finish(summary: Summary): void {
    this.state.summary = summary;
    if (this.saved !== undefined && this.writer !== undefined) {
      this.saved = { ...this.saved, endedAt: new Date().toISOString(), summary };
      this.save();
    }
    this.settle?.resolve(summary);
  }

  private save(): void {
    if (this.saved === undefined || this.writer === undefined) return;
    const { facts, plan } = this.state;
    this.saved = {
      ...this.withPersonalTouch(this.saved),
      ...(facts === undefined ? {} : { facts }),
      ...(plan === undefined ? {} : { plan }),
    };
    this.writer.save(this.saved);
    this.tellSaving(this.writer);
  }

  private async forget(): Promise<void> {
    // What is not on this disk must stay on the host's.
    if (this.relay === undefined || this.state.unsaved !== undefined) return;
    try {
      await this.request((id) => ({ type: 'forget', id, runId: this.state.runId }));
    } catch (error) {
      this.dependencies.log(`The host keeps its copy of the run for now: ${messageOf(error)}`);
    }
  }

  private sendStop(): void {
    const reason = this.stopReason ?? 'Stopped by the user.';
    this.request((id) => ({ type: 'stop', id, reason })).catch((error: unknown) => {
      this.dependencies.log(`The stop will be repeated when the link is back: ${messageOf(error)}`);
    });
  }

  private request<T>(build: (id: number) => ControllerCommand, signal?: AbortSignal): Promise<T> {
    if (this.relay === undefined) {
      return Promise.reject(new HumanError('The link to the host is lost.', { code: 'unreachable', remedy: 'C10M comes back by itself; try again then.' }));
    }
    return this.relay.request<T>(build, signal);
  }

  private setLink(reason: string | undefined): void {
    this.state.linkLost = reason;
    this.publish({ type: 'link' });
  }

  private async release(): Promise<void> {
    clearInterval(this.heartbeat);
    this.heartbeat = undefined;
    this.relay?.close();
    this.relay = undefined;
    await this.connection?.dispose();
    this.connection = undefined;
  }
}
