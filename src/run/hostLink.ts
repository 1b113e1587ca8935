import { HumanError, messageOf } from '../core/errors.js';
import { deferred } from '../files/deferred.js';
import { Timers } from '../files/timers.js';
import type { ControllerCommand, StartOrder } from '../protocol/commands.js';
import type { RunEvent, Summary } from '../protocol/events.js';
import type { RelayChannel } from '../transport/transport.js';
import type { HostLease } from './hostPool.js';
import { type LinkAction, type LinkEnd, type LinkInput, type LinkState, transition } from '../core/run/linkStates.js';
import { type RelayWatch, watchRelay } from './relayWatch.js';

/** Pauses between attempts to come back to a host. */
const pausesMs = [500, 1_000, 2_000, 4_000, 8_000, 10_000] as const;
/** After the lease the host has ended the run by itself; its spool can still be fetched, so the attempts go on this much longer. */
const beyondLeaseMs = 10 * 60_000;
/** With a stop, a relay that says nothing for this long is given up for a new one … */
const stopUnheardMs = 700;
/** … and a host that says nothing for this long is left to its lease: a stop is obeyed within 2 s. */
const stopOverdueMs = 1_500;
/** All is saved when a host is asked to forget its copy: it is not worth a longer wait, and the host drops old copies by itself. */
const forgetMs = 2_000;
/** A person who stops the run waits no longer for that. */
const forgetWhenStoppedMs = 800;
/** Refusals of a host that runs already: they would be the same the next time. Others may pass, such as those of a host without memory. */
const finalCodes: readonly string[] = ['accessRefused', 'usage', 'cancelled'];

export interface LinkOptions {
  /** The host's name, for what is said of it. */
  name: string;
  runId: string;
  leaseSeconds: number;
  lease: HostLease;
  /** Of the last event that is known already; 0: none. */
  lastSequence: number;
  /** Since the run began. */
  elapsedSeconds(): number;
  /** Starts a run; undefined: follows one that goes on. */
  order: StartOrder | undefined;
  /** The summary of a run that ended before. */
  summary?: Summary | undefined;
  onEvent(event: RunEvent): void;
  /** The state is another. */
  onChange(): void;
  log: (line: string) => void;
}

/** One attempt to reach the host, and the relay it got. */
interface Attempt {
  readonly abort: AbortController;
  relay?: RelayChannel;
  watch?: RelayWatch;
  /** The host has answered since it was last asked whether it is there. */
  isAnswered: boolean;
}

/** The laptop's link to one host of a run: starts or follows it, comes back by itself, and lets go in any state. Its table is `linkStates.ts`. */
export class HostLink {
  private current: LinkState;
  private attempt: Attempt | undefined;
  private lastSequence: number;
  private readonly timers = new Timers<'retry' | 'patience' | 'unheard' | 'overdue' | 'forget'>();
  /** Aborted when nobody waits for the host to forget its copy any more. */
  private readonly forgetting = new AbortController();
  /** Resolved when the state is `ended` or `released`. */
  private readonly settled = deferred();

  constructor(private readonly options: LinkOptions) {
    this.lastSequence = options.lastSequence;
    const { summary, order } = options;
    this.current = summary === undefined ? { is: 'connecting', begun: order === undefined ? 'yes' : 'no' } : { is: 'ended', end: { is: 'seen', summary } };
  }

  get state(): LinkState {
    return this.current;
  }

  /** Resolves with how it ended; undefined: it was let go of. Never rejects. */
  async follow(): Promise<LinkEnd | undefined> {
    if (this.current.is === 'connecting') {
      this.open();
      await this.settled.promise;
    }
    return this.current.is === 'ended' ? this.current.end : undefined;
  }

  /**
   * Ends the run on the host. `isUrgent`: a person waits; a host that says nothing is then left to its lease within 2 s. Otherwise the stop is brought to
   * it whenever it can be reached again.
   */
  stop(reason: string, isUrgent = true): void {
    this.apply({ is: 'stop', reason });
    if (isUrgent && this.current.is === 'ended') this.timers.set('forget', forgetWhenStoppedMs, () => this.forgetting.abort());
    if (!isUrgent || this.current.is === 'ended' || this.current.is === 'released') return;
    if (this.attempt !== undefined) this.attempt.isAnswered = false;
    this.attempt?.watch?.beat();
    const isObeyed = () => this.current.is === 'following' && this.attempt?.isAnswered === true;
    this.timers.set('unheard', stopUnheardMs, () => {
      if (!isObeyed() && this.current.is === 'following') this.fail({ is: 'silent', why: 'It does not answer.' });
    });
    this.timers.set('overdue', stopOverdueMs, () => {
      const why = this.current.is === 'lost' ? this.current.why : 'It did not answer.';
      if (!isObeyed()) this.apply({ is: 'overdue', why });
    });
  }

  /** Lets go without stopping the run. */
  detach(): void {
    this.apply({ is: 'detach' });
  }

  /** An order to the run on the host. Rejects with a HumanError. */
  async request(build: (id: number) => ControllerCommand, signal?: AbortSignal): Promise<void> {
    const relay = this.attempt?.relay;
    if (relay === undefined || this.current.is === 'lost') {
      throw new HumanError(`The link to ${this.options.name} is lost.`, { code: 'unreachable', remedy: 'C10M comes back by itself; try again then.' });
    }
    await relay.request(build, signal);
  }

