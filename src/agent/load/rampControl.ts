import { describeProof, HalfOpenWatch } from '../../core/walls/halfOpen.js';
import { isFinal } from '../../core/phases.js';
import { WallRecogniser, type WallEvidence } from '../../core/walls/recogniser.js';
import { formatThresholdValue } from '../../core/figures/thresholds.js';
import { formatCount } from '../../core/units.js';
import type { RunEnd } from '../../core/figures/summary.js';
import type { HostFacts } from '../../protocol/facts.js';
import type { Sample } from '../../protocol/events.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { foreignEvidence } from './foreignEvidence.js';
import type { Orders } from './orders.js';
import { RampProgress } from './rampProgress.js';
import { type GuardAlarm, type GuardReading, GroupTrend, judgeGuard, slowerRate } from './rampGuard.js';
import type { RunStory } from '../runStory.js';
import type { Sampler } from './sampler.js';
import { totalsOf } from './totals.js';
import type { Clock } from '../../files/clock.js';
import { HoldTime } from './holdTime.js';
import type { WorkerPool } from './workerPool.js';
import type { Worker } from './workerProcess.js';

/**
 * A ramp at 40,000 connections per second takes 375 MB of memory each second. A machine's guard has gigabytes of margin for what comes between two
 * looks; a tenth of a small control group is a few megabytes.
 */
const guardIntervalMs = 100;
const guardIntervalInGroupMs = 20;
const pollMs = 50;
/** The server may still be accepting what the clients see as connected. */
const settleMs = 10_000;

/** How a run that ends early ends. */
export type EarlyEnd = Omit<RunEnd, 'hostRestored' | 'keys'>;

/** What a ramp works with. The clock and the guard's readings are parameters, so that a test can be the host. */
export interface RampRun {
  story: Pick<RunStory, 'phase' | 'emit' | 'enter' | 'log' | 'summarise'> & { spool: Pick<RunStory['spool'], 'sampleSeconds'> };
  spec: RunSpec;
  plan: Plan;
  facts: HostFacts;
  pool: Pick<WorkerPool, 'all' | 'servers' | 'clients' | 'capacity' | 'refresh' | 'prove'>;
  orders: Pick<Orders, 'target' | 'rate' | 'aim' | 'slowTo' | 'freeze' | 'keepOpen' | 'reached' | 'takeChange'>;
  sampler: Pick<Sampler, 'observeWorker' | 'sample' | 'takeBaseline' | 'refreshProcesses' | 'beginRamp' | 'beginDrain'>;
  signal: AbortSignal;
  clock: Clock;
  readGuard: () => GuardReading;
  /** Ends the run early. */
  stop: (end: EarlyEnd) => void;
}

/** Ramps, holds, measures and guards: what happens between the workers being ready and their end. */
export class RampControl {
  private readonly sampler: RampRun['sampler'];
  private readonly recogniser: WallRecogniser;
  private readonly halfOpen: HalfOpenWatch;
  private cancelSample: () => void = () => undefined;
  private cancelGuard: () => void = () => undefined;
  private beganAt: number;
  /** What made the guard stop the ramp. */
  private alarm: GuardAlarm | undefined;
  /** It is reported only with counts from after the stop, so that its wall stands at what is open then. */
  private isAlarmTold = false;
  private readonly trend = new GroupTrend();
  /** The ramp was slowed to so many connections per second. */
  private slowRate: number | undefined;
  private isClosed = false;
  private readonly holdTime: HoldTime;
  private readonly stale = new Set<string>();

  constructor(private readonly run: RampRun) {
    const { plan, facts, clock, sampler } = run;
    this.sampler = sampler;
    this.beganAt = clock.now();
    this.holdTime = new HoldTime(clock);
    this.recogniser = new WallRecogniser(plan, facts);
    this.halfOpen = new HalfOpenWatch(plan.engine);
  }

  /** A worker has reported its counts. */
  observeWorker(worker: Worker): void {
    this.sampler.observeWorker(worker);
  }

