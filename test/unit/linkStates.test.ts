import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { type LinkInput, type LinkState, transition } from '../../src/core/run/linkStates.js';
import { summary } from './builders/samples.js';

const states = {
  starting: { is: 'connecting', begun: 'no' },
  ordered: { is: 'connecting', begun: 'maybe' },
  attaching: { is: 'connecting', begun: 'yes' },
  following: { is: 'following' },
  lost: { is: 'lost', begun: 'yes', why: 'cut', attempt: 1 },
  'lost before the answer': { is: 'lost', begun: 'maybe', why: 'cut', attempt: 1 },
  stopping: { is: 'following', stop: 'first' },
  'lost while stopping': { is: 'lost', begun: 'yes', why: 'cut', attempt: 2, stop: 'first' },
  ended: { is: 'ended', end: { is: 'unseen', why: 'gone' } },
  released: { is: 'released' },
} as const satisfies Record<string, LinkState>;

const inputs = {
  lost: { is: 'lost', why: 'reset' },
  stop: { is: 'stop', reason: 'by a person' },
  detach: { is: 'detach' },
  busy: { is: 'busy', error: new HumanError('in use', { code: 'busy' }) },
  unknown: { is: 'busy', error: new HumanError('no such run', { code: 'usage' }) },
  silent: { is: 'silent', why: 'nothing heard' },
  answer: { is: 'answer' },
  sent: { is: 'sent' },
  summary: { is: 'summary', summary: summary() },
  overdue: { is: 'overdue', why: 'too late' },
} as const satisfies Record<string, LinkInput>;

/** A state and the actions in one line: `lost(yes, reset, 1) close open`. */
function shown(state: LinkState, actions: readonly string[]): string {
  const parts = {
    connecting: () => (state.is === 'connecting' ? [state.begun] : []),
    following: () => [],
    lost: () => (state.is === 'lost' ? [state.begun, state.why, state.attempt] : []),
    ended: () => {
      if (state.is !== 'ended') return [];
      const { end } = state;
      return [
        end.is,
        ...(end.is === 'unseen' ? [end.why] : end.is === 'notBegun' ? [end.error instanceof HumanError ? end.error.code : 'defect', end.error.message] : []),
      ];
    },
    released: () => [],
  }[state.is]();
  const stop = 'stop' in state ? [`stop: ${state.stop}`] : [];
  const details = [...parts, ...stop].join(', ');
  return [`${state.is}${details === '' ? '' : `(${details})`}`, ...actions].join(' ');
}

type Row = [state: keyof typeof states, input: keyof typeof inputs, expected: string];

const table: Row[] = [
  ['starting', 'sent', 'connecting(maybe)'],
  ['starting', 'answer', 'following'],
  ['starting', 'lost', 'ended(notBegun, unreachable, reset) close'],
  ['starting', 'silent', 'ended(notBegun, unreachable, nothing heard) close'],
  ['starting', 'busy', 'ended(notBegun, busy, in use) close'],
  ['starting', 'stop', 'ended(notBegun, cancelled, Cancelled.) close'],
  ['starting', 'detach', 'released close'],
  ['starting', 'overdue', 'ended(unseen, too late) close'],
  ['ordered', 'answer', 'following'],
  ['ordered', 'lost', 'lost(maybe, reset, 1) close openLater'],
  ['ordered', 'silent', 'lost(maybe, nothing heard, 1) close openLater'],
  ['ordered', 'busy', 'ended(notBegun, busy, in use) close'],
  ['ordered', 'stop', 'connecting(maybe, stop: by a person) sendStop'],
  ['ordered', 'detach', 'released close'],
  ['ordered', 'summary', 'ended(seen)'],
  ['attaching', 'answer', 'following'],
  ['attaching', 'lost', 'lost(yes, reset, 1) close openLater'],
  ['attaching', 'silent', 'lost(yes, nothing heard, 1) close openLater'],
  ['attaching', 'busy', 'ended(unseen, in use) close'],
  ['attaching', 'stop', 'connecting(yes, stop: by a person) sendStop'],
  ['attaching', 'detach', 'released close'],
  ['following', 'lost', 'lost(yes, reset, 1) close open'],
  ['following', 'silent', 'lost(yes, nothing heard, 1) close open'],
  ['following', 'stop', 'following(stop: by a person) sendStop'],
  ['following', 'detach', 'released close'],
  ['following', 'busy', 'ended(unseen, in use) close'],
  ['following', 'answer', 'following'],
  ['following', 'summary', 'ended(seen)'],
  ['lost', 'lost', 'lost(yes, reset, 2) close openLater'],
  ['lost', 'silent', 'lost(yes, nothing heard, 2) close openLater'],
  ['lost', 'answer', 'following'],
  ['lost', 'stop', 'lost(yes, cut, 1, stop: by a person) open'],
  ['lost', 'detach', 'released close'],
  ['lost', 'busy', 'ended(unseen, in use) close'],
  ['lost', 'summary', 'ended(seen)'],
  ['lost', 'overdue', 'ended(unseen, too late) close'],
  ['lost before the answer', 'unknown', 'ended(notBegun, unreachable, cut) close'],
  ['lost before the answer', 'answer', 'following'],
  ['lost before the answer', 'stop', 'lost(maybe, cut, 1, stop: by a person) open'],
  ['stopping', 'stop', 'following(stop: first) sendStop'],
  ['stopping', 'lost', 'lost(yes, reset, 1, stop: first) close open'],
  ['stopping', 'silent', 'lost(yes, nothing heard, 1, stop: first) close open'],
  ['stopping', 'overdue', 'ended(unseen, too late) close'],
  ['lost while stopping', 'answer', 'following(stop: first) sendStop'],
  ['lost while stopping', 'lost', 'lost(yes, reset, 3, stop: first) close openLater'],
  ...(['ended', 'released'] as const).flatMap((state) =>
    (Object.keys(inputs) as (keyof typeof inputs)[]).map((input): Row => [state, input, state === 'ended' ? 'ended(unseen, gone)' : 'released']),
  ),
];

describe('the link to a host', () => {
  for (const [state, input, expected] of table) {
    it(`${state}, ${input}: ${expected}`, () => {
      const result = transition(states[state], inputs[input]);
      assert.equal(shown(result.state, result.actions), expected);
    });
  }

  it('each input is decided in each state that can be left', () => {
    const decided = new Set(table.map(([state, input]) => `${states[state].is} ${inputs[input].is}`));
    const open = ['connecting', 'following', 'lost'];
    const asked = ['lost', 'stop', 'detach', 'busy', 'silent', 'answer'];
    assert.deepEqual(
      open.flatMap((state) => asked.map((input) => `${state} ${input}`)).filter((pair) => !decided.has(pair)),
      [],
    );
  });
});
