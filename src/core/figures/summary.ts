import type { KeyOutcome, RunEvent, RunEventBody, Sample, Summary, Verdict } from '../../protocol/events.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { judgeRun } from '../verdict.js';
import { firstWall } from '../plan/plannedWalls.js';
import { protocolLedger } from './protocolLedger.js';
import { evaluateThresholds } from './thresholds.js';
import { wallCatalogue } from '../walls/catalogue.js';

export interface RunEnd {
  verdict: Verdict;
  reason?: string;
  hostRestored: boolean;
  keys: KeyOutcome[];
  /** For another run on the host to end. */
  waitedSeconds?: number;
  /** Most connections that each side reported by itself, where nobody put both side by side all the time: a run over several hosts that was taken up again. */
  most?: { server: number; client: number };
  /** Ended early because a threshold failed: that, and not the target it did not reach, is the result. */
  endedBy?: 'threshold';
  /** False: the end was not seen. */
  endSeen?: boolean;
}

/** Connect rates kept for the median: a ramp of a day at one sample a second. */
const maximumRates = 86_400;
/** Of fewer intervals a median or a maximum says nothing. */
const fewestIntervals = 5;
const maximumWalls = 100;

/** Follows the events of one run and builds its summary at the end. Bounded memory whatever the length of the run. */
export class SummaryBuilder {
  private spec: RunSpec | undefined;
  private plan: Plan | undefined;
  private peak: Sample | undefined;
  private last: Sample | undefined;
  private largestTarget = 0;
  /** Connect rates over whole seconds, and over tenths of the first seconds of each ramp. */
  private readonly rates: number[] = [];
  private readonly tenthRates: number[] = [];
  /** The ramps that are over, and the one that is being reported. */
  private readonly ramps = { seconds: 0, opened: 0, cpuMicroseconds: 0 as number | null };
  private ramp: Sample['ramp'];
  private perSecondMaximum = 0;
  private lastT = 0;
  private readonly walls: Summary['walls'] = [];

  observeEvent(event: RunEvent | RunEventBody): void {
    if ('t' in event) this.lastT = Math.max(this.lastT, event.t);
    switch (event.type) {
      case 'hello':
        this.spec = event.spec;
        break;
      case 'plan':
        this.plan = event.plan;
        break;
      case 'wall':
        // There are some twenty; a host that names more is not to be believed.
        if (this.walls.length < maximumWalls) this.walls.push(event.wall);
        break;
      case 'phase':
        if (event.phase === 'ramping') this.closeRamp();
        break;
      case 'sample':
        if ('t' in event) this.observeSample(event);
        break;
      default:
    }
  }

  private closeRamp(): void {
    Object.assign(this.ramps, this.allRamps());
    this.ramp = undefined;
  }

  /** Together with the one that is going on. One that opened nothing, on the way down, is none. */
  private allRamps(): { seconds: number; opened: number; cpuMicroseconds: number | null } {
    const { ramps, ramp } = this;
    if (ramp === undefined || ramp.opened === 0) return ramps;
    const cpuMicroseconds = ramps.cpuMicroseconds === null || ramp.cpuMicroseconds === null ? null : ramps.cpuMicroseconds + ramp.cpuMicroseconds;
    return { seconds: ramps.seconds + ramp.seconds, opened: ramps.opened + ramp.opened, cpuMicroseconds };
  }

  /** Median and maximum: of whole seconds where there are enough, of tenths in a short ramp. */
  private rateSpread(): { p50: number | null; max: number | null } {
    const rates = this.rates.length >= fewestIntervals ? this.rates : this.tenthRates;
    if (rates.length < fewestIntervals) return { p50: null, max: null };
    const sorted = [...rates].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    const p50 = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
    return { p50, max: sorted[sorted.length - 1]! };
  }