  /** All stages of the run. Rejects when it is stopped meanwhile. */
  async conduct(): Promise<void> {
    const { spec, plan, orders } = this.run;
    this.sampler.refreshProcesses();
    this.sampler.takeBaseline();
    this.scheduleSample();
    this.scheduleGuard();
    this.beganAt = this.run.clock.now();
    const stages = spec.stages.length > 0 ? spec.stages : [{ to: plan.connections, rate: spec.rate, holdSeconds: spec.holdSeconds }];
    for (const stage of stages) {
      await this.ramp(() => orders.aim(Math.min(stage.to, plan.connections), stage.rate ?? 0));
      if (spec.connections === 'max' && spec.stages.length === 0) await this.goOn();
      await this.hold(stage.holdSeconds);
    }
  }

  /** A ramp to the ceiling that has met no wall where one was predicted uses the room that its workers have. */
  private async goOn(): Promise<void> {
    const { story, plan, orders, pool, spec } = this.run;
    this.checkGuard();
    const isMet = this.hasAlarm() || this.recogniser.hasNamed || this.evidence().blocked.length > 0;
    if (isMet || totalsOf(pool.all).established.client < plan.connections || pool.capacity <= plan.connections) return;
    story.log(
      'info',
      `No wall was met at ${formatCount(plan.connections)} connections: the ramp goes on to the ${formatCount(pool.capacity)} that its workers can hold.`,
    );
    orders.aim(pool.capacity, spec.rate ?? 0);
    await this.climb();
  }

  /** From here on connections end because we end them. */
  beginDrain(): void {
    this.sampler.beginDrain();
  }

  /** A sample of counts that all workers have reported just now. */
  async takeFreshSample(): Promise<void> {
    await this.run.pool.refresh();
    if (!this.isClosed) this.takeSample();
  }

  close(): void {
    this.isClosed = true;
    this.cancelGuard();
    this.cancelSample();
  }

  takeSample(): void {
    const { story, orders } = this.run;
    const { phase } = story;
    if (phase === undefined || isFinal(phase) || phase === 'restoring') return;
    const evidence = this.evidence();
    const sample = story.emit({
      ...this.sampler.sample(phase, orders.target),
      aim: { rate: orders.rate, holdLeftSeconds: this.holdTime.leftSeconds },
      ...reportedEvidence(evidence),
    }) as Sample;
    for (const wall of this.recogniser.observeSample(sample, evidence)) story.emit({ type: 'wall', wall });
    this.reportStale(sample.staleWorkers ?? []);
    this.checkHalfOpen(sample);
    this.checkThresholds();
  }

  private reportStale(workers: readonly string[]): void {
    const { story } = this.run;
    for (const id of workers.filter((one) => !this.stale.has(one)))
      story.log('warn', `${id} has not reported its counts for more than two seconds: the figures have its last ones.`);
    for (const id of [...this.stale].filter((one) => !workers.includes(one))) story.log('info', `${id} reports its counts again.`);
    this.stale.clear();
    for (const id of workers) this.stale.add(id);
  }

  /** A host with one side of the run only cannot tell: its controller does. */
  private checkHalfOpen(sample: Sample): void {
    const { pool, story } = this.run;
    if (pool.servers.length === 0 || pool.clients.length === 0) return;
    const finding = this.halfOpen.observeSample(sample, this.recogniser.hasNamed);
    if (finding === undefined) return;
    if (finding !== 'prove') {
      for (const wall of this.recogniser.name(finding, sample)) story.emit({ type: 'wall', wall });
      return;
    }
    story.log('warn', describeProof(sample));
    pool.prove();
  }

  /** Resolves when the target is reached or nothing moves any more. */
  private async ramp(begin: () => void): Promise<void> {
    const { story, pool } = this.run;
    await pool.refresh();
    this.alarm = undefined;
    this.isAlarmTold = false;
    this.slowRate = undefined;
    this.sampler.beginRamp();
    begin();
    story.enter('ramping');
    // The curve begins where the ramp does, so that the next sample's rate is that of the ramp.
    this.takeSample();
    await this.climb();
  }

