import { exitCodes, HumanError, messageOf } from '../core/errors.js';
import { isFinal } from '../core/phases.js';
import { planRun } from '../core/plan/plan.js';
import { changesSince } from '../core/plan/planCheck.js';
import { firstWall } from '../core/walls/plannedWalls.js';
import { identityOf, type ProcessIdentity } from '../linux/process.js';
import { bringLoopbackUp, HeldNamespace, networkNamespaceOf } from '../linux/netns.js';
import type { HostFacts } from '../protocol/facts.js';
import type { Plan } from '../protocol/plan.js';
import { Attachments, type SupervisorOrder } from './attachments.js';
import { endRunProcesses, tuningEventOf } from './restoration/cleanup.js';
import { GuardianLink } from './restoration/guardianLink.js';
import { describeHolder, holderOfRoot, HostLock, sharesHost } from './hostLock.js';
import { findNeighbours } from './neighbours.js';
import { Journal } from './restoration/journal.js';
import { Orders } from './load/orders.js';
import { readBootId } from './bootId.js';
import { collectFacts } from './probe.js';
import { RampControl, type EarlyEnd } from './load/rampControl.js';
import { withRoom, type Room } from './load/room.js';
import { RunStory } from './runStory.js';
import { sleep } from '../files/sleep.js';
import { prepareStatelessNamespace } from './statelessNamespace.js';
import type { RunDirectory, RunOrder, RunState } from './stateDirectory.js';
import { SysctlFiles } from './restoration/sysctlFiles.js';
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
/** Workers tell their counts each 250 ms. */
const statsIntervalMs = 350;
const lockPollMs = 1_000;
/** The end of a run that nobody follows waits this long for a full disk. */
const fullDiskMs = 60_000;

