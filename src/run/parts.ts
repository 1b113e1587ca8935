import { HumanError } from '../core/errors.js';
import type { HostPart } from '../core/plan/hostPlans.js';
import { newReport, noteReport, type PartReport, type ReportingPart } from '../core/run/partReport.js';
import { RunRecording } from '../history/recording.js';
import type { ControllerCommand, StartOrder } from '../protocol/commands.js';
import type { RunEvent } from '../protocol/events.js';
import { deferred } from '../files/deferred.js';
import { HostLink, type LinkOptions } from './hostLink.js';
import type { LinkEnd } from '../core/run/linkStates.js';
import { partId, partStore, type SavedPart } from './savedParts.js';

/** One host of a run. */
export interface Part extends ReportingPart {
  readonly link: HostLink;
  /** Of a run over several hosts: each part is saved whole, too. */
  readonly recording: RunRecording | undefined;
  /** Resolves when it holds its connections for the first time; never, when it ends before. */
  readonly held: Promise<void>;
  /** How its link ended; undefined: it was released. */
  readonly ended: Promise<LinkEnd | undefined>;
}

/** The run that the hosts belong to. */
export interface PartsOwner extends Pick<LinkOptions, 'elapsedSeconds' | 'log'> {
  readonly id: string;
  readonly directory: string;
  readonly version: string;
  lease(hostName: string): LinkOptions['lease'];
  /** Who started it, and what its clients need to know. */
  orderBasis(): Pick<StartOrder, 'owner' | 'secrets'>;
  accept(part: Part, event: RunEvent): void;
  /** `lost`: why one of the hosts cannot be reached now. */
  onLink(lost: string | undefined): void;
}

/** The hosts of one run: a link to each, what it has reported, and the stop that reaches them all. */
export class Parts {
  /** The server's host first. */
  readonly all: Part[] = [];
  private reason: string | undefined;
  private wasLost = false;
  /** Aborted when the run is stopped or released: nothing new begins then. */
  private readonly closing = new AbortController();

  constructor(private readonly run: PartsOwner) {}

  /** Why the run was stopped: the first reason counts. */
  get stopReason(): string | undefined {
    return this.reason;
  }

  /** Aborted when the run is stopped or released. */
  get closed(): AbortSignal {
    return this.closing.signal;
  }

  /** A host was out of reach for a time: nobody put both sides together all the time. */
  get hasGap(): boolean {
    return this.wasLost;
  }

  /** The run goes on without us: nothing may be ended here. */
  get isReleased(): boolean {
    return (this.closed.aborted && this.reason === undefined) || this.all.some(({ link }) => link.state.is === 'released');
  }

  /** Begins a part, or, with its report, follows it again. */
  add({ name, role, spec, plan }: SavedPart['part'], known?: PartReport): Part {
    const { run } = this;
    const id = partId(run.id, role, this.all.length);
    const report = known ?? newReport();
    const held = deferred();
    const recording = role === 'whole' ? undefined : this.record(id, spec, known !== undefined);
    const link = new HostLink({
      name,
      runId: id,
      leaseSeconds: spec.leaseSeconds,
      lease: run.lease(name),
      lastSequence: report.lastSequence,
      elapsedSeconds: run.elapsedSeconds,
      order: known === undefined && plan !== undefined ? { runId: id, spec, plan, role, ...run.orderBasis() } : undefined,
      summary: report.summary,
      onEvent: (event) => {
        noteReport(report, role, event);
        recording?.append(event);
        run.accept(part, event);
        if (report.hasHeld) held.resolve();
      },
      onChange: () => {
        this.wasLost ||= link.state.is === 'lost';
        run.onLink(this.lost());
      },
      log: run.log,
    });
    if (report.hasHeld) held.resolve();
    const part: Part = { name, role, planned: plan?.connections ?? 0, link, recording, report, held: held.promise, ended: link.follow() };
    this.all.push(part);
    if (this.reason !== undefined) link.stop(this.reason);
    return part;
  }

  stop(reason: string): void {
    this.reason ??= reason;
    this.closing.abort();
    for (const { link } of this.all) link.stop(this.reason);
  }

  /** Lets the run go on without us. */
  detach(): void {
    this.closing.abort();
    for (const { link } of this.all) link.detach();
  }

  /** Sends an order to each host that holds clients. Throws a HumanError. */
  async order(build: (planned: readonly number[]) => readonly ((id: number) => ControllerCommand)[]): Promise<void> {
    const holders = this.all.filter(({ role }) => role !== 'server');
    if (holders.length === 0) throw new HumanError('The run has not begun.', { code: 'usage', remedy: 'It accepts orders while it ramps and holds.' });
    const orders = build(holders.map(({ planned }) => planned));
    await Promise.all(holders.map(({ link }, index) => link.request(orders[index]!)));
  }

  /** Has the hosts forget their copies of what is saved here. */
  async forget(): Promise<void> {
    const saved = this.all.filter(({ report, recording }) => report.summary !== undefined && recording?.problem === undefined);
    await Promise.all(saved.map(({ link }) => link.forget()));
  }

  close(): void {
    for (const { link, recording } of this.all) {
      link.close();
      recording?.close();
    }
  }

  private record(id: string, spec: HostPart['spec'], isKnown: boolean): RunRecording {
    const store = partStore(this.run.directory);
    if (isKnown) return RunRecording.continue(store, store.read(id));
    return RunRecording.begin(store, { id, spec, startedAt: new Date().toISOString(), version: this.run.version });
  }

  private lost(): string | undefined {
    return this.all.flatMap(({ name, role, link: { state } }) => (state.is === 'lost' ? [role === 'whole' ? state.why : `${name}: ${state.why}`] : []))[0];
  }
}
