import { cancelledError } from '../cancellation.js';
import { HumanError } from '../errors.js';
import type { Summary } from '../../protocol/events.js';

/**
 * How the link to one host of a run ended: with the host's summary; unseen, when the host could not be reached any more and ends the run by
 * itself; or because nothing began there.
 */
export type LinkEnd = { is: 'seen'; summary: Summary } | { is: 'unseen'; why: string } | { is: 'notBegun'; error: Error };

/** Whether there is a run on the host: `maybe` while the order to start it was sent and is not answered. */
export type Begun = 'no' | 'maybe' | 'yes';

/** The link to one host of a run. `stop`: the reason of a stop that was asked for. */
export type LinkState =
  /** The first time, to start a run or to follow one that goes on. */
  | { is: 'connecting'; begun: Begun; stop?: string }
  | { is: 'following'; stop?: string }
  /** Coming back: `attempt` counts from 1. */
  | { is: 'lost'; begun: Begun; why: string; attempt: number; stop?: string }
  | { is: 'ended'; end: LinkEnd }
  /** Let go of: the run goes on under its lease. */
  | { is: 'released' };

/** What happens to a link. */
export type LinkInput =
  /** The order to start was sent. */
  | { is: 'sent' }
  /** The host answered the order to start, or to attach. */
  | { is: 'answer' }
  /** The relay or the way to it is gone, or an attempt to come back failed. */
  | { is: 'lost'; why: string; error?: Error }
  /** The relay said nothing for three heartbeats. */
  | { is: 'silent'; why: string; error?: Error }
  /** The host refuses, as it will the next time: it is busy, access is denied, it does not know the run. */
  | { is: 'busy'; error: Error }
  /** A person, or the run, wants it to end. */
  | { is: 'stop'; reason: string }
  | { is: 'detach' }
  /** The run on the host has ended. */
  | { is: 'summary'; summary: Summary }
  /** Nothing was heard since the stop, or the host was not reached for longer than it keeps a run. */
  | { is: 'overdue'; why: string };

/** What to do about it. `open`: connect now; `openLater`: after a pause; `close`: let go of the relay, or of the attempt to get one. */
export type LinkAction = 'open' | 'openLater' | 'close' | 'sendStop';

export interface Transition {
  state: LinkState;
  actions: readonly LinkAction[];
}

type Open = Exclude<LinkState, { is: 'ended' | 'released' }>;

/** The whole table of a link: what becomes of each state with each input. Pure. */
export function transition(state: LinkState, input: LinkInput): Transition {
  if (state.is === 'ended' || state.is === 'released') return { state, actions: [] };
  const begun = state.is === 'following' ? 'yes' : state.begun;
  switch (input.is) {
    case 'sent':
      return { state: state.is === 'connecting' ? { ...state, begun: 'maybe' } : state, actions: [] };
    case 'answer':
      return { state: { is: 'following', ...stopOf(state) }, actions: state.stop === undefined || state.is === 'following' ? [] : ['sendStop'] };
    case 'lost':
    case 'silent':
      if (begun === 'no') return ended({ is: 'notBegun', error: input.error ?? new HumanError(input.why, { code: 'unreachable' }) });
      return comeBack(state, begun, input.why);
    case 'busy':
      return ended(refusal(state, begun, input.error));
    case 'stop':
      return stop(state, begun, input.reason);
    case 'detach':
      return { state: { is: 'released' }, actions: ['close'] };
    case 'summary':
      // The relay is still needed: the host forgets the run once it is saved here.
      return { state: { is: 'ended', end: { is: 'seen', summary: input.summary } }, actions: [] };
    case 'overdue':
      return ended({ is: 'unseen', why: input.why });
  }
}

/** The first time back is tried at once: a relay that hangs is no fault of the way to it. */
function comeBack(state: Open, begun: Begun, why: string): Transition {
  const attempt = state.is === 'lost' ? state.attempt + 1 : 1;
  return { state: { is: 'lost', begun, why, attempt, ...stopOf(state) }, actions: ['close', state.is === 'following' ? 'open' : 'openLater'] };
}

/** The first reason counts. */
function stop(state: Open, begun: Begun, reason: string): Transition {
  if (begun === 'no') return ended({ is: 'notBegun', error: cancelledError() });
  const stopped = { ...state, stop: state.stop ?? reason };
  if (state.is === 'lost') return { state: stopped, actions: ['open'] };
  // An order to start that is under way is followed by the stop; the relay keeps their order.
  return { state: stopped, actions: ['sendStop'] };
}

function refusal(state: Open, begun: Begun, error: Error): LinkEnd {
  if (begun === 'yes') return { is: 'unseen', why: error.message };
  // Asked again after a lost link, the host does not know the run: the order never arrived.
  if (state.is === 'lost' && error instanceof HumanError && error.code === 'usage')
    return { is: 'notBegun', error: new HumanError(state.why, { code: 'unreachable' }) };
  return { is: 'notBegun', error };
}

function ended(end: LinkEnd): Transition {
  return { state: { is: 'ended', end }, actions: ['close'] };
}

function stopOf({ stop: reason }: Open): { stop?: string } {
  return reason === undefined ? {} : { stop: reason };
}
