import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { submitLines, type OrderedRun, OrderPrompt, parseOrder, type Order } from '../../src/cli/orders.js';
import { HumanError } from '../../src/core/errors.js';
import type { Phase } from '../../src/protocol/events.js';
import { newModel } from '../../src/core/run/model.js';
import { specFromInput } from '../../src/core/profile.js';
import { sample } from './builders/samples.js';

describe('orders to a running run', () => {
  const good: [text: string, order: Order][] = [
    ['target 50k', { name: 'target', connections: 50_000 }],
    ['add 1M', { name: 'add', connections: 1_000_000 }],
    ['  remove   100 ', { name: 'remove', connections: 100 }],
    ['rate 5k', { name: 'rate', perSecond: 5_000 }],
    ['rate max', { name: 'rate', perSecond: 0 }],
    ['burst', { name: 'burst', messages: 1, bytes: 64 }],
    ['burst 3', { name: 'burst', messages: 3, bytes: 64 }],
    ['burst 3 4k', { name: 'burst', messages: 3, bytes: 4_096 }],
    ['remove-all', { name: 'remove-all' }],
    ['STOP', { name: 'stop' }],
    ['wait 1m', { name: 'wait', seconds: 60 }],
    ['wait holding', { name: 'wait', phase: 'holding' }],
  ];
  for (const [text, order] of good) it(`understands "${text}"`, () => assert.deepEqual(parseOrder(text), order));

  const bad: [text: string, says: RegExp][] = [
    ['brust 1 64', /Did you mean "burst \[MESSAGES \[BYTES\]\]"/],
    ['dance', /Orders: target N/],
    ['target', /is written: target N/],
    ['target five', /"five" is not a whole number/],
    ['burst 1 2 3', /is written: burst/],
    ['wait draining', /"draining" is not a duration/],
    ['stop now', /is written: stop/],
  ];
  for (const [text, says] of bad)
    it(`refuses "${text}"`, () => {
      assert.throws(
        () => parseOrder(text),
        (error: unknown) => error instanceof HumanError && error.code === 'usage' && says.test(error.text),
      );
    });

  it('obeys lines one after the other, from the ramp on, and goes on after a wrong one', async () => {
    const { run, given, enter } = fakeRun();
    const input = new PassThrough();
    const complaints: string[] = [];
    const release = submitLines(
      input,
      run,
      () => given.push('stop'),
      (text) => complaints.push(text),
    );
    input.write('rate 100\n# a note\n\nnonsense\nwait holding\nburst 2\nadd 5\nstop\n');
    await settled();
    assert.deepEqual(given, []);
    enter('ramping');
    await settled();
    assert.deepEqual(given, ['rate 100']);
    enter('holding');
    await settled();
    release();
    assert.deepEqual(given, ['rate 100', 'burst 2×64', 'target 1005', 'stop']);
    assert.equal(complaints.length, 1);
    assert.match(complaints[0]!, /^"nonsense" is not an order\./);
  });

  it('opens a line with ":", edits it, and closes it with Escape', () => {
    const submitted: string[] = [];
    const prompt = new OrderPrompt((text) => submitted.push(text));
    assert.equal(prompt.acceptKey('q'), false);
    for (const key of [':', 'a', 'd', 'x', '\u007f', 'd', ' 5', '\u001b[A', '\r']) assert.equal(prompt.acceptKey(key), true);
    assert.equal(prompt.text, undefined);
    for (const key of [':', 'x', '\u001b']) prompt.acceptKey(key);
    assert.equal(prompt.text, undefined);
    assert.deepEqual(submitted, ['add 5']);
  });
});

/** Lets all microtasks and stream events pass. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

function fakeRun(): { run: OrderedRun; given: string[]; enter: (phase: Phase) => void } {
  const given: string[] = [];
  const waiting: { phase: Phase; resolve: () => void }[] = [];
  const give = (order: string) => {
    given.push(order);
    return Promise.resolve();
  };
  return {
    run: {
      model: newModel('r', specFromInput({}), { last: sample({ target: 1_000 }) }),
      reached: (phase) => new Promise((resolve) => waiting.push({ phase, resolve })),
      set: ({ target, rate }) => give(target === undefined ? `rate ${rate}` : `target ${target}`),
      burst: (messages, bytes) => give(`burst ${messages}×${bytes}`),
      removeAll: () => give('removeAll'),
    },
    given,
    enter: (entered) => waiting.filter(({ phase }) => phase === entered).forEach(({ resolve }) => resolve()),
  };
}