  private async climb(): Promise<void> {
    const { story, orders, pool, signal } = this.run;
    const progress = new RampProgress();
    for (;;) {
      await this.run.clock.sleep(pollMs, signal);
      const { established, opened, failed } = totalsOf(pool.all);
      const now = this.run.clock.now();
      const end = progress.observeCounts(now, { target: orders.target, established, opened, failed: failed.total });
      const idleMs = progress.idleMs(now);
      const clientsDone = pool.clients.every((worker) => worker.isDone);
      if (clientsDone && (this.isAccepted() || idleMs > settleMs)) {
        // What ends a ramp is a count, not an estimate.
        await pool.refresh(true);
        if (this.isAccepted() || idleMs > settleMs) break;
      }
      if (this.hasAlarm() && idleMs > 1_000) break;
      if (end !== undefined) {
        story.log('warn', `The ramp ended at ${formatCount(established.client)} connections: ${end}.`);
        break;
      }
    }
    await pool.refresh(true);
    this.sampler.refreshProcesses();
    this.endIfRefused();
    orders.reached();
    if (this.hasAlarm()) orders.keepOpen();
  }

  private isAccepted(): boolean {
    const { pool } = this.run;
    const { established } = totalsOf(pool.all);
    // The server of a run over several hosts counts on its own host.
    return pool.servers.length === 0 || established.server >= established.client;
  }

  /** A server that never kept one connection will not while they are held. */
  private endIfRefused(): void {
    const { pool, stop, signal } = this.run;
    const blocked = pool.clients.find((worker) => worker.stats?.blocked?.errno === 'refused')?.stats?.blocked;
    if (blocked === undefined || totalsOf(pool.all).established.client > 0) return;
    this.takeSample();
    stop({ verdict: 'failed', reason: `The server kept not one connection: ${blocked.text}.` });
    signal.throwIfAborted();
  }

  private async hold(seconds: number): Promise<void> {
    const { story, orders, signal } = this.run;
    story.enter('holding');
    this.holdTime.begin(seconds);
    this.takeSample();
    while (this.holdTime.leftMs > 0) {
      await this.run.clock.sleep(Math.min(pollMs, Math.max(1, this.holdTime.leftMs)), signal);
      if (orders.takeChange()) {
        this.holdTime.pause();
        // Its order is with the workers already.
        await this.ramp(() => undefined);
        story.enter('holding');
        this.holdTime.resume();
        // What is left is known at once, not a second later.
        this.takeSample();
      }
    }
    this.holdTime.end();
    await this.run.pool.refresh(true);
    this.sampler.refreshProcesses();
    this.takeSample();
  }

  private hasAlarm(): boolean {
    return this.alarm !== undefined;
  }

  /** A look takes a quarter of a millisecond: often only while memory is taken fast. */
  private scheduleGuard(): void {
    const { story, facts } = this.run;
    const isTight = story.phase === 'ramping' && facts.cgroup.memoryMaximumBytes !== null;
    this.cancelGuard = this.run.clock.after(isTight ? guardIntervalInGroupMs : guardIntervalMs, () => {
      this.checkGuard();
      this.scheduleGuard();
    });
  }

  private checkGuard(): void {
    const { story, plan, orders, stop } = this.run;
    const reading = this.run.readGuard();
    this.slowDown(reading.cgroup);
    const alarm = judgeGuard(reading, plan.guardBytes);
    if (alarm === undefined) return;
    if (story.phase === 'ramping' && !this.hasAlarm()) {
      this.alarm = alarm;
      orders.freeze();
      story.log('warn', `The ramp stopped by itself to keep the host usable: ${alarm.evidence}.`);
      void this.reportAlarm();
    } else if (story.phase === 'holding' && !this.hasAlarm()) {
      // Passed in the last moments of the ramp; or the clients are on other hosts, and their controller must hear of it.
      this.alarm = alarm;
      const who = plan.clientWorkers.length === 0 ? 'The clients should stop their ramp to keep this host usable' : 'This host holds no more';
      story.log('warn', `${who}: ${alarm.evidence}.`);
      void this.reportAlarm();
    } else if (alarm.isCritical && (story.phase === 'ramping' || story.phase === 'holding')) {
      stop({ verdict: 'failed', reason: `The run was ended to keep the host usable: ${alarm.evidence}.` });
    }
  }

