import type { Phase } from '../../protocol/events.js';

/** A host has reported what was missed within this time: no more than its lease, a sample a second. */
const catchUpMs = 1_500;
/** Hosts that held equally long begin to close within this time of each other; one that closes alone is shown as it is. */
const passingMs = 3_000;
/** A host that is within reach has reported so many samples within this time, however busy it is; one that is not is waited for no longer. */
const explanation = { samples: 2, withinMs: 5_000 } as const;

/** The hosts of a run when the server's has reported a sample. */
export interface SampleMoment {
  nowMs: number;
  /** Of the run as a whole. */
  phase: Phase;
  /** What each client host has reported: its phase, and how many samples so far. */
  clients: readonly { phase: Phase | undefined; samples: number }[];
  /** Connections that the server's host counts. */
  server: number;
}

/** What to do with the samples of both sides. `skip`: they are not, or may not be, of one moment. `drain`: all clients close, and the run with them. */
export type SampleDecision = 'emit' | 'drain' | 'skip';

/** When the samples of the hosts of a run are of one moment, so that they may stand beside each other. Pure: the time is passed in. */
export class SampleTiming {
  private lastServer = 0;
  /** Some hosts close and others hold, since then. */
  private passingSinceMs: number | undefined;
  /** Connections are gone on the server since then, when the client hosts had reported so many samples. */
  private falling: { sinceMs: number; samples: readonly number[] } | undefined;
  /** After a gap: since the first sample behind it. */
  private catchUp: { sinceMs?: number } | undefined;

  /** The run was followed again after a time in which nobody put both sides together. */
  noteGap(): void {
    this.catchUp = {};
  }

  decide(moment: SampleMoment): SampleDecision {
    if (this.isCatchingUp(moment.nowMs)) return 'skip';
    const closing = this.closing(moment);
    if (closing === 'some') return 'skip';
    const isFalling = moment.server < this.lastServer;
    this.lastServer = moment.server;
    if (moment.phase !== 'holding') return 'emit';
    if (closing === 'all') return 'drain';
    if (isFalling) this.falling ??= { sinceMs: moment.nowMs, samples: moment.clients.map(({ samples }) => samples) };
    return this.isUnexplained(moment) ? 'skip' : 'emit';
  }

  /** Whether connections that are gone were closed or lost is known when the client hosts, which may report later, have said that they still hold. */
  private isUnexplained({ nowMs, clients }: SampleMoment): boolean {
    const { falling } = this;
    if (falling === undefined) return false;
    const haveAllReported = clients.every(({ samples }, index) => samples >= (falling.samples[index] ?? 0) + explanation.samples);
    if (haveAllReported || nowMs - falling.sinceMs >= explanation.withinMs) this.falling = undefined;
    return this.falling !== undefined;
  }

  /** After a gap the hosts report at once what was missed; beside each other these samples would be of different times. */
  private isCatchingUp(nowMs: number): boolean {
    if (this.catchUp === undefined) return false;
    this.catchUp.sinceMs ??= nowMs;
    return nowMs - this.catchUp.sinceMs < catchUpMs;
  }

  /** While some hosts close already and others still hold, a sample would be of neither phase. */
  private closing({ nowMs, clients }: SampleMoment): 'none' | 'some' | 'all' {
    if (!clients.some(({ phase }) => phase === 'draining' || phase === 'restoring')) return 'none';
    if (!clients.some(({ phase }) => phase === 'holding' || phase === 'ramping')) return 'all';
    this.passingSinceMs ??= nowMs;
    return nowMs - this.passingSinceMs < passingMs ? 'some' : 'none';
  }
}
