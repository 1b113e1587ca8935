import { describeProof, HalfOpenWatch } from '../core/walls/halfOpen.js';
import { metWall } from '../core/walls/catalogue.js';
import type { Phase, RunEvent, RunEventBody, Sample } from '../protocol/events.js';
import type { RunSpec } from '../protocol/spec.js';
import type { Part } from './combine.js';
import { mergeSamples } from './mergeSamples.js';

/** A host has reported what was missed within this time: no more than its lease, a sample a second. */
const catchUpMs = 1_500;
/** Hosts that held equally long begin to close within this time of each other; one that closes alone is shown as it is. */
const passingMs = 3_000;
/** Two hosts report the same moment within this time; less than the second until the next sample. */
const hearingMs = 700;

/** The run over several hosts whose sides are put together. */
export interface SidedRun {
  readonly spec: RunSpec;
  walls(): readonly { id: string }[];
  /** The server's host first. */
  parts(): readonly Part[];
  /** Phase and target of the run as a whole. */
  now(): { phase: Phase | undefined; target: number };
  enter(phase: Phase): void;
  emit(event: RunEventBody): RunEvent;
}

/** What is seen only where both sides of a run over several hosts are known: its samples, and connections that one side does not know. */
export class BothSides {
  private readonly halfOpen: HalfOpenWatch;
  private passingSince: number | undefined;
  /** Connections of the server in the sample before. */
  private lastServer = 0;
  private timer: NodeJS.Timeout | undefined;
  private catchUp: { firstAt?: number } | undefined;

  constructor(private readonly run: SidedRun) {
    this.halfOpen = new HalfOpenWatch(run.spec.engine);
  }

  /** The run was taken up again after a time in which nobody put both sides together. */
  get wasTakenUp(): boolean {
    return this.catchUp !== undefined;
  }

  takeUp(): void {
    this.catchUp = {};
  }

  /** To be called when the server's host has reported a sample: those of the clients' hosts are at most a second older. */
  sample(): void {
    const { run } = this;
    const { phase, target } = run.now();
    const [server, ...clients] = run.parts();
    if (server?.report.last === undefined || phase === undefined || phase === 'restoring') return;
    if (this.isCatchingUp() || this.isPassingToDrain(clients, phase)) return;
    const merged = mergedOf(server.name, server.report.last, clients);
    const isFalling = merged.established.server < this.lastServer;
    this.lastServer = merged.established.server;
    const emit = () => {
      const sample = run.emit({ ...merged, phase: run.now().phase ?? phase, target }) as Sample;
      if (this.isWhole()) this.checkHalfOpen(sample, clients);
    };
    if (phase !== 'holding' || !isFalling) {
      emit();
      return;
    }
    // The server may see the end of the connections before the clients' hosts have reported that they close them.
    this.timer = setTimeout(() => {
      if (this.isStillHolding(clients)) emit();
    }, hearingMs);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  /** To be called when all hosts are done and before the whole run is: what each has reported last, its final counts of messages among it. */
  last(): void {
    clearTimeout(this.timer);
    const { phase, target } = this.run.now();
    const [server, ...clients] = this.run.parts();
    if (server?.report.last === undefined || phase === undefined || clients.length === 0) return;
    this.run.emit({ ...mergedOf(server.name, server.report.last, clients), phase, target });
  }

  private isStillHolding(clients: readonly Part[]): boolean {
    const isHolding = () => this.run.now().phase === 'holding';
    // Looking may have led to the drain.
    return isHolding() && !this.isPassingToDrain(clients, 'holding') && isHolding();
  }

  /** After a gap the hosts report at once what was missed; beside each other these samples would be of different times. */
  private isCatchingUp(): boolean {
    if (this.catchUp === undefined) return false;
    this.catchUp.firstAt ??= performance.now();
    return performance.now() - this.catchUp.firstAt < catchUpMs;
  }

  /** While some hosts close already and others still hold, a sample would be of neither phase. */
  private isPassingToDrain(clients: readonly Part[], phase: Phase): boolean {
    const phases = clients.map((part) => part.report.phase);
    const closing = phases.filter((one) => one === 'draining' || one === 'restoring').length;
    if (closing === 0) return false;
    if (phases.some((one) => one === 'holding' || one === 'ramping')) {
      this.passingSince ??= performance.now();
      return performance.now() - this.passingSince < passingMs;
    }
    if (phase === 'holding') this.run.enter('draining');
    return false;
  }

  /** What a host reported last is still so: it is within reach, and its connections are not being closed. */
  private isWhole(): boolean {
    const parts = this.run.parts();
    const isThere = ({ link, report }: Part) => link.state.is === 'following' && (report.phase === 'ramping' || report.phase === 'holding');
    return parts.length === 1 + this.run.spec.clientHosts.length && parts.every(isThere);
  }

  private checkHalfOpen(sample: Sample, clients: readonly Part[]): void {
    const { run } = this;
    const finding = this.halfOpen.observeSample(sample, run.walls().length > 0);
    if (finding === undefined) return;
    if (finding === 'prove') {
      run.emit({ type: 'log', level: 'warn', text: describeProof(sample) });
      // A host that cannot be reached now proves nothing; the next samples say what is still missing.
      for (const part of clients) part.link.request((id) => ({ type: 'prove', id })).catch(() => undefined);
    } else if (!run.walls().some(({ id }) => id === finding.id)) {
      const at = Math.min(sample.established.server, sample.established.client);
      run.emit({ type: 'wall', wall: metWall(finding.id, at, finding.text) });
    }
  }
}

function mergedOf(serverName: string, server: Sample, clients: readonly Part[]): ReturnType<typeof mergeSamples> {
  const known = clients.flatMap((part) => (part.report.last === undefined ? [] : [{ name: part.name, sample: part.report.last }]));
  return mergeSamples({ server: { name: serverName, sample: server }, clients: known });
}