  private observeSample(sample: Sample): void {
    this.last = sample;
    if (this.peak === undefined || (sample.phase !== 'draining' && sample.phase !== 'restoring' && isHigher(sample, this.peak))) this.peak = sample;
    this.largestTarget = Math.max(this.largestTarget, sample.target);
    const messages = (sample.byProtocol.tcp?.messagesPerSecond ?? 0) + (sample.byProtocol.websocket?.messagesPerSecond ?? 0);
    this.perSecondMaximum = Math.max(this.perSecondMaximum, messages);
    if (sample.ramp === undefined) return;
    // The interval in which a ramp begins or ends is not one of the ramp alone.
    const isWithin = sample.phase === 'ramping' && (this.ramp?.opened ?? 0) > 0;
    if (isWithin && sample.connectRate > 0 && this.rates.length < maximumRates) this.rates.push(sample.connectRate);
    if (this.tenthRates.length < maximumRates) this.tenthRates.push(...(sample.connectRates ?? []));
    this.ramp = sample.ramp;
  }

  /** `target` is what was asked for, not what was planned: a run that fits less than asked for has not reached its target. */
  private target(): number {
    const requested = this.plan?.requested ?? this.spec?.connections ?? 0;
    const stage = highestStage(this.spec?.stages ?? []);
    if (stage !== undefined) return stage;
    return requested === 'max' ? Math.max(this.peak?.established.client ?? 0, 0) : Math.max(requested, this.largestTarget);
  }

  /** The wall that the plan stopped at beforehand: nothing was run into it, so no sample shows it. */
  private plannedStop(): Summary['walls'] {
    const { plan, peak } = this;
    const wall = plan === undefined ? undefined : firstWall(plan);
    if (plan === undefined || wall === undefined || peak === undefined || this.walls.length > 0) return [];
    const held = Math.min(peak.established.server, peak.established.client);
    if (held < plan.connections) return [];
    const { id, title, evidence, remedy } = wall;
    const at = plan.requested === 'max' ? held : plan.connections;
    if (plan.requested !== 'max') return at < plan.requested ? [{ id, title, at, evidence, remedy }] : [];
    // The ceiling was aimed at beyond the first wall: that wall did not stand where it was predicted.
    return [
      {
        id: 'unknown',
        ...wallCatalogue.unknown,
        at,
        evidence: `the ramp ended as planned, without meeting the wall that was predicted first (${title}: ${evidence})`,
      },
    ];
  }

  build(end: RunEnd): Summary {
    const { peak, last } = this;
    const ramps = this.allRamps();
    const mean = ramps.seconds > 0 ? ramps.opened / ramps.seconds : 0;
    const waitedSeconds = end.waitedSeconds ?? 0;
    const byProtocol: Summary['byProtocol'] = {};
    for (const protocol of ['tcp', 'websocket'] as const) {
      const counts = peak?.byProtocol[protocol];
      if (peak === undefined || counts === undefined) continue;
      const own = this.spec?.protocol === 'both' ? protocolLedger(peak, protocol) : null;
      const messages = messagesOf(last?.byProtocol[protocol]);
      const client = counts.client;
      byProtocol[protocol] = { server: Math.min(counts.server, client), client, ...own, ...(messages === undefined ? {} : { messages }) };
    }
    const messages = addMessages([messagesOf(last?.byProtocol.tcp), messagesOf(last?.byProtocol.websocket)]);
    const summary: Omit<Summary, 'thresholds' | 'exitCode'> = {
      verdict: end.verdict,
      ...(end.reason === undefined ? {} : { reason: end.reason }),
      target: this.target(),
      established: highest(peak?.established ?? { server: 0, client: 0 }, end.most),
      byProtocol,
      failed: last?.failed ?? { total: 0, byErrno: {} },
      lost: last?.lost ?? 0,
      connectRate: { mean, ...this.rateSpread() },
      cpuMicrosecondsPerConnection: ramps.opened > 0 && ramps.cpuMicroseconds !== null ? ramps.cpuMicroseconds / ramps.opened : null,
      bytesPerEnd: peak?.ledger.bytesPerEnd ?? null,
      bytesPerPair: peak?.ledger.bytesPerPair ?? null,
      ledger: peak?.ledger ?? null,
      explainedRatio: peak?.ledger.explainedRatio ?? null,
      ...(last?.latency === undefined ? {} : { latency: last.latency }),
      ...(last?.tls === undefined ? {} : { tls: last.tls }),
      ...(messages === undefined ? {} : { messages: { ...messages, perSecondMaximum: this.perSecondMaximum } }),
      ...foreignOf(peak, last),
      rampSeconds: ramps.seconds,
      elapsedSeconds: Math.max(0, this.lastT / 1000 - waitedSeconds),
      waitedSeconds,
      walls: [...this.walls, ...this.plannedStop()],
      hostRestored: end.hostRestored,
      keys: end.keys,
      endSeen: end.endSeen ?? true,
      ...(end.endedBy === undefined ? {} : { endedBy: end.endedBy }),
    };
    return judgedSummary(summary, this.spec ?? { connections: 'max', stages: [], thresholds: [] });
  }
}

