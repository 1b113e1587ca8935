import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { HostLink } from '../../src/run/hostLink.js';
import { FakeHost } from './support/fakeHost.js';
import { summary } from './builders/samples.js';

/** Lets promises and immediates pass while the clock is mocked. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

async function pass(t: TestContext, milliseconds: number, step = 100): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += step) {
    t.mock.timers.tick(step);
    await settle();
    // A timer of a link acts in the immediate after it.
    await new Promise((resolve) => setImmediate(resolve));
    await settle();
  }
}

function begin(t: TestContext, host: FakeHost, isStarting = true, hasMockedTime = true) {
  if (hasMockedTime) t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const states: string[] = [];
  const link = new HostLink({
    name: 'edge',
    runId: 'r',
    leaseSeconds: 120,
    lease: host.lease,
    lastSequence: 0,
    elapsedSeconds: () => 0,
    order: isStarting ? { runId: 'r', spec: {} as never, role: 'whole', owner: 'me' } : undefined,
    onEvent: () => undefined,
    onChange: () => states.push(link.state.is),
    log: () => undefined,
  });
  const ended = link.follow();
  return { link, ended, states };
}

const endText = (end: Awaited<ReturnType<HostLink['follow']>>) =>
  end === undefined
    ? 'released'
    : end.is === 'seen'
      ? 'seen'
      : end.is === 'unseen'
        ? `unseen: ${end.why}`
        : `notBegun: ${end.error instanceof HumanError ? end.error.code : 'defect'}`;

describe('a link with a host', () => {
  it('starts, follows, and ends with the summary', async (t) => {
    const host = new FakeHost();
    const { ended, states } = begin(t, host);
    await settle();
    assert.deepEqual(host.commandsOf(0), ['heartbeat', 'start']);
    host.relays[0]!.say({ seq: 1, t: 1, type: 'summary', summary: summary() });
    assert.equal(endText(await ended), 'seen');
    assert.deepEqual(states, ['connecting', 'following', 'ended']);
  });

  it('a relay that says nothing for three heartbeats is lost, and a new one is attached to', async (t) => {
    const host = new FakeHost();
    const { link, states } = begin(t, host);
    await settle();
    host.relays[0]!.isSilent = true;
    await pass(t, 12_100);
    assert.deepEqual(host.commandsOf(1).slice(0, 2), ['heartbeat', 'attach']);
    assert.deepEqual(states, ['connecting', 'following', 'lost', 'following']);
    assert.equal(host.relays[0]!.isClosed, true);
    link.detach();
    link.close();
  });

  it('a cut is survived: attempts go on, further and further apart, until one succeeds', async (t) => {
    const host = new FakeHost();
    const { link, states } = begin(t, host);
    await settle();
    host.isReachable = false;
    host.relays[0]!.cut('reset');
    await pass(t, 60_000, 500);
    assert.equal(link.state.is, 'lost');
    const tried = host.attempts;
    assert.ok(tried >= 6 && tried <= 16, `${tried} attempts in 60 s`);
    host.isReachable = true;
    await pass(t, 10_500, 500);
    assert.equal(states.at(-1), 'following');
    link.detach();
    link.close();
  });

  const stops: [name: string, prepare: (host: FakeHost) => void, isStarting: boolean, expected: RegExp][] = [
    ['an agent that never answers `start`', (host) => (host.unanswered = ['start']), true, /^unseen: It did not answer/],
    ['a relay that hangs, on a host out of reach', (host) => (host.isSilentAfterStart = true), true, /^unseen: /],
    ['a host that never lets a relay begin', (host) => (host.isHanging = true), false, /^unseen: /],
  ];
  for (const [name, prepare, isStarting, expected] of stops) {
    it(`a stop is obeyed within 2 s: ${name}`, async (t) => {
      const host = new FakeHost();
      prepare(host);
      const { link, ended } = begin(t, host, isStarting);
      await settle();
      host.afterStart();
      link.stop('by a person');
      await pass(t, 2_000);
      assert.equal(link.state.is, 'ended');
      assert.match(endText(await ended), expected);
      link.close();
      assert.deepEqual(host.openRelays, 0);
    });
  }

  it('a stop reaches the run through a new relay when the old one hangs', async (t) => {
    const host = new FakeHost();
    const { link, states } = begin(t, host);
    await settle();
    host.relays[0]!.isSilent = true;
    link.stop('by a person');
    await pass(t, 1_200);
    assert.deepEqual(host.commandsOf(1), ['heartbeat', 'attach', 'stop']);
    await pass(t, 2_000);
    assert.equal(states.at(-1), 'following', 'it is waited for: the host has the stop');
    link.detach();
    link.close();
  });

  it('a stop before anything was sent begins nothing', async (t) => {
    const host = new FakeHost();
    host.isHanging = true;
    const { link, ended } = begin(t, host);
    link.stop('by a person');
    assert.equal(endText(await ended), 'notBegun: cancelled');
    link.close();
  });

  it('a stop of the run itself waits for a host that is cut off', async (t) => {
    const host = new FakeHost();
    const { link } = begin(t, host);
    await settle();
    host.isReachable = false;
    host.relays[0]!.cut('reset');
    await pass(t, 1_000);
    link.stop('All clients are done.', false);
    await pass(t, 30_000, 500);
    assert.equal(link.state.is, 'lost');
    host.isReachable = true;
    await pass(t, 10_500, 500);
    assert.ok(host.commandsOf(host.relays.length - 1).includes('stop'));
    link.detach();
    link.close();
  });

  it('100 runs leave no listener, timer or relay behind', async (t) => {
    const host = new FakeHost();
    // The real ones of this process: timers, sockets and pipes that would keep it alive.
    const before = process.getActiveResourcesInfo().sort();
    for (let count = 0; count < 100; count++) {
      const { link, ended } = begin(t, host, true, false);
      await settle();
      if (count % 3 === 0) host.relays.at(-1)!.cut('reset');
      await settle();
      if (count % 3 === 1) link.stop('by a person');
      if (count % 3 === 2) link.detach();
      else host.relays.at(-1)!.say({ seq: 1, t: 1, type: 'summary', summary: summary() });
      await ended;
      link.close();
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(process.getActiveResourcesInfo().sort(), before);
    assert.deepEqual([host.openRelays, host.listeners, host.leases], [0, 0, 0]);
  });
});
