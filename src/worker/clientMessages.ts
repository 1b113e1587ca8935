import type { Epoll } from '../linux/epoll.js';
import type { ClientMessages, WorkerMessage } from '../protocol/worker.js';
import type { BurstOrder, Bursts } from './burst.js';
import type { DescriptorList } from './connectionTable.js';
import type { Exchange } from './exchange.js';
import type { Latencies, RecordAge } from './latencies.js';
import type { Stats } from './stats.js';
import type { SteadyTraffic } from './traffic.js';

/** While the last answers are awaited, it is looked this often whether all are there. */
const lookPeriodMs = 20;

export interface MessageParts {
  exchange: Exchange;
  epoll: Epoll;
  stats: Stats;
  client: { lose(fd: number): void; isWebSocket(fd: number): boolean };
  /** The established connections. */
  open: Pick<DescriptorList, 'length' | 'has' | 'snapshot'>;
  send(message: WorkerMessage): void;
}

/**
 * All messages of a client: steady traffic, bursts, and what became of each. What they need is loaded with the first of them: the histogram's
 * library takes memory that an idle experiment should not pay for.
 */
export class MessageDesk {
  private latencies: Latencies | undefined;
  private traffic: SteadyTraffic | undefined;
  private bursts: Bursts | undefined;
  private concluded: ClientMessages | undefined;
  /** Concluded, and not yet asked for. */
  private isUntold = false;
  private isConcluding = false;
  private concludeBy = Number.POSITIVE_INFINITY;
  private nextLookAt = 0;

  constructor(private readonly parts: MessageParts) {}

  async startTraffic(configuration: { intervalSeconds: number; bytes: number }, expected: number): Promise<void> {
    const { exchange, epoll, stats, client } = this.parts;
    const { SteadyTraffic } = await import('./traffic.js');
    const latencies = await this.load();
    this.traffic = new SteadyTraffic(configuration, expected, { exchange, epoll, stats, latencies, lose: (fd) => client.lose(fd) });
  }

  async burst(order: BurstOrder): Promise<void> {
    const { exchange, client, open } = this.parts;
    const { Bursts } = await import('./burst.js');
    const latencies = await this.load();
    if (this.bursts === undefined) {
      this.bursts = new Bursts(
        exchange,
        open,
        latencies,
        (fd) => client.isWebSocket(fd),
        (message) => this.parts.send(message),
      );
      exchange.addObserver(this.bursts);
    }
    this.bursts.order(order, this.isConcluding);
  }

  /** True when the event was its own. */
  onEvent(fd: number): boolean {
    return this.traffic?.onEvent(fd) === true;
  }

  /** Returns the milliseconds until it wants to be called again. */
  onTurn(now: number): number {
    const dueIn = this.bursts?.onTurn(now) ?? Number.POSITIVE_INFINITY;
    if (!this.isConcluding || this.concluded !== undefined) return dueIn;
    if (now >= this.nextLookAt) {
      this.nextLookAt = now + lookPeriodMs;
      if (now >= this.concludeBy || this.pending(now) === 0) {
        this.conclude(now);
        return 0;
      }
    }
    return Math.min(dueIn, lookPeriodMs);
  }

  /** Plans no more, and closes the count when all answers are there or the time is over. */
  beginConclusion(now: number, graceMs: number): void {
    if (this.isConcluding) return;
    this.isConcluding = true;
    this.concludeBy = now + graceMs;
    this.traffic?.stop(now);
    if (graceMs === 0) this.conclude(now);
  }

  /** True once when the count is closed. */
  takeConcluded(): boolean {
    if (this.concluded === undefined || !this.isUntold) return false;
    this.isUntold = false;
    return true;
  }

  /** What became of the messages up to now; undefined where there were none. */
  snapshot(now: number): ClientMessages | undefined {
    if (this.concluded !== undefined) return this.concluded;
    const { stats } = this.parts;
    if (this.latencies === undefined && !this.isConcluding) return undefined;
    return {
      tcp: { ...stats.tcpPlan, echoed: stats.tcpMessages },
      websocket: { ...stats.websocketPlan, echoed: stats.websocketMessages },
      histogram: this.latencies?.encode((record) => this.addPending(now, record)) ?? '',
      concluded: false,
    };
  }

  private conclude(now: number): void {
    this.concluded = { ...this.snapshot(now)!, concluded: true };
    this.isUntold = true;
    this.parts.exchange.conclude();
    this.bursts?.stop();
  }

  private pending(now: number): number {
    let count = 0;
    this.addPending(now, (_ageMs, messages) => (count += messages));
    return count;
  }

  private addPending(now: number, record: RecordAge): void {
    this.traffic?.addPending(now, record);
    this.bursts?.addPending(now, record);
  }

  private async load(): Promise<Latencies> {
    const { Latencies } = await import('./latencies.js');
    this.latencies ??= new Latencies();
    return this.latencies;
  }
}