/** Whether a sample is a better proof of what was held: a count before an estimate. At the same height the later one counts, its memory is settled. */
function isHigher(sample: Sample, peak: Sample): boolean {
  const isEstimate = (of: Sample) => of.evidence?.isEstimate === true;
  const together = (of: Sample) => Math.min(of.established.server, of.established.client);
  return isEstimate(sample) === isEstimate(peak) ? together(sample) >= together(peak) : isEstimate(peak);
}

/** The most connections that a stage aims at; undefined without stages: then the run's own number counts. */
export function highestStage(stages: RunSpec['stages']): number | undefined {
  return stages.length === 0 ? undefined : Math.max(...stages.map((stage) => stage.to));
}

/**
 * What both sides held at the same time: no more on the server than the clients have, since what a server has beyond that is not theirs or has
 * ended on their side. The server of several hosts counts all at once, so that its own count bounds what their clients held together.
 */
function highest(seen: Summary['established'], most: RunEnd['most']): Summary['established'] {
  const together = { server: Math.min(seen.server, seen.client), client: seen.client };
  if (most === undefined || Math.min(most.server, most.client) <= together.server) return together;
  return { server: most.server, client: Math.min(most.client, most.server) };
}

/**
 * The summary with its thresholds and exit code as they follow from its parts and the spec that was asked for. Whoever shows, saves or
 * exits by a summary that came from elsewhere passes it through here first: a host's own word on them is not trusted.
 */
export function judgedSummary(parts: Omit<Summary, 'thresholds' | 'exitCode'>, spec: Pick<RunSpec, 'connections' | 'stages' | 'thresholds'>): Summary {
  const summary = { ...parts, thresholds: evaluateThresholds(spec.thresholds, parts) };
  return { ...summary, exitCode: judgeRun(summary, spec).exitCode };
}

type ProtocolCounts = Sample['byProtocol']['tcp'];
type MessageCounts = NonNullable<Summary['byProtocol'][string]['messages']>;

function messagesOf(counts: ProtocolCounts): MessageCounts | undefined {
  return counts?.messages === undefined ? undefined : { ...counts.messages, total: counts.messagesTotal };
}

function addMessages(parts: readonly (MessageCounts | undefined)[]): MessageCounts | undefined {
  const sum = { planned: 0, total: 0, unanswered: 0, lost: 0 };
  for (const part of parts) for (const key of Object.keys(sum) as (keyof MessageCounts)[]) sum[key] += part?.[key] ?? 0;
  return parts.every((part) => part === undefined) ? undefined : sum;
}

/** The last word on what the user's server said; its upstream sockets are those of the peak, since at the end they are gone. */
function foreignOf(peak: Sample | undefined, last: Sample | undefined): Pick<Summary, 'foreign'> {
  const foreign = { ...last?.evidence?.foreign };
  const upstream = peak?.evidence?.foreign?.upstream;
  if (upstream !== undefined) foreign.upstream = upstream;
  return Object.keys(foreign).length === 0 ? {} : { foreign };
}
