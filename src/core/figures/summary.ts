import type { KeyOutcome, RunEvent, RunEventBody, Sample, Summary, Verdict } from '../../protocol/events.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { judgeRun } from '../verdict.js';
import { firstWall } from '../walls/plannedWalls.js';
import { protocolLedger } from './protocolLedger.js';
import { evaluateThresholds } from './thresholds.js';
import { wallCatalogue } from '../walls/catalogue.js';

export interface RunEnd {
  verdict: Verdict;
  reason?: string;
  hostRestored: boolean;
  keys: KeyOutcome[];
  /** Most connections that each side told by itself, where nobody put both side by side all the time: a run over several hosts that was taken up again. */
  most?: { server: number; client: number };
  /** Ended early because a threshold failed: that, and not the target it did not reach, is the result. */
  endedBy?: 'threshold';
  /** False: the end was not seen. */
  endSeen?: boolean;
}

/** Connect rates kept for the median: a ramp of a day at one sample a second. */
const maximumRates = 86_400;

/** Follows the events of one run and tells its summary at the end. Bounded memory whatever the length of the run. */
export class SummaryBuilder {
  private spec: RunSpec | undefined;
  private plan: Plan | undefined;
  private peak: Sample | undefined;
  private last: Sample | undefined;
  private largestTarget = 0;
  private rates: number[] = [];
  private rampBeganAt: number | undefined;
  private rampBeganWith = 0;
  private rampMs = 0;
  private rampOpened = 0;
  private perSecondMaximum = 0;
  private lastT = 0;
  private lastSampleAt = 0;
  private readonly walls: Summary['walls'] = [];

  observe(event: RunEvent | RunEventBody): void {
    if ('t' in event) this.lastT = Math.max(this.lastT, event.t);
    switch (event.type) {
      case 'hello':
        this.spec = event.spec;
        break;
      case 'plan':
        this.plan = event.plan;
        break;
      case 'wall':
        this.walls.push(event.wall);
        break;
      case 'phase':
        this.observePhase(event.phase, 't' in event ? event.t : this.lastT);
        break;
      case 'sample':
        if ('t' in event) this.observeSample(event);
        break;
      default:
    }
  }

  private observePhase(phase: string, t: number): void {
    const open = this.last?.established.client ?? 0;
    if (phase === 'ramping') {
      this.rampBeganAt = t;
      this.rampBeganWith = open;
    } else if (this.rampBeganAt !== undefined) {
      if (phase === 'holding') {
        this.rampMs += t - this.rampBeganAt;
        this.closingRamp = true;
      } else {
        // Cut short: no later sample shows what it had opened.
        const { ms, opened } = this.rampSoFar();
        this.rampMs += ms;
        this.rampOpened += opened;
      }
      this.rampBeganAt = undefined;
    }
  }

  /** The ramp that is going on, up to its last sample. */
  private rampSoFar(): { ms: number; opened: number } {
    const { last, rampBeganAt } = this;
    if (last === undefined || rampBeganAt === undefined || this.lastSampleAt <= rampBeganAt) return { ms: 0, opened: 0 };
    return { ms: this.lastSampleAt - rampBeganAt, opened: Math.max(0, last.established.client - this.rampBeganWith) };
  }

  /** The connections of a ramp are counted with the first sample after it. */
  private closingRamp = false;

  private observeSample(sample: Sample): void {
    const together = (of: Sample) => Math.min(of.established.server, of.established.client);
    this.last = sample;
    this.lastSampleAt = this.lastT;
    // At the same height the later one counts: its memory is settled.
    if (this.peak === undefined || (together(sample) >= together(this.peak) && sample.phase !== 'draining' && sample.phase !== 'restoring')) this.peak = sample;
    this.largestTarget = Math.max(this.largestTarget, sample.target);
    const messages = (sample.byProtocol.tcp?.messagesPerSecond ?? 0) + (sample.byProtocol.websocket?.messagesPerSecond ?? 0);
    this.perSecondMaximum = Math.max(this.perSecondMaximum, messages);
    if ((sample.phase === 'ramping' || this.closingRamp) && sample.connectRate > 0 && this.rates.length < maximumRates) this.rates.push(sample.connectRate);
    if (this.closingRamp) {
      this.closingRamp = false;
      this.rampOpened += Math.max(0, sample.established.client - this.rampBeganWith);
    }
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
    const sorted = [...this.rates].sort((a, b) => a - b);
    // A threshold may be judged while the ramp goes on.
    const now = this.rampSoFar();
    const rampSeconds = (this.rampMs + now.ms) / 1000;
    const mean = rampSeconds > 0 ? (this.rampOpened + now.opened) / rampSeconds : 0;
    const byProtocol: Summary['byProtocol'] = {};
    for (const protocol of ['tcp', 'websocket'] as const) {
      const counts = peak?.byProtocol[protocol];
      if (peak === undefined || counts === undefined) continue;
      const own = this.spec?.protocol === 'both' ? protocolLedger(peak, protocol) : null;
      byProtocol[protocol] = { server: counts.server, client: counts.client, ...own };
    }
    const messagesTotal = (last?.byProtocol.tcp?.messagesTotal ?? 0) + (last?.byProtocol.websocket?.messagesTotal ?? 0);
    const summary: Omit<Summary, 'thresholds' | 'exitCode'> = {
      verdict: end.verdict,
      ...(end.reason === undefined ? {} : { reason: end.reason }),
      target: this.target(),
      established: highest(peak?.established ?? { server: 0, client: 0 }, end.most),
      byProtocol,
      failed: last?.failed ?? { total: 0, byErrno: {} },
      lost: last?.lost ?? 0,
      // The phases and the samples of a short ramp are not told at the same moment: what was held on average was held at some time.
      connectRate: { mean, p50: sorted[sorted.length >> 1] ?? mean, max: Math.max(mean, sorted[sorted.length - 1] ?? mean) },
      bytesPerEnd: peak?.ledger.bytesPerEnd ?? null,
      bytesPerPair: peak?.ledger.bytesPerPair ?? null,
      ledger: peak?.ledger ?? null,
      explainedRatio: peak?.ledger.explainedRatio ?? null,
      ...(last?.latency === undefined ? {} : { latency: last.latency }),
      ...(messagesTotal === 0 && (last?.messagesLost ?? 0) === 0
        ? {}
        : { messages: { total: messagesTotal, perSecondMaximum: this.perSecondMaximum, lost: last?.messagesLost ?? 0 } }),
      rampSeconds,
      elapsedSeconds: this.lastT / 1000,
      walls: [...this.walls, ...this.plannedStop()],
      hostRestored: end.hostRestored,
      keys: end.keys,
      endSeen: end.endSeen ?? true,
      ...(end.endedBy === undefined ? {} : { endedBy: end.endedBy }),
    };
    return judgedSummary(summary, this.spec ?? { connections: 'max', stages: [], thresholds: [] });
  }
}

/** The most connections that a stage aims at; undefined without stages: then the run's own number counts. */
export function highestStage(stages: RunSpec['stages']): number | undefined {
  return stages.length === 0 ? undefined : Math.max(...stages.map((stage) => stage.to));
}

/** What both sides held at the same time. The server counts all at once, so that its own count bounds what the clients held together. */
function highest(seen: Summary['established'], most: RunEnd['most']): Summary['established'] {
  if (most === undefined || Math.min(most.server, most.client) <= Math.min(seen.server, seen.client)) return seen;
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
