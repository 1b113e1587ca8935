import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RampControl, type EarlyEnd, type RampRun } from '../../src/agent/load/rampControl.js';
import type { GuardReading } from '../../src/agent/load/rampGuard.js';
import { SummaryBuilder } from '../../src/core/figures/summary.js';
import { planRun } from '../../src/core/plan/plan.js';
import { specFromInput } from '../../src/core/profile.js';
import type { SpecInput } from '../../src/core/specInput.js';
import type { Phase, RunEvent, RunEventBody } from '../../src/protocol/events.js';
import type { WorkerStats } from '../../src/protocol/worker.js';
import { hostFacts } from './builders/hostFacts.js';
import { sample } from './builders/samples.js';
import { TestClock } from './builders/testClock.js';

const perSecond = 10_000;
const stats = (open: number): WorkerStats => ({
  type: 'stats',
  atMs: 0,
  tcp: { opened: open, open, closed: 0 },
  connecting: 0,
  failed: {},
  lost: 0,
  tcpMessages: 0,
  tcpBytes: 0,
  websocketMessages: 0,
  websocketBytes: 0,
  cpuMicroseconds: 0,
});
const roomy: GuardReading = { availableBytes: 1e12, cgroup: undefined, conntrack: undefined, files: { used: 0, limit: 0 } };
const tight: GuardReading = { ...roomy, availableBytes: 1e9 * 0.6 };
const critical: GuardReading = { ...roomy, availableBytes: 1 };

/** A host of one server and one client worker that open 10,000 connections a second, as far as `limits` let them. */
function host(input: SpecInput, limits: { client?: number; server?: number; guard?: (clock: TestClock, open: () => number) => GuardReading } = {}) {
  const clock = new TestClock();
  const facts = hostFacts();
  const spec = specFromInput(input);
  const plan = { ...planRun(spec, facts), guardBytes: 1e9 };
  const events: RunEvent[] = [];
  const builder = new SummaryBuilder();
  const abort = new AbortController();
  const stops: EarlyEnd[] = [];
  let phase: Phase | undefined;
  let target = 0;
  let from = { at: 0, open: 0 };
  let isChanged = false;
  const open = () => {
    const moved = ((clock.now() - from.at) / 1_000) * perSecond;
    return Math.round(target > from.open ? Math.min(target, limits.client ?? target, from.open + moved) : Math.max(target, from.open - moved));
  };
  const aim = (to: number) => {
    from = { at: clock.now(), open: open() };
    target = to;
  };
  const worker = (role: 'server' | 'client') => ({
    id: `${role}-1`,
    role,
    hasEnded: false,
    get stats() {
      return stats(role === 'client' ? open() : Math.min(open(), limits.server ?? open()));
    },
    get isDone() {
      return open() === target;
    },
  });
  const workers = [worker('server'), worker('client')];
  const emit = (body: RunEventBody): RunEvent => {
    const event = { seq: events.length + 1, t: clock.now(), ...body } as RunEvent;
    events.push(event);
    builder.observeEvent(event);
    return event;
  };
  emit({ type: 'hello', runId: 'a', startedAt: '2026-11-23T05:00:00.000Z', agentVersion: '0', supervisorPid: 1, spec });
  const run = {
    spec,
    plan,
    facts,
    clock,
    signal: abort.signal,
    stop: (end: EarlyEnd) => {
      // The first reason counts.
      if (!abort.signal.aborted) stops.push(end);
      abort.abort(new Error('stopped'));
    },
    readGuard: () => limits.guard?.(clock, open) ?? roomy,
    story: {
      get phase() {
        return phase;
      },
      spool: { sampleSeconds: 1 },
      emit,
      enter: (next: Phase) => {
        phase = next;
        emit({ type: 'phase', phase: next });
      },
      log: (level: 'info' | 'warn' | 'error', text: string) => emit({ type: 'log', level, text }),
      summarise: (end: Parameters<SummaryBuilder['build']>[0]) => builder.build(end),
    },
    pool: { all: workers, servers: [workers[0]], clients: [workers[1]], capacity: plan.connections, refresh: () => Promise.resolve(), prove: () => undefined },
    orders: {
      get target() {
        return target;
      },
      rate: 0,
      aim,
      slowTo: () => undefined,
      freeze: () => aim(open()),
      keepOpen: () => undefined,
      reached: () => undefined,
      takeChange: () => {
        const was = isChanged;
        isChanged = false;
        return was;
      },
    },
    sampler: {
      observe: () => undefined,
      takeBaseline: () => undefined,
      refreshProcesses: () => undefined,
      beginRamp: () => undefined,
      beginDrain: () => undefined,
      sample: (at: Phase) => {
        const body: Partial<ReturnType<typeof sample>> = sample({
          phase: at,
          target,
          established: { server: Math.min(open(), limits.server ?? open()), client: open() },
        });
        delete body.seq;
        delete body.t;
        return body;
      },
    },
  };
  const control = new RampControl(run as unknown as RampRun);
  const ended = control.conduct().then(
    () => 'done',
    (error: unknown) => (error as Error).message,
  );
  return {
    clock,
    control,
    ended,
    stops,
    abort,
    order: (to: number) => {
      aim(to);
      isChanged = true;
    },
    /** The phases with the second at which each was entered. */
    phases: () => events.flatMap((event) => (event.type === 'phase' ? [`${event.phase} ${(event.t / 1_000).toFixed(1)}`] : [])),
    logs: () => events.flatMap((event) => (event.type === 'log' ? [event.text] : [])),
    walls: () => events.flatMap((event) => (event.type === 'wall' ? [event.wall.id] : [])),
    samples: () => events.filter(({ type }) => type === 'sample').length,
    /** What the latest sample says of the hold. */
    holdLeft: () => events.flatMap((event) => (event.type === 'sample' ? [event.aim?.holdLeftSeconds] : [])).at(-1),
    open,
  };
}

