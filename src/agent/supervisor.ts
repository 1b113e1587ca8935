import { availableParallelism } from 'node:os';
import { exitCodes, HumanError, messageOf } from '../core/errors.js';
import { isFinal } from '../core/phases.js';
import { attachTarget } from '../core/plan/attachTarget.js';
import { planRun } from '../core/plan/plan.js';
import { identityOf, type ProcessIdentity } from '../linux/process.js';
import { becomeSubreaper } from '../linux/limits.js';
import { bringLoopbackUp, networkNamespaceOf } from '../linux/netns.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import { isForeign } from '../protocol/spec.js';
import { Attachments, type SupervisorOrder } from './attachments.js';
import { GuardianLink } from './restoration/guardianLink.js';
import { Orders } from './load/orders.js';
import { readBootId } from '../linux/bootId.js';
import { collectFacts } from './probe.js';
import { RampControl, type EarlyEnd } from './load/rampControl.js';
import { withRoom } from './load/room.js';
import { readGuard } from './load/rampGuard.js';
import { Sampler } from './load/sampler.js';
import { lockHost, probeForRun, refuse, roomOf, settlePlan, warnOfNeighbours } from './preparation.js';
import { restoreAtEnd, type Restored } from './restoration/restoreAtEnd.js';
import { RunStory } from './runStory.js';
import { monotonicClock } from '../files/clock.js';
import { Scope } from '../files/scope.js';
import { sleep } from '../files/sleep.js';
import { prepareStatelessNamespace } from './statelessNamespace.js';
import type { RunDirectory, RunOrder, RunState } from './stateDirectory.js';
import { SysctlFiles } from '../linux/sysctlFiles.js';
import { applyTuning } from './restoration/tuning.js';
import { version } from '../core/version.js';
import { WorkerPool } from './load/workerPool.js';

/** Workers have this long to follow a stop before they are killed, so that a stop is obeyed within 2 s. */
const stopGraceMs = 1_200;
/** A drain in order may take longer: closing costs about 10 µs an end. */
const drainGraceMs = 3_000;
/** The answers to the last messages may take so long; when the run is stopped, less. */
const answerMs = 1_000;
const stopAnswerMs = 250;
const drainGracePerConnectionMs = 0.03;
const leaseCheckMs = 500;
/** Workers report their counts each 250 ms. */
const statsIntervalMs = 350;
const diskPollMs = 1_000;
/** The end of a run that nobody follows waits this long for a full disk. */
const fullDiskMs = 60_000;

/** An order that needs workers. */
type RunningOrder = Exclude<SupervisorOrder, { type: 'heartbeat' | 'stop' }>;

/** The long-lived process of one run: owns everything that the run has on the host, and ends it. */
export class Supervisor {
  private readonly story: RunStory;
  private readonly sysctls = new SysctlFiles();
  private readonly abort = new AbortController();
  private readonly state: RunState;
  private end: EarlyEnd = { verdict: 'finished' };
  private lastHeartbeat = performance.now();
  private waitedSeconds = 0;
  /** Undone when the run ends, the last first: its workers are drained, its processes ended, its keys restored. */
  private readonly onHost = new Scope();
  /** Undone when all is reported: who watches over the run, and who follows it. */
  private readonly keepers = new Scope();
  /** What the orders of a user do; there are none before workers are there. */
  private carryOut: (order: RunningOrder) => unknown = () => {
    throw this.tooEarly();
  };

  constructor(
    private readonly run: RunDirectory,
    private readonly order: RunOrder,
    private readonly options: {
      agentPath: string;
      workerPath: string;
      stateDirectory: string;
      isolated: boolean;
      lockFd: number | undefined;
      secrets: Readonly<Record<string, string>>;
    },
  ) {
    this.state = {
      bootId: readBootId(),
      supervisor: identityOf(process.pid) ?? null,
      guardian: null,
      workers: [],
      namespace: options.isolated ? (networkNamespaceOf('self') ?? null) : null,
      ended: false,
    };
    this.story = new RunStory(run.spoolPath);
  }