/** The long-lived process of one run: owns everything that the run has on the host, and ends it. */
export class Supervisor {
  private readonly story: RunStory;
  private readonly sysctls = new SysctlFiles();
  private readonly abort = new AbortController();
  private readonly state: RunState;
  private end: EarlyEnd = { verdict: 'finished' };
  private attachments: Attachments | undefined;
  private guardian: GuardianLink | undefined;
  private pool: WorkerPool | undefined;
  private control: RampControl | undefined;
  private lock: HostLock | undefined;
  private orders: Orders | undefined;
  private journal: Journal | undefined;
  private lastHeartbeat = performance.now();
  private waitedSeconds = 0;
  private leaseTimer: NodeJS.Timeout | undefined;

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
    this.story = new RunStory(run.spoolPath);
  }

  /** The whole story of the run. Resolves when nothing of it is left on the host but its spool. */
  async supervise(): Promise<void> {
    // Whoever comes after us must find us: a disk that does not take this takes no run.
    this.run.writeState(this.state);
    process.chdir(this.run.path);
    this.attachments = await Attachments.listen(
      this.run.socketName,
      (seq) => this.story.spool.linesFrom(seq),
      (order) => this.obey(order),
    );
    const { attachments } = this;
    this.story.followWith((event) => attachments.publish(event));
    this.leaseTimer = setInterval(() => this.checkLease(), leaseCheckMs);
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

  private async experiment(): Promise<void> {
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
    const { lock, waited } = await this.lockHost();
    this.guardian = new GuardianLink({
      agentPath: this.options.agentPath,
      run: this.run,
      stateDirectory: this.options.stateDirectory,
      isolated: this.options.isolated,
      leaseSeconds: spec.leaseSeconds,
      lockFd: lock.fd,
      emit: (event) => this.story.emit(event),
      onChange: (guardian) => {
        this.state.guardian = guardian;
        this.saveState();
      },
    });
    this.guardian.start();
    if (this.options.isolated) bringLoopbackUp();
    let facts = await this.probe();
    this.story.enter('planning');
    let plan = this.settlePlan(facts, waited);
    if (plan.connections === 0) this.refuse(plan);
    this.story.enter('deploying');
    this.story.enter('tuning');
    const refused = spec.tuning === 'apply' ? await this.tune(plan) : [];
    if (refused.length > 0 && this.order.role === 'whole') {
      facts = await collectFacts(this.order.outer, this.options.isolated, this.sysctls);
      plan = planRun(spec, facts);
      this.story.emit({ type: 'plan', plan, reason: `These settings could not be changed: ${refused.join(', ')}.` });
    }
    await (await this.startWorkers(plan, facts)).conduct();
  }

  /**
   * The plan that was shown is the one that runs, or none. Where another run had the host when it was made, it is made anew, and shown. What one host
   * of several does cannot be planned here.
   */
  private settlePlan(facts: HostFacts, waited: boolean): Plan {
    const { spec, plan: confirmed, role } = this.order;
    if (confirmed !== undefined && role !== 'whole') {
      this.story.emit({ type: 'plan', plan: confirmed });
      return confirmed;
    }
    const now = planRun(spec, facts);
    if (confirmed === undefined || waited) {
      this.story.emit({ type: 'plan', plan: now, ...(waited ? { reason: 'Another run used the host when the plan was made.' } : {}) });
      return now;
    }
    this.story.emit({ type: 'plan', plan: confirmed });
    const changes = changesSince(confirmed, now);
    if (changes.length === 0) return confirmed;
    throw new HumanError(`The host is no longer as it was when the run was planned: ${changes.join('; ')}. Nothing was changed.`, {
      remedy: 'Look at a new plan and start the run again.',
    });
  }

  /** The first wall stands at nothing: told before anything is changed or started. */
  private refuse(plan: Plan): never {
    const wall = firstWall(plan);
    if (wall === undefined) throw new HumanError('Not one connection fits.');
    const { id, title, evidence, remedy } = wall;
    this.story.emit({ type: 'wall', wall: { id, title, at: 0, evidence, remedy } });
    throw new HumanError(`Not one connection fits. ${title}: ${evidence}.`, { remedy });
  }

  private async lockHost(): Promise<{ lock: HostLock; waited: boolean }> {
    const beganAt = performance.now();
    let lock = this.options.lockFd === undefined ? undefined : HostLock.inherited(this.options.lockFd);
    let waited = false;
    for (; lock === undefined; waited = true) {
      const ofRoot = sharesHost(process.env) ? holderOfRoot(this.order.outer.user.id) : undefined;
      const result = ofRoot === undefined ? HostLock.tryAcquire(this.order.lockPath) : { holder: ofRoot };
      if (result instanceof HostLock) lock = result;
      else {
        if (!waited) this.story.log('info', `Waiting for ${describeHolder(result.holder)} to end.`);
        await sleep(lockPollMs, this.abort.signal);
      }
    }
    this.waitedSeconds = (performance.now() - beganAt) / 1_000;
    lock.describe(this.order.runId, this.order.owner, process.pid);
    this.lock = lock;
    this.warnOfNeighbours();
    return { lock, waited };
  }

  /** Other users have locks of their own: that they are here can only be said. */
  private warnOfNeighbours(): void {
    const pids = sharesHost(process.env) ? findNeighbours() : [];
    if (pids.length > 0)
      this.story.log(
        'warn',
        `Another user has a run on this host (supervisor ${pids.join(', ')}): memory and rates are shared with it, so figures may be off.`,
      );
  }

  private async probe(): Promise<HostFacts> {
    const facts = await collectFacts(this.order.outer, this.options.isolated, this.sysctls);
    this.story.emit({ type: 'facts', facts });
    if (this.order.spec.isolation === 'netns' && !this.options.isolated && this.order.role === 'whole') {
      const { reason } = facts.namespace;
      this.story.log(
        'warn',
        `No network namespace can be made${reason === undefined ? '' : ` (${reason})`}: the run uses the host's own, and its keys go through the journal.`,
      );
    }
    return facts;
  }

  /** Returns the keys that were refused: the plan must be made again with what really holds. */
  private async tune(plan: Plan): Promise<string[]> {
    if (plan.sysctls.length === 0) return [];
    const journalOf = { path: this.run.journalPath, runId: this.order.runId, bootId: this.state.bootId };
    const { applied, journal } = applyTuning(plan.sysctls, this.sysctls, journalOf);
    this.journal = journal;
    for (const key of applied) this.story.emit({ type: 'tuning', ...key });
    await sleep(0, this.abort.signal);
    return applied.filter(({ outcome }) => outcome === 'refused').map(({ key }) => key);
  }

  private async startWorkers(plan: Plan, facts: HostFacts): Promise<RampControl> {
    if (plan.client === 'stateless') prepareStatelessNamespace();
    this.story.enter('starting', `${plan.serverWorkers.length} server and ${plan.clientWorkers.length} client workers`);
    this.pool = new WorkerPool({
      mark: this.order.mark,
      workerPath: this.options.workerPath,
      directory: this.run.path,
      spec: this.order.spec,
      emit: (event) => this.story.emit(event),
      onLost: (reason) => this.stop({ verdict: 'failed', reason }),
      onStats: (worker) => this.control?.observe(worker),
      onProcesses: (identities) => this.saveProcesses(identities),
    });
    this.orders = new Orders(this.pool, (event) => this.story.emit(event));
    await this.pool.start(this.order.role === 'whole' ? withRoom(plan, this.roomOf(facts)) : plan, this.abort.signal);
    const { pool, orders } = this;
    const { signal } = this.abort;
    this.control = new RampControl({ story: this.story, spec: this.order.spec, plan, facts, pool, orders, signal, stop: (end) => this.stop(end) });
    return this.control;
  }

  private roomOf(facts: HostFacts): Room {
    const [first = 32_768, last = 60_999] = (this.sysctls.read('net.ipv4.ip_local_port_range') ?? '').split(/\s+/).map(Number);
    const nofile = Math.min(this.order.spec.workerNofile ?? Number.POSITIVE_INFINITY, facts.nofile.raisable);
    // A third of the range, of which the kernel takes the half of one parity first: its search slows down past that half.
    return { nofile, perTuple: Math.floor((last - first) / 3) };
  }

  /** Drains, restores, tells the end. Never throws: whatever fails here is told in the summary. */
  private async finish(): Promise<void> {
    const wasStopped = this.abort.signal.aborted;
    if (this.pool !== undefined) {
      // What a ramp had opened when it was cut short was up to a second ago in the last sample.
      if (this.story.phase === 'ramping') await this.control?.takeFreshSample();
      // The last messages are on their way: what became of them is known a moment after the end.
      await this.pool.concludeMessages(wasStopped ? stopAnswerMs : answerMs);
      // While the connections are there still, so that what is told last is not of their closing.
      if (this.story.phase === 'holding') await this.control?.takeFreshSample();
      if (['starting', 'ramping', 'holding'].includes(this.story.phase ?? '')) this.story.enter('draining', this.end.reason);
      if (this.end.verdict === 'failed') await this.countLosses();
      this.control?.beginDrain();
      this.control?.takeSample();
      const open = this.pool.clients.reduce((sum, worker) => sum + worker.open, 0);
      await this.pool.end(wasStopped ? stopGraceMs : drainGraceMs + open * drainGracePerConnectionMs);
    }
    clearInterval(this.leaseTimer);
    this.control?.close();
    if (this.pool !== undefined) this.warnOfNeighbours();
    this.story.enter('restoring');
    const processes = await this.endProcesses();
    const journal = this.journal ?? Journal.load(this.run.journalPath);
    const keys = journal?.restore(this.sysctls, this.state.bootId) ?? [];
    for (const key of keys) this.story.emit(tuningEventOf(key));
    const hostRestored = processes.left.length === 0 && keys.every((key) => key.outcome !== 'refused');
    if (this.story.spool.lost > 0) this.story.log('warn', `${this.story.spool.lost} events were lost because the disk of the host was full.`);
    this.story.enter(this.end.verdict, this.end.reason);
    this.story.emit({ type: 'summary', summary: this.story.summarise({ ...this.end, hostRestored, keys, waitedSeconds: this.waitedSeconds }) });
    const deadline = performance.now() + fullDiskMs;
    while (!this.story.spool.isFlushed && this.attachments?.isFollowed !== true && performance.now() < deadline) {
      await sleep(lockPollMs);
    }
    this.state.ended = hostRestored;
    this.saveState();
    this.story.spool.close();
    await this.attachments?.close();
    await this.guardian?.release();
    this.lock?.release();
  }

  /** What the run still has besides its keepers: workers that hang, programs that a command left in the background. */
  private async endProcesses(): Promise<{ left: ProcessIdentity[] }> {
    const { supervisor, guardian, workers } = this.state;
    const keepers = [supervisor, guardian].filter((identity) => identity !== null);
    const namespace = this.options.isolated ? HeldNamespace.of('self') : undefined;
    try {
      return await endRunProcesses({ recorded: [...keepers, ...workers], namespace, mark: this.order.mark }, keepers);
    } finally {
      namespace?.release();
    }
  }

  /** A worker that died took connections with it: the others have a moment to tell how many. */
  private async countLosses(): Promise<void> {
    await sleep(statsIntervalMs);
    await this.control?.takeFreshSample();
  }

  private obey(order: SupervisorOrder): unknown {
    this.lastHeartbeat = performance.now();
    if (order.type === 'heartbeat') return undefined;
    if (order.type === 'stop') {
      this.stop({ verdict: 'stopped', reason: order.reason ?? 'Stopped by the user.' });
      return null;
    }
    if (this.orders === undefined || (this.story.phase !== 'ramping' && this.story.phase !== 'holding')) {
      throw new HumanError(`The run is ${this.story.phase ?? 'starting'}: it takes orders only while it ramps and holds.`, { code: 'usage' });
    }
    if (order.type === 'burst') return this.orders.burst(order.messages, order.bytes);
    if (order.type === 'removeAll') return this.orders.removeAll();
    if (order.type === 'prove') return this.orders.prove();
    return this.orders.set(order.target, order.rate);
  }

  private checkLease(): void {
    const { leaseSeconds } = this.order.spec;
    if (performance.now() - this.lastHeartbeat > leaseSeconds * 1_000) this.stop({ verdict: 'stopped', reason: 'lease expired' });
  }

  private failure(error: unknown): EarlyEnd {
    if (error instanceof HumanError) return { verdict: 'failed', reason: error.text };
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.story.log('error', text);
    return { verdict: 'failed', reason: messageOf(error) };
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