describe('a ramp', () => {
  test('reaches its target, is held as long as it should, and leaves no timer', async () => {
    const { clock, control, ended, phases, samples, logs } = host({ connections: '50k', hold: '3s' });
    await clock.pass(60_000);
    assert.equal(await ended, 'done');
    control.close();
    assert.deepEqual([phases(), logs(), clock.pending], [['ramping 0.0', 'holding 5.0'], [], 0]);
    assert.ok(samples() >= 8, `${samples()} samples`);
  });

  test('goes through its stages, down too', async () => {
    const { clock, ended, phases } = host({ connections: '20k', stages: ['10k:2s', '20k', '5k:1s'] });
    await clock.pass(60_000);
    assert.equal(await ended, 'done');
    assert.deepEqual(phases(), ['ramping 0.0', 'holding 1.0', 'ramping 3.0', 'holding 4.0', 'ramping 4.0', 'holding 5.5']);
  });

  test('is stopped by the guard where it is, and held', async () => {
    const guard = (_clock: TestClock, open: () => number) => (open() > 20_000 ? tight : roomy);
    const { clock, ended, phases, walls, logs, open, stops } = host({ connections: '100k', hold: '5s' }, { guard });
    await clock.pass(30_000);
    assert.equal(await ended, 'done');
    assert.deepEqual(
      { walls: walls(), stops, phases: phases().map((phase) => phase.split(' ')[0]), logs: logs().length },
      { walls: ['memory'], stops: [], phases: ['ramping', 'holding'], logs: 1 },
    );
    // One look comes at most a tenth of a second late.
    assert.ok(open() > 20_000 && open() <= 21_000, String(open()));
  });

  test('ends the run when memory is nearly gone while it is held', async () => {
    const { clock, ended, stops } = host({ connections: '10k', hold: '60s' }, { guard: (at) => (at.now() > 5_000 ? critical : roomy) });
    await clock.pass(30_000);
    assert.equal(await ended, 'stopped');
    assert.deepEqual(
      stops.map(({ verdict }) => verdict),
      ['failed'],
    );
    assert.match(stops[0]?.reason ?? '', /to keep the host usable: MemAvailable fell to 0 MiB/);
  });

  test('waits for the server to accept what the clients hold, but not for ever', async () => {
    const { clock, ended, phases } = host({ connections: '10k', hold: '1s' }, { server: 4_000 });
    await clock.pass(60_000);
    assert.equal(await ended, 'done');
    const [, held] = phases();
    const seconds = Number(held?.split(' ')[1]);
    assert.ok(seconds > 10 && seconds < 13, held);
  });

  test('that comes no nearer ends after fifteen seconds, and says so', async () => {
    const { clock, ended, logs } = host({ connections: '10k', hold: '1s' }, { client: 7_000 });
    await clock.pass(60_000);
    assert.equal(await ended, 'done');
    assert.ok(
      logs().some((text) => /^The ramp ended at 7,000 connections: /.test(text)),
      logs().join(),
    );
  });

  test('is begun anew by an order, and what was left of the hold is held then', async () => {
    const { clock, ended, phases, order, holdLeft } = host({ connections: '20k', hold: '10s' });
    await clock.pass(1_000);
    assert.equal(holdLeft(), null, 'no hold has begun');
    await clock.pass(4_000);
    const before = holdLeft()!;
    assert.ok(before > 6 && before < 8, `${before} s of 10 are left after about 3`);
    order(5_000);
    await clock.pass(5_000);
    const after = holdLeft()!;
    assert.ok(after > 3 && after < before - 2, `${after} s: the ramp of the order took 1.5 s, during which the hold stood still`);
    await clock.pass(60_000);
    assert.equal(await ended, 'done');
    const [first, second, third, fourth] = phases().map((phase) => phase.split(' ')[0]);
    assert.deepEqual([first, second, third, fourth], ['ramping', 'holding', 'ramping', 'holding']);
  });

  test('is ended by a threshold only after its grace', async () => {
    const { clock, ended, stops } = host({ connections: '1M', thresholds: ['established>2M'], abortOnThreshold: '4s' });
    await clock.pass(3_900);
    assert.deepEqual(stops, []);
    await clock.pass(2_000);
    assert.equal(await ended, 'stopped');
    assert.deepEqual(
      stops.map(({ verdict, endedBy }) => [verdict, endedBy]),
      [['failed', 'threshold']],
    );
  });

  test('that is stopped ends at once, with the reason', async () => {
    const { clock, control, ended, abort } = host({ connections: '1M' });
    await clock.pass(2_000);
    abort.abort(new Error('enough'));
    assert.equal(await ended, 'enough');
    control.close();
    assert.equal(clock.pending, 0);
  });
});