  /** The whole story of the run. Resolves when nothing of it is left on the host but its spool. */
  async supervise(): Promise<void> {
    // Whatever loses its parent below us stays ours: a worker that dies leaves nothing on the host.
    becomeSubreaper();
    // Whoever comes after us must find us: a disk that does not take this takes no run.
    this.run.writeState(this.state);
    process.chdir(this.run.path);
    this.keepers.defer(() => this.story.spool.close());
    const attachments = await Attachments.listen(
      this.run.socketName,
      (seq) => this.story.spool.linesFrom(seq),
      (order) => this.answerOrder(order),
    );
    this.keepers.defer(() => attachments.close());
    this.story.followWith((event) => attachments.publish(event));
    const leaseTimer = setInterval(() => this.checkLease(), leaseCheckMs);
    this.keepers.defer(() => clearInterval(leaseTimer));
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => this.stop({ verdict: 'stopped', reason: `The supervisor got ${signal}.` }));
    const restored = restoreAtEnd(this.onHost, this.run, this.state, { mark: this.order.mark, isolated: this.options.isolated }, this.sysctls, this.story);
    try {
      await this.experiment(restored);
    } catch (error) {
      if (!this.abort.signal.aborted) this.end = this.failure(error);
    }
    await this.onHost.end((error) => this.logDefect(error));
    const hostRestored = this.conclude(restored);
    await this.waitForDisk(() => attachments.isFollowed);
    this.state.ended = hostRestored;
    this.saveState();
    await this.keepers.end((error) => this.logDefect(error));
  }

  /** Ends the run from any phase. The first reason counts. */
  stop(end: EarlyEnd): void {
    const { phase } = this.story;
    if (this.abort.signal.aborted || phase === 'draining' || phase === 'restoring' || (phase !== undefined && isFinal(phase))) return;
    this.end = end;
    this.abort.abort(new HumanError('Stopped.', { code: 'cancelled' }));
  }

  /** Ends the run for something that nobody foresaw. When it is ending already, the guardian does the rest. */
  fail(error: unknown): void {
    const end = this.failure(error);
    if (this.story.phase === 'draining' || this.story.phase === 'restoring') process.exit(exitCodes.internal);
    this.stop(end);
  }

  private async experiment(restored: Restored): Promise<void> {
    const { spec } = this.order;
    this.story.emit({
      type: 'hello',
      runId: this.order.runId,
      startedAt: this.order.startedAt,
      agentVersion: version(),
      supervisorPid: process.pid,
      spec,
    });
    this.story.enter('probing');
    const { lock, waited, waitedSeconds } = await lockHost(this.order, this.options.lockFd, this.story, this.abort.signal);
    this.keepers.defer(() => lock.release());
    this.waitedSeconds = waitedSeconds;
    const guardian = new GuardianLink({
      agentPath: this.options.agentPath,
      run: this.run,
      stateDirectory: this.options.stateDirectory,
      isolated: this.options.isolated,
      leaseSeconds: spec.leaseSeconds,
      lockFd: lock.fd,
      mark: this.order.mark,
      emit: (event) => this.story.emit(event),
      onChange: (identity) => {
        this.state.guardian = identity;
        this.saveState();
      },
    });
    guardian.start();
    this.keepers.defer(() => guardian.release());
    if (this.options.isolated) bringLoopbackUp();
    let facts = await probeForRun(this.order, this.options.isolated, this.sysctls, this.story);
    this.story.enter('planning');
    let plan = settlePlan(this.order, facts, waited, this.story);
    if (plan.connections === 0) refuse(plan, this.story);
    const refused = spec.tuning === 'apply' ? await this.tune(plan, restored) : [];
    if (refused.length > 0 && this.order.role === 'whole') {
      facts = await collectFacts(this.order.outer, this.options.isolated, this.sysctls);
      plan = planRun(spec, facts);
      this.story.emit({ type: 'plan', plan, reason: `These settings could not be changed: ${refused.join(', ')}.` });
    }
    const control = await this.startWorkers(plan, facts, (workers) => {
      this.state.workers = workers;
      this.saveState();
      guardian.setProcesses(workers);
    });
    await control.conduct();
  }

  /** Returns the keys that were refused: the plan must be made again with what really holds. */
  private async tune(plan: Plan, restored: Restored): Promise<string[]> {
    if (plan.sysctls.length === 0) return [];
    this.story.enter('tuning');
    const journalOf = { path: this.run.journalPath, runId: this.order.runId, bootId: this.state.bootId };
    const { applied, journal } = applyTuning(plan.sysctls, this.sysctls, journalOf);
    restored.journal = journal;
    for (const key of applied) this.story.emit({ type: 'tuning', ...key });
    await sleep(0, this.abort.signal);
    return applied.filter(({ outcome }) => outcome === 'refused').map(({ key }) => key);
  }

  private async startWorkers(plan: Plan, facts: HostFacts, onProcesses: (identities: ProcessIdentity[]) => void): Promise<RampControl> {
    if (plan.client === 'stateless') prepareStatelessNamespace();
    this.story.enter('starting', `${plan.serverWorkers.length} server and ${plan.clientWorkers.length} client workers`);
    const { spec } = this.order;
    const { story } = this;
    const { signal } = this.abort;
    const pool = new WorkerPool({
      mark: this.order.mark,
      workerPath: this.options.workerPath,
      directory: this.run.path,
      spec,
      secrets: this.options.secrets,
      ...(spec.attach === undefined ? {} : { attached: attachTarget(spec, facts) }),
      emit: (event) => story.emit(event),
      onLost: (reason) => this.stop({ verdict: 'failed', reason }),
      onStats: (worker) => control.observeWorker(worker),
      onProcesses,
    });
    const orders = new Orders(pool, (event) => story.emit(event));
    const sampler = new Sampler(pool, {
      cores: availableParallelism(),
      guardBytes: plan.guardBytes,
      isTracked: facts.conntrack !== null,
      isStateless: plan.client === 'stateless',
      isForeign: isForeign(plan.engine),
      isAttached: plan.engine === 'attach',
    });
    const stop = (end: EarlyEnd) => this.stop(end);
    const control = new RampControl({ story, spec, plan, facts, pool, orders, sampler, signal, clock: monotonicClock, readGuard, stop });
    this.onHost.defer(() => this.drain(pool, control));
    this.carryOut = (order) => this.applyOrder(order, orders);
    await pool.start(this.order.role === 'whole' ? withRoom(plan, roomOf(spec, facts, this.sysctls)) : plan, signal);
    return control;
  }

  /** Ends the workers in order, with the last figures of what they held. */
  private async drain(pool: WorkerPool, control: RampControl): Promise<void> {
    const wasStopped = this.abort.signal.aborted;
    // What a ramp had opened when it was cut short was up to a second ago in the last sample.
    if (this.story.phase === 'ramping') await control.takeFreshSample();
    // The last messages are on their way: what became of them is known a moment after the end.
    await pool.concludeMessages(wasStopped ? stopAnswerMs : answerMs);
    // While the connections are there still, so that what is reported last is not of their closing.
    if (this.story.phase === 'holding') await control.takeFreshSample();
    if (['starting', 'ramping', 'holding'].includes(this.story.phase ?? '')) this.story.enter('draining', this.end.reason);
    // A worker that died took connections with it: the others have a moment to report how many.
    if (this.end.verdict === 'failed') {
      await sleep(statsIntervalMs);
      await control.takeFreshSample();
    }
    control.beginDrain();
    control.takeSample();
    const open = pool.clients.reduce((sum, worker) => sum + worker.open, 0);
    await pool.end(wasStopped ? stopGraceMs : drainGraceMs + open * drainGracePerConnectionMs);
    control.close();
    warnOfNeighbours(this.story);
  }

  /** Reports the end. Returns whether the host is as it was. */
  private conclude({ keys, left }: Restored): boolean {
    const hostRestored = left?.length === 0 && keys !== undefined && keys.every((key) => key.outcome !== 'refused');
    if (this.story.spool.lost > 0) this.story.log('warn', `${this.story.spool.lost} events were lost because the disk of the host was full.`);
    this.story.enter(this.end.verdict, this.end.reason);
    const summary = this.story.summarise({ ...this.end, hostRestored, keys: keys ?? [], waitedSeconds: this.waitedSeconds });
    this.story.emit({ type: 'summary', summary });
    return hostRestored;
  }

  /** The end of a run must reach the disk, or somebody who follows it. */
  private async waitForDisk(isFollowed: () => boolean): Promise<void> {
    const deadline = performance.now() + fullDiskMs;
    while (!this.story.spool.isFlushed && !isFollowed() && performance.now() < deadline) await sleep(diskPollMs);
  }

  private answerOrder(order: SupervisorOrder): unknown {
    this.lastHeartbeat = performance.now();
    if (order.type === 'heartbeat') return undefined;
    if (order.type === 'stop') {
      this.stop({ verdict: 'stopped', reason: order.reason ?? 'Stopped by the user.' });
      return null;
    }
    return this.carryOut(order);
  }

  private applyOrder(order: RunningOrder, orders: Orders): unknown {
    if (this.story.phase !== 'ramping' && this.story.phase !== 'holding') throw this.tooEarly();
    if (order.type === 'burst') return orders.burst(order.messages, order.bytes);
    if (order.type === 'removeAll') return orders.removeAll();
    if (order.type === 'prove') return orders.prove();
    return orders.set(order.target, order.rate);
  }

  private tooEarly(): HumanError {
    return new HumanError(`The run is ${this.story.phase ?? 'starting'}: it takes orders only while it ramps and holds.`, { code: 'usage' });
  }

  private checkLease(): void {
    const { leaseSeconds } = this.order.spec;
    if (performance.now() - this.lastHeartbeat > leaseSeconds * 1_000) this.stop({ verdict: 'stopped', reason: 'lease expired' });
  }

  private failure(error: unknown): EarlyEnd {
    if (error instanceof HumanError) return { verdict: 'failed', reason: error.text };
    this.logDefect(error);
    return { verdict: 'failed', reason: messageOf(error) };
  }

  private logDefect(error: unknown): void {
    this.story.log('error', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  private saveState(): void {
    try {
      this.run.writeState(this.state);
    } catch {
      // A full disk must not end the run; the guardian knows the processes by its pipe.
    }
  }
}