  /** A small group is filled in tenths of a second: near its end the ramp goes on more slowly, so that it can be stopped where it should. */
  private slowDown(group: GuardReading['cgroup']): void {
    const { story, orders, clock } = this.run;
    if (group === undefined) return;
    const coming = this.trend.observeUse(clock.now(), group.used);
    if (story.phase !== 'ramping' || this.hasAlarm()) return;
    const rate = slowerRate(group, coming);
    if (rate === undefined || (this.slowRate !== undefined && rate >= this.slowRate)) return;
    if (this.slowRate === undefined) story.log('info', 'The control group is nearly full: the ramp goes on more slowly, so that it can be stopped in time.');
    this.slowRate = rate;
    orders.slowTo(rate);
  }

  private async reportAlarm(): Promise<void> {
    await this.run.pool.refresh();
    this.isAlarmTold = true;
    if (!this.isClosed) this.takeSample();
  }

  /** At a fixed rate, whatever a sample costs; what is late is left out, not caught up. */
  private scheduleSample(dueAt = this.run.clock.now()): void {
    const periodMs = this.run.story.spool.sampleSeconds * 1_000;
    const nextAt = Math.max(dueAt + periodMs, this.run.clock.now() + periodMs / 2);
    this.cancelSample = this.run.clock.after(nextAt - this.run.clock.now(), () => {
      void this.takeFreshSample().then(() => {
        if (!this.isClosed) this.scheduleSample(nextAt);
      });
    });
  }

  /** Ends the run early when the user asked for that: thresholds are judged from the end of the grace on, which begins with the ramp. */
  private checkThresholds(): void {
    const { story, spec, stop } = this.run;
    const { abortOnThresholdSeconds } = spec;
    if (abortOnThresholdSeconds === undefined || (story.phase !== 'ramping' && story.phase !== 'holding')) return;
    if (this.run.clock.now() - this.beganAt < abortOnThresholdSeconds * 1_000) return;
    const { thresholds } = story.summarise({ verdict: 'finished', hostRestored: true, keys: [] });
    const failed = thresholds.find((threshold) => !threshold.passed);
    if (failed === undefined) return;
    stop({ verdict: 'failed', reason: `The threshold ${failed.expression} failed (${formatThresholdValue(failed)}).`, endedBy: 'threshold' });
  }

  /** What the samples do not hold but the recogniser needs. */
  private evidence(): WallEvidence {
    const blocked = this.run.pool.all.flatMap((worker) =>
      worker.stats?.blocked === undefined ? [] : [{ worker: worker.id, role: worker.role, ...worker.stats.blocked }],
    );
    const { pool, orders } = this.run;
    const serverFiles = pool.servers[0]?.stats?.files;
    const waiting = pool.servers[0]?.stats?.waiting;
    const isEstimate = pool.servers[0]?.stats?.isEstimate;
    const foreign = foreignEvidence(pool.all);
    return {
      blocked,
      rate: orders.rate,
      ...(this.alarm === undefined || !this.isAlarmTold ? {} : { guard: { id: this.alarm.id, evidence: this.alarm.evidence } }),
      ...(serverFiles === undefined ? {} : { serverFiles }),
      ...(waiting === undefined ? {} : { waiting }),
      ...(isEstimate === undefined ? {} : { isEstimate }),
      ...(foreign === undefined ? {} : { foreign }),
    };
  }
}

/** Of many workers that all hit the same limit, so many are reported in a sample. */
const toldWorkers = 8;

/** Nothing is reported while there is nothing to report. */
function reportedEvidence(evidence: WallEvidence): Pick<Sample, 'evidence'> {
  const { blocked, guard, rate = 0, serverFiles, waiting } = evidence;
  if (blocked.length === 0 && guard === undefined && rate === 0 && serverFiles === undefined && waiting === undefined) return {};
  return { evidence: { ...evidence, blocked: blocked.slice(0, toldWorkers), rate } };
}
