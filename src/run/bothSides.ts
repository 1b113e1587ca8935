import { type HostSamples, mergeSamples } from '../core/figures/mergedSample.js';
import { targetOf } from '../core/run/partReport.js';
import { SampleTiming } from '../core/run/sampleTiming.js';
import { metWall } from '../core/walls/catalogue.js';
import { describeProof, HalfOpenWatch } from '../core/walls/halfOpen.js';
import type { Phase, RunEvent, RunEventBody, Sample } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';
import type { Part } from './parts.js';

/** The run over several hosts whose sides are put together. */
export interface SidedRun {
  readonly spec: RunSpec;
  walls(): readonly { id: string }[];
  /** The server's host first. */
  readonly parts: readonly Part[];
  /** Of the run as a whole. */
  phase(): Phase | undefined;
  enter(phase: Phase): void;
  emit(event: RunEventBody): RunEvent;
}

/** What is seen only where both sides of a run over several hosts are known: its samples, and connections that one side does not know. */
export class BothSides {
  private readonly halfOpen: HalfOpenWatch;
  private readonly timing = new SampleTiming();

  constructor(private readonly run: SidedRun) {
    this.halfOpen = new HalfOpenWatch(run.spec.engine);
  }

  /** The run is followed again after a time in which nobody put both sides together. */
  noteGap(): void {
    this.timing.noteGap();
  }

  /** To be called when the server's host has reported a sample: those of the clients' hosts are at most a second older. */
  addSample(): void {
    const samples = this.samples();
    const decision = samples === undefined ? 'skip' : this.decide(samples);
    if (samples === undefined || decision === 'skip') return;
    if (decision === 'drain') this.run.enter('draining');
    this.emit(samples);
  }

  /** To be called when all hosts are done and before the whole run is: what each has reported last, its final counts of messages among it. */
  addLast(): void {
    const samples = this.samples();
    if (samples !== undefined && samples.clients.length > 0) this.emit(samples);
  }

  /** The latest samples of all hosts; undefined where they are not to be shown (any more). */
  private samples(): HostSamples | undefined {
    const phase = this.run.phase();
    const [server, ...clients] = this.run.parts.flatMap(({ name, report }) => (report.last === undefined ? [] : [{ name, sample: report.last }]));
    const hasServer = server !== undefined && server.name === this.run.parts[0]?.name;
    return hasServer && phase !== undefined && phase !== 'restoring' ? { server, clients } : undefined;
  }

  private decide({ server }: HostSamples) {
    const clients = this.run.parts.slice(1).map(({ report }) => report);
    return this.timing.decide({ nowMs: performance.now(), phase: this.run.phase()!, clients, server: server.sample.established.server });
  }

  private emit(samples: HostSamples): void {
    const { run } = this;
    const sample = run.emit({ ...mergeSamples(samples), phase: run.phase()!, target: targetOf(run.parts) }) as Sample;
    if (this.isWhole()) this.checkHalfOpen(sample);
  }

  /** What a host reported last is still so: it is within reach, and its connections are not being closed. */
  private isWhole(): boolean {
    const { parts, spec } = this.run;
    const isThere = ({ link, report }: Part) => link.state.is === 'following' && (report.phase === 'ramping' || report.phase === 'holding');
    return parts.length === 1 + spec.clientHosts.length && parts.every(isThere);
  }

  private checkHalfOpen(sample: Sample): void {
    const { run } = this;
    const finding = this.halfOpen.observeSample(sample, run.walls().length > 0);
    if (finding === 'prove') {
      run.emit({ type: 'log', level: 'warn', text: describeProof(sample) });
      // A host that cannot be reached now proves nothing; the next samples say what is still missing.
      for (const part of run.parts.slice(1)) part.link.request((id) => ({ type: 'prove', id })).catch(() => undefined);
    } else if (finding !== undefined && !run.walls().some(({ id }) => id === finding.id)) {
      const at = Math.min(sample.established.server, sample.established.client);
      run.emit({ type: 'wall', wall: metWall(finding.id, at, finding.text) });
    }
  }
}