  /** Has the host forget its copy of the run, which has ended and is saved here. */
  async forget(): Promise<void> {
    const { name, runId, log } = this.options;
    await this.request((id) => ({ type: 'forget', id, runId }), AbortSignal.any([AbortSignal.timeout(forgetMs), this.forgetting.signal])).catch(
      (error: unknown) => log(`${name} keeps its copy of the run: ${messageOf(error)}`),
    );
  }

  /** Gives back all that the link holds. Its state stays. */
  close(): void {
    this.timers.clearAll();
    this.closeAttempt();
    this.options.lease.release();
  }

  private apply(input: LinkInput): void {
    const before = this.current;
    const { state, actions } = transition(before, input);
    this.current = state;
    for (const action of actions) this.act(action);
    if (state === before) return;
    if (state.is === 'following') this.timers.clear('patience');
    if (state.is === 'ended' || state.is === 'released') {
      this.timers.clearAll();
      this.settled.resolve();
    }
    this.options.onChange();
  }

  private act(action: LinkAction): void {
    const { state } = this;
    switch (action) {
      case 'open':
        this.open();
        break;
      case 'openLater':
        this.timers.set('retry', pausesMs[Math.min(state.is === 'lost' ? state.attempt : 1, pausesMs.length) - 1]!, () => this.open());
        break;
      case 'close':
        this.closeAttempt();
        break;
      case 'sendStop':
        this.sendStop(('stop' in state ? state.stop : undefined) ?? 'Stopped.');
    }
  }

  private sendStop(reason: string): void {
    const { attempt } = this;
    this.request((id) => ({ type: 'stop', id, reason })).then(
      () => attempt !== undefined && (attempt.isAnswered = true),
      (error: unknown) => this.options.log(`${this.options.name} did not accept the stop: ${messageOf(error)}`),
    );
  }

  private open(): void {
    if (this.attempt !== undefined) return;
    this.timers.clear('retry');
    const attempt: Attempt = { abort: new AbortController(), isAnswered: false };
    this.attempt = attempt;
    const { state } = this;
    if (state.is === 'lost' && !this.timers.has('patience')) {
      this.timers.set('patience', this.options.leaseSeconds * 1_000 + beyondLeaseMs, () => this.apply({ is: 'overdue', why: state.why }));
    }
    this.converse(attempt).then(
      () => {
        if (this.attempt !== attempt) return;
        attempt.isAnswered = true;
        this.apply({ is: 'answer' });
      },
      (error: unknown) => this.attempt === attempt && this.fail(failureOf(this.current, error)),
    );
  }

  /** From nothing to the answer that the run is followed. */
  private async converse(attempt: Attempt): Promise<void> {
    const { lease, order, runId, log } = this.options;
    const { signal } = attempt.abort;
    const relay = await lease.openRelay(signal);
    if (signal.aborted) {
      relay.close();
      return;
    }
    attempt.relay = relay;
    const failWith = (is: 'lost' | 'silent') => (why: string) => {
      if (this.attempt === attempt) this.fail({ is, why });
    };
    relay.onEvent((event) => this.receive(event));
    relay.onNoise(log);
    relay.expectReplay(this.options.elapsedSeconds());
    // What floods us would do it again: there is no coming back to it.
    relay.onClose((why) => (relay.isFlooded && this.attempt === attempt ? this.fail({ is: 'overdue', why }) : failWith('lost')(why)));
    attempt.watch = watchRelay(relay, () => (attempt.isAnswered = true), failWith('silent'));
    if (order !== undefined && this.current.is === 'connecting') {
      this.apply({ is: 'sent' });
      await relay.request((id) => ({ type: 'start', id, ...order }));
    } else await relay.request((id) => ({ type: 'attach', id, runId, fromSeq: this.lastSequence + 1 }));
  }

  private receive(event: RunEvent): void {
    if (event.seq <= this.lastSequence || this.current.is === 'released') return;
    this.lastSequence = event.seq;
    this.options.onEvent(event);
    if (event.type === 'summary') this.apply({ is: 'summary', summary: event.summary });
  }

  /** The attempt under way is over. */
  private fail(input: LinkInput): void {
    this.closeAttempt();
    if ('why' in input) this.options.log(`${this.options.name}: ${input.why}`);
    this.apply(input);
  }

  private closeAttempt(): void {
    const { attempt } = this;
    this.attempt = undefined;
    attempt?.watch?.end();
    attempt?.abort.abort();
    attempt?.relay?.close();
  }
}

/** An order to start is answered once; whoever comes back tries again. */
function failureOf(state: LinkState, error: unknown): LinkInput {
  const isStarting = state.is === 'connecting' && state.begun !== 'yes';
  const known = error instanceof Error ? error : new Error(String(error));
  const isFinal = isStarting ? !(error instanceof HumanError && error.code === 'unreachable') : error instanceof HumanError && finalCodes.includes(error.code);
  return isFinal ? { is: 'busy', error: known } : { is: 'lost', why: known.message, error: known };
}
