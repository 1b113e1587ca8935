import { HumanError } from '../../core/errors.js';
import { formatCount } from '../../core/units.js';
import type { RunEventBody } from '../../protocol/events.js';
import type { Burst, WorkerPool } from './workerPool.js';

interface PendingOrder {
  order: 'target' | 'rate' | 'removeAll';
  text: string;
  beganAt: number;
}

/** What the user orders while a run is on: more or fewer connections, another rate, a burst. Each order is reported with its elapsed time. */
export class Orders {
  target = 0;
  /** Connections per second that are asked for; 0: as fast as possible. */
  rate = 0;
  private changed = false;
  private pending: PendingOrder[] = [];

  constructor(
    private readonly pool: WorkerPool,
    private readonly emit: (event: RunEventBody) => void,
  ) {}

  /** The run's own next target. */
  aim(target: number, rate: number): void {
    this.target = target;
    this.rate = rate;
    this.apply();
  }

  /** Goes on towards the target at another rate than was asked for, until the next order; never faster. */
  slowTo(rate: number): void {
    this.pool.setTarget(this.target, this.rate === 0 ? rate : Math.min(rate, this.rate));
  }

  /** From the user. Throws a HumanError when the workers cannot hold the target. */
  set(target: number | undefined, rate: number | undefined): { target: number; rate: number } {
    if (target !== undefined && target > this.pool.capacity) {
      throw new HumanError(`The workers of this run can hold at most ${formatCount(this.pool.capacity)} connections.`, {
        code: 'usage',
        remedy: 'Start a new run with more connections.',
      });
    }
    if (rate !== undefined) {
      this.rate = rate;
      this.accept('rate', rate === 0 ? 'as fast as possible' : `${formatCount(rate)} connections per second`);
    }
    if (target !== undefined) {
      this.target = target;
      this.accept('target', `${formatCount(target)} connections`);
    }
    this.apply();
    this.changed = true;
    return { target: this.target, rate: this.rate };
  }

  removeAll(): { target: number } {
    this.target = 0;
    this.accept('removeAll', 'remove all connections');
    this.apply();
    this.changed = true;
    return { target: 0 };
  }

  /** Not an order of the user: reported in the log by whoever found that the two sides differ. */
  prove(): null {
    this.pool.prove();
    return null;
  }

  async burst(messages: number, bytes: number): Promise<Burst> {
    if (this.pool.isParked)
      throw new HumanError('The clients of this run have freed their TLS sessions and can send nothing.', {
        code: 'usage',
        remedy: 'Start a run without --tls-park, with fewer connections if need be.',
      });
    const text = `${messages === 1 ? '1 message' : `${formatCount(messages)} messages`} of ${formatCount(bytes)} bytes over each connection`;
    this.emit({ type: 'order', order: 'burst', text, state: 'accepted' });
    const result = await this.pool.burst(messages, bytes);
    this.emit({
      type: 'order',
      order: 'burst',
      text,
      state: result.lost === 0 ? 'done' : 'failed',
      elapsedMs: result.elapsedMs,
      messages: result.messages,
      bytes: result.bytes,
      lost: result.lost,
    });
    return result;
  }

  /** Stops the ramp where it is: nothing more is opened, and nothing is closed. */
  freeze(): void {
    this.pool.freeze();
  }

  /** After `freeze`: what is open is what is aimed at. */
  keepOpen(): void {
    this.target = this.pool.keepOpen();
  }

  /** True once after the user changed the target or the rate. */
  takeChange(): boolean {
    const { changed } = this;
    this.changed = false;
    return changed;
  }

  /** The ramp came to its end: pending orders are done, or failed where the target was not reached. */
  reached(): void {
    this.changed = false;
    const open = this.pool.clients.reduce((sum, worker) => sum + worker.open, 0);
    for (const { order, text, beganAt } of this.pending) {
      const isDone = order === 'rate' || open === this.target;
      this.emit({ type: 'order', order, text, state: isDone ? 'done' : 'failed', elapsedMs: performance.now() - beganAt });
    }
    this.pending = [];
  }

  private accept(order: PendingOrder['order'], text: string): void {
    // An order that is not carried out any more must not be reported as done when a later one is.
    const isReplaced = (other: PendingOrder) => (other.order === 'rate') === (order === 'rate');
    for (const { beganAt, ...other } of this.pending.filter(isReplaced))
      this.emit({ type: 'order', ...other, state: 'replaced', elapsedMs: performance.now() - beganAt });
    this.pending = [...this.pending.filter((other) => !isReplaced(other)), { order, text, beganAt: performance.now() }];
    this.emit({ type: 'order', order, text, state: 'accepted' });
  }

  private apply(): void {
    this.pool.setTarget(this.target, this.rate);
  }
}
