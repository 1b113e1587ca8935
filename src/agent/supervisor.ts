import { availableParallelism } from 'node:os';
import { HumanError } from '../core/errors.js';
import { advance, isFinal } from '../core/phases.js';
import { planRun } from '../core/plan.js';
import { WallRecogniser, type WallEvidence } from '../core/recogniser.js';
import { SummaryBuilder } from '../core/summary.js';
import { identityOf, type ProcessIdentity } from '../linux/process.js';
import { bringLoopbackUp, networkNamespaceOf } from '../linux/netns.js';
import type { HostFacts } from '../protocol/facts.js';
import type { KeyOutcome, Phase, RunEvent, RunEventBody, Sample, Verdict } from '../protocol/events.js';
import type { Plan } from '../protocol/plan.js';
import { Attachments, type SupervisorOrder } from './attachments.js';
import { endRunProcesses, tuningEventOf } from './cleanup.js';
import { GuardianLink } from './guardianLink.js';
import { HostLock, lockPath } from './hostLock.js';
import { Journal } from './journal.js';
import { Orders } from './orders.js';
import { collectFacts, readBootId } from './probe.js';
import { judgeGuard, readGuard } from './rampGuard.js';
import { withRoom, type Room } from './room.js';
import { Sampler, totalsOf } from './sampler.js';
import { Spool } from './spool.js';
import { type RunDirectory, type RunOrder, type RunState } from './stateDirectory.js';
import { SysctlFiles } from './sysctlFiles.js';
import { applyTuning } from './tuning.js';
import { WorkerPool } from './workers.js';

/** Workers have this long to follow a stop before they are killed, so that a stop is obeyed within 2 s. */
const stopGraceMs = 1_200;
/** A drain in order may take longer: closing costs about 10 µs an end. */
const drainGraceMs = 3_000;
const drainGracePerConnectionMs = 0.03;
const guardIntervalMs = 250;
const leaseCheckMs = 500;
const pollMs = 50;
/** Workers tell their counts each 250 ms. */
const statsIntervalMs = 350;
/** Without any growth for this long, while the target is not reached, the ramp has found its end. */
const stallMs = 15_000;
/** The server may still be accepting what the clients see as connected. */
const settleMs = 10_000;
const lockPollMs = 1_000;
/** The end of a run that nobody follows waits this long for a full disk. */
const fullDiskMs = 60_000;

interface End {
  verdict: Verdict;
  reason?: string;
  interrupted?: boolean;
  abortedByThreshold?: boolean;
}

/** The long-lived process of one run: owns everything that the run has on the host, and ends it. */
export class Supervisor {
  private readonly spool: Spool;
  private readonly summary = new SummaryBuilder();
  private readonly sysctls = new SysctlFiles();
  private readonly abort = new AbortController();
  private readonly beganAt = performance.now();
  private readonly state: RunState;
  private phase: Phase | undefined;
  private end: End = { verdict: 'finished' };
  private attachments: Attachments | undefined;
  private guardian: GuardianLink | undefined;
  private pool: WorkerPool | undefined;
  private sampler: Sampler | undefined;
  private orders: Orders | undefined;
  private journal: Journal | undefined;
  private recogniser: WallRecogniser | undefined;
  private rampBeganAt = 0;
  private lastHeartbeat = performance.now();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly guard = { tripped: false };

  constructor(
    private readonly run: RunDirectory,
    private readonly order: RunOrder,
    private readonly options: { agentPath: string; workerPath: string; stateDirectory: string; isolated: boolean; lockFd: number | undefined },
  ) {
    this.state = {
      bootId: readBootId(),
      supervisor: identityOf(process.pid) ?? null,
      guardian: null,
      workers: [],
      namespace: options.isolated ? (networkNamespaceOf('self') ?? null) : null,
      ended: false,
    };
    this.spool = new Spool(
      run.spoolPath,
      () => performance.now() - this.beganAt,
      (reason) => setImmediate(() => this.log('warn', `The event log on the host cannot be written (${reason}); events are kept in memory for now.`)),
    );
  }

  /** The whole story of the run. Resolves when nothing of it is left on the host but its spool. */
  async supervise(): Promise<void> {
    this.saveState();
    process.chdir(this.run.path);
    this.attachments = await Attachments.listen(
      this.run.socketName,
      (seq) => this.spool.linesFrom(seq),
      (order) => this.obey(order),
    );
    this.timers.push(setInterval(() => this.checkLease(), leaseCheckMs));
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => this.stop({ verdict: 'stopped', reason: `The supervisor got ${signal}.` }));
    try {
      await this.experiment();
    } catch (error) {
      if (!this.abort.signal.aborted) this.end = this.failure(error);
    }
    await this.finish();
  }

  /** Ends the run from any phase. The first reason counts. */
  stop(end: End): void {
    if (this.abort.signal.aborted || (this.phase !== undefined && isFinal(this.phase))) return;
    if (this.phase === 'draining' || this.phase === 'restoring') return;
    this.end = end;
    this.abort.abort();
  }

  private async experiment(): Promise<void> {
    const { spec } = this.order;
    this.emit({ type: 'hello', runId: this.order.runId, startedAt: this.order.startedAt, agentVersion: agentVersion(), supervisorPid: process.pid, spec });
    this.enter('probing');
    const lock = await this.lockHost();
    this.guardian = new GuardianLink({
      agentPath: this.options.agentPath,
      run: this.run,
      stateDirectory: this.options.stateDirectory,
      isolated: this.options.isolated,
      leaseSeconds: spec.leaseSeconds,
      lockFd: lock.fd,
      emit: (event) => this.emit(event),
      onChange: (guardian) => {
        this.state.guardian = guardian;
        this.saveState();
      },
    });
    this.guardian.start();
    if (this.options.isolated) bringLoopbackUp();
    let facts = await this.probe();
    this.enter('planning');
    let plan = this.order.plan ?? planRun(spec, facts);
    this.emit({ type: 'plan', plan });
    if (plan.connections === 0) throw nothingFits(plan);
    this.enter('deploying');
    this.enter('tuning');
    if (spec.tuning === 'apply' && (await this.tune(plan)) && this.order.plan === undefined) {
      facts = await collectFacts(this.order.outer, this.options.isolated, this.sysctls);
      plan = planRun(spec, facts);
      this.emit({ type: 'plan', plan });
    }
    await this.startWorkers(plan, facts);
    this.rampBeganAt = performance.now();
    await this.rampAndHold(plan);
  }

  private async lockHost(): Promise<HostLock> {
    const path = lockPath(process.env);
    let lock = this.options.lockFd === undefined ? undefined : HostLock.inherited(path, this.options.lockFd);
    for (let waited = false; lock === undefined; waited = true) {
      const result = HostLock.tryAcquire(path);
      if (result instanceof HostLock) lock = result;
      else {
        if (!waited) this.log('info', `Waiting for ${describeHolder(result.holder)} to end.`);
        await this.sleep(lockPollMs);
      }
    }
    lock.describe(this.order.runId, this.order.owner, process.pid);
    this.lock = lock;
    return lock;
  }
  private lock: HostLock | undefined;

  private async probe(): Promise<HostFacts> {
    const facts = await collectFacts(this.order.outer, this.options.isolated, this.sysctls);
    this.emit({ type: 'facts', facts });
    if (this.order.spec.isolation === 'netns' && !this.options.isolated && this.order.plan === undefined) {
      const { reason } = facts.namespace;
      this.log(
        'warn',
        `No network namespace can be made${reason === undefined ? '' : ` (${reason})`}: the run uses the host's own, and its keys go through the journal.`,
      );
    }
    return facts;
  }

  /** True when a key was refused, so that the plan must be made again with what really holds. */
  private async tune(plan: Plan): Promise<boolean> {
    if (plan.sysctls.length === 0) return false;
    const journalOf = { path: this.run.journalPath, runId: this.order.runId, bootId: this.state.bootId };
    const { applied, journal } = applyTuning(plan.sysctls, this.sysctls, journalOf);
    this.journal = journal;
    for (const key of applied) this.emit({ type: 'tuning', ...key });
    await this.sleep(0);
    return applied.some((key) => key.outcome === 'refused');
  }

  private async startWorkers(plan: Plan, facts: HostFacts): Promise<void> {
    this.enter('starting', `${plan.serverWorkers.length} server and ${plan.clientWorkers.length} client workers`);
    this.pool = new WorkerPool({
      runId: this.order.runId,
      workerPath: this.options.workerPath,
      directory: this.run.path,
      spec: this.order.spec,
      emit: (event) => this.emit(event),
      onLost: (reason) => this.stop({ verdict: 'failed', reason }),
      onProcesses: (identities) => this.saveProcesses(identities),
    });
    this.orders = new Orders(this.pool, (event) => this.emit(event));
    await this.pool.start(this.order.plan ?? withRoom(plan, this.roomOf(facts)), this.abort.signal);
    this.sampler = new Sampler(this.pool, { cores: availableParallelism(), guardBytes: plan.guardBytes, isTracked: facts.conntrack !== null });
    this.recogniser = new WallRecogniser(plan, facts);
    this.sampler.refreshProcesses();
    this.sampler.takeBaseline();
    this.scheduleSample();
    this.timers.push(setInterval(() => this.checkGuard(plan), guardIntervalMs));
  }

  private roomOf(facts: HostFacts): Room {
    const [first = 32_768, last = 60_999] = (this.sysctls.read('net.ipv4.ip_local_port_range') ?? '').split(/\s+/).map(Number);
    const nofile = Math.min(this.order.spec.workerNofile ?? Number.POSITIVE_INFINITY, facts.nofile.raisable);
    // A third of the range, of which the kernel takes the half of one parity first: its search slows down past that half.
    return { nofile, perTuple: Math.floor((last - first) / 3) };
  }

  private async rampAndHold(plan: Plan): Promise<void> {
    const { spec } = this.order;
    const stages = spec.stages.length > 0 ? spec.stages : [{ to: plan.connections, rate: spec.rate, holdSeconds: spec.holdSeconds }];
    for (const stage of stages) {
      this.orders!.aim(Math.min(stage.to, plan.connections), stage.rate ?? 0);
      await this.ramp();
      await this.hold(stage.holdSeconds);
    }
  }

  /** Resolves when the target is reached or nothing moves any more. */
  private async ramp(): Promise<void> {
    const orders = this.orders!;
    const pool = this.pool!;
    this.enter('ramping');
    this.guard.tripped = false;
    let progressAt = performance.now();
    let best = '';
    for (;;) {
      await this.sleep(pollMs);
      const totals = totalsOf(pool);
      const progress = `${totals.established.client}/${totals.established.server}/${orders.target}`;
      if (progress !== best) progressAt = performance.now();
      best = progress;
      const idleMs = performance.now() - progressAt;
      const clientsDone = pool.clients.every((worker) => worker.open === worker.target || worker.stats?.blocked !== undefined);
      if (clientsDone && (totals.established.server >= totals.established.client || idleMs > settleMs)) break;
      if (this.isGuardTripped() && idleMs > 1_000) break;
      if (idleMs > stallMs) {
        this.log('warn', `The ramp stopped at ${totals.established.client} connections: nothing moved for ${stallMs / 1_000} s.`);
        break;
      }
    }
    this.sampler!.refreshProcesses();
    orders.reached();
  }

  private async hold(seconds: number): Promise<void> {
    this.enter('holding');
    let deadline = performance.now() + seconds * 1_000;
    this.takeSample();
    while (performance.now() < deadline) {
      await this.sleep(Math.min(pollMs, Math.max(1, deadline - performance.now())));
      if (this.orders!.takeChange()) {
        const left = deadline - performance.now();
        await this.ramp();
        this.enter('holding');
        deadline = performance.now() + Math.max(left, 0);
      }
    }
    this.sampler!.refreshProcesses();
    this.takeSample();
  }

  /** Drains, restores, tells the end. Never throws: whatever fails here is told in the summary. */
  private async finish(): Promise<void> {
    const wasStopped = this.abort.signal.aborted;
    if (this.pool !== undefined) {
      if (this.phase !== undefined && ['starting', 'ramping', 'holding'].includes(this.phase)) this.enter('draining', this.end.reason);
      if (this.end.verdict === 'failed') await this.countLosses();
      this.sampler?.beginDrain();
      const open = this.pool.clients.reduce((sum, worker) => sum + worker.open, 0);
      await this.pool.end(wasStopped ? stopGraceMs : drainGraceMs + open * drainGracePerConnectionMs);
    }
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.sampleTimer);
    this.enter('restoring');
    const except = [process.pid, this.state.guardian?.pid ?? 0];
    const processes = await endRunProcesses(this.order.runId, this.state.workers, this.state.namespace ?? undefined, except);
    const journal = this.journal ?? Journal.load(this.run.journalPath);
    const keys: KeyOutcome[] = journal?.restore(this.sysctls, this.state.bootId) ?? [];
    for (const key of keys) this.emit(tuningEventOf(key));
    const hostRestored = processes.left.length === 0 && keys.every((key) => key.outcome !== 'refused');
    if (this.spool.lost > 0) this.log('warn', `${this.spool.lost} events were lost because the disk of the host was full.`);
    this.enter(this.end.verdict, this.end.reason);
    this.emit({ type: 'summary', summary: this.summary.build({ ...this.end, hostRestored, keys }) });
    const deadline = performance.now() + fullDiskMs;
    while (!this.spool.isFlushed && this.attachments?.isFollowed !== true && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, lockPollMs));
    }
    this.state.ended = hostRestored;
    this.saveState();
    this.spool.close();
    await this.attachments?.close();
    await this.guardian?.release();
    this.lock?.release();
  }

  /** A worker that died took connections with it: the others have a moment to tell how many. */
  private async countLosses(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, statsIntervalMs));
    this.takeSample();
  }

  private obey(order: SupervisorOrder): unknown {
    this.lastHeartbeat = performance.now();
    if (order.type === 'heartbeat') return undefined;
    if (order.type === 'stop') {
      this.stop({ verdict: 'stopped', reason: order.reason ?? 'Stopped by the user.', interrupted: true });
      return null;
    }
    if (this.orders === undefined || (this.phase !== 'ramping' && this.phase !== 'holding')) {
      throw new HumanError(`The run is ${this.phase ?? 'starting'}: it takes orders only while it ramps and holds.`, { code: 'usage' });
    }
    if (order.type === 'burst') return this.orders.burst(order.messages, order.bytes);
    if (order.type === 'removeAll') return this.orders.removeAll();
    return this.orders.set(order.target, order.rate);
  }

  private checkLease(): void {
    const { leaseSeconds } = this.order.spec;
    if (performance.now() - this.lastHeartbeat > leaseSeconds * 1_000) this.stop({ verdict: 'stopped', reason: 'lease expired' });
  }

  private isGuardTripped(): boolean {
    return this.guard.tripped;
  }

  private checkGuard(plan: Plan): void {
    const alarm = judgeGuard(readGuard(), plan.guardBytes);
    if (alarm === undefined) return;
    if (this.phase === 'ramping' && !this.guard.tripped) {
      this.guard.tripped = true;
      this.orders!.freeze();
      this.log('warn', `The ramp stopped by itself to keep the host usable. ${alarm.evidence}`);
      this.takeSample();
    } else if (alarm.isCritical && (this.phase === 'ramping' || this.phase === 'holding')) {
      this.stop({ verdict: 'failed', reason: `The run was ended to keep the host usable. ${alarm.evidence}` });
    }
  }

  private sampleTimer: NodeJS.Timeout | undefined;

  private scheduleSample(): void {
    this.sampleTimer = setTimeout(() => {
      this.takeSample();
      this.scheduleSample();
    }, this.spool.sampleSeconds * 1_000);
  }

  private takeSample(): void {
    if (this.sampler === undefined || this.phase === undefined || isFinal(this.phase) || this.phase === 'restoring') return;
    const sample = this.emit(this.sampler.sample(this.phase, this.orders?.target ?? 0)) as Sample;
    for (const wall of this.recogniser?.observe(sample, this.evidence()) ?? []) this.emit({ type: 'wall', wall });
    this.checkThresholds();
  }

  /** Ends the run early when the user asked for that: thresholds are judged from the end of the grace on, which begins with the ramp. */
  private checkThresholds(): void {
    const { abortOnThresholdSeconds } = this.order.spec;
    if (abortOnThresholdSeconds === undefined || (this.phase !== 'ramping' && this.phase !== 'holding')) return;
    if (performance.now() - this.rampBeganAt < abortOnThresholdSeconds * 1_000) return;
    const failed = this.summary.build({ verdict: 'finished', hostRestored: true, keys: [] }).thresholds.find((threshold) => !threshold.passed);
    if (failed === undefined) return;
    this.stop({ verdict: 'failed', reason: `The threshold ${failed.expression} failed (${failed.value ?? 'no value'}).`, abortedByThreshold: true });
  }

  /** What the samples do not hold but the recogniser needs. */
  private evidence(): WallEvidence {
    const blocked = (this.pool?.all ?? []).flatMap((worker) =>
      worker.stats?.blocked === undefined ? [] : [{ worker: worker.id, role: worker.role, ...worker.stats.blocked }],
    );
    return { blocked, guardTripped: this.guard.tripped, rate: this.orders?.rate ?? 0 };
  }

  private failure(error: unknown): End {
    if (error instanceof HumanError) return { verdict: 'failed', reason: error.text };
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log('error', text);
    return { verdict: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }

  /** Waits, and throws when the run is stopped meanwhile. */
  private sleep(milliseconds: number): Promise<void> {
    const { signal } = this.abort;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        clearTimeout(timer);
        reject(new HumanError('Stopped.', { code: 'cancelled' }));
      };
      if (signal.aborted) {
        reject(new HumanError('Stopped.', { code: 'cancelled' }));
        return;
      }
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      }, milliseconds);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  private enter(phase: Phase, detail?: string): void {
    this.phase = advance(this.phase, phase);
    this.emit({ type: 'phase', phase, ...(detail === undefined ? {} : { detail }) });
  }

  private log(level: 'info' | 'warn' | 'error', text: string): void {
    this.emit({ type: 'log', level, text });
  }

  private emit(body: RunEventBody): RunEvent {
    const event = this.spool.append(body);
    this.summary.observe(event);
    this.attachments?.publish(event);
    return event;
  }

  private saveProcesses(identities: ProcessIdentity[]): void {
    this.state.workers = identities;
    this.saveState();
    this.guardian?.setProcesses(identities);
  }

  private saveState(): void {
    try {
      this.run.writeState(this.state);
    } catch {
      // A full disk must not end the run; the guardian knows the processes by its pipe.
    }
  }
}

/** The first wall stands at nothing: told before anything is changed or started. */
function nothingFits(plan: Plan): HumanError {
  const wall = plan.walls.find((candidate) => candidate.atAfterTuning === 0);
  return new HumanError(`Not one connection fits${wall === undefined ? '' : `. ${wall.title}: ${wall.evidence}`}.`, { remedy: wall?.remedy });
}

export function describeHolder(holder: { runId: string; owner: string } | undefined): string {
  return holder === undefined ? 'another run on this host' : `the run ${holder.runId} of ${holder.owner}`;
}

declare const C10M_VERSION: string | undefined;

/** The version of the build; `development` when it runs from source. */
export function agentVersion(): string {
  return typeof C10M_VERSION === 'string' ? C10M_VERSION : 'development';
}
