import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControllerCommand, RestoreReport } from '../../src/protocol/commands.js';
import type { RunEvent } from '../../src/protocol/events.js';
import { specFor } from './faults/remoteRun.js';
import { openRelay, skipWithoutAgent as skip, stateFor } from './support/localRelay.js';

const stop = (id: number): ControllerCommand => ({ type: 'stop', id });
const established = (count: number) => (event: Extract<RunEvent, { type: 'sample' }>) =>
  event.established.server === count && event.established.client === count;

test('a run takes orders: fewer, more, a burst, all gone; each told with its elapsed time', { skip, timeout: 120_000 }, async (t) => {
  const relay = openRelay(t, stateFor(t));
  await relay.value((id) => ({ type: 'start', id, runId: 'orders', owner: 'me', spec: specFor({ connections: 1_000, protocol: 'both', holdSeconds: 60 }) }));
  await relay.waitFor('sample', established(1_000));
  const burst = (await relay.value((id) => ({ type: 'burst', id, messages: 3, bytes: 64 }))) as { messages: number; bytes: number; lost: number };
  assert.deepEqual([burst.messages, burst.lost], [3_000, 0]);
  // An order that comes before the one before it is reported as done replaces it.
  const reached = async (order: string, count: number) => {
    await relay.waitFor('sample', established(count));
    await relay.waitFor('order', (event) => event.order === order && event.state === 'done' && doneAfter(event.seq));
  };
  let seenUpTo = 0;
  const doneAfter = (seq: number) => seq > seenUpTo && (seenUpTo = seq) > 0;
  await relay.value((id) => ({ type: 'set', id, target: 400 }));
  await reached('target', 400);
  await relay.value((id) => ({ type: 'set', id, target: 700, rate: 2_000 }));
  await reached('target', 700);
  // More than the plan, within what its workers can hold.
  await relay.value((id) => ({ type: 'set', id, target: 3_000, rate: 0 }));
  await reached('target', 3_000);
  await relay.value((id) => ({ type: 'removeAll', id }));
  await relay.waitFor('sample', (event) => event.target === 0 && event.established.client === 0 && event.established.server === 0);
  await relay.waitFor('order', (event) => event.order === 'removeAll' && event.state === 'done');
  const refused = await relay.request((id) => ({ type: 'set', id, target: 1_000_000_000 }));
  assert.ok(!refused.ok && refused.error.code === 'usage', JSON.stringify(refused));
  const done = relay.events.flatMap((event) => (event.type === 'order' && event.state === 'done' ? [`${event.order} ${(event.elapsedMs ?? 0) > 0}`] : []));
  assert.deepEqual(done, ['burst true', 'target true', 'rate true', 'target true', 'rate true', 'target true', 'removeAll true']);
  await relay.value(stop);
  const { summary } = await relay.waitFor('summary');
  assert.deepEqual([summary.verdict, summary.established.server, summary.lost, summary.hostRestored], ['stopped', 3_000, 0, true]);
  await relay.value((id) => ({ type: 'forget', id, runId: 'orders' }));
});

test('a second run is refused with the first one named, or waits when asked to', { skip, timeout: 120_000 }, async (t) => {
  const state = stateFor(t);
  const first = openRelay(t, state);
  const second = openRelay(t, state);
  await first.value((id) => ({ type: 'start', id, runId: 'first', owner: 'ann@laptop', spec: specFor({ holdSeconds: 60 }) }));
  const refused = await second.request((id) => ({ type: 'start', id, runId: 'second', owner: 'bob', spec: specFor({}) }));
  assert.ok(!refused.ok && refused.error.code === 'busy');
  assert.match(refused.error.message, /first of ann@laptop/);
  assert.deepEqual(readdirSync(join(state, 'runs')), ['first'], 'nothing of the refused run is left');
  await second.value((id) => ({ type: 'start', id, runId: 'third', owner: 'bob', spec: specFor({ waitForHost: true, holdSeconds: 1 }) }));
  await second.waitFor('log', (event) => event.text.includes('Waiting for the run first of ann@laptop'));
  await delay(500);
  assert.equal(
    second.events.some((event) => event.type === 'plan'),
    false,
    'it waits',
  );
  await first.value(stop);
  await first.waitFor('summary');
  assert.equal((await second.waitFor('summary')).summary.verdict, 'finished');
  await first.value((id) => ({ type: 'forget', id, runId: 'first' }));
  await second.value((id) => ({ type: 'forget', id, runId: 'third' }));
});

test('a relay ends with its input, the run lives on, and another relay has every event', { skip, timeout: 120_000 }, async (t) => {
  const state = stateFor(t);
  const first = openRelay(t, state);
  await first.value((id) => ({ type: 'start', id, runId: 'run', owner: 'me', spec: specFor({ holdSeconds: 3 }) }));
  await first.waitFor('phase', (event) => event.phase === 'ramping');
  const ended = new Promise((resolve_) => first.child.once('exit', resolve_));
  first.child.stdin.end();
  assert.equal(await ended, 0);
  const second = openRelay(t, state);
  await second.value((id) => ({ type: 'attach', id, runId: 'run', fromSeq: 1 }));
  await second.waitFor('summary');
  assert.deepEqual(
    second.events.map((event) => event.seq),
    second.events.map((_, index) => index + 1),
  );
  await second.value((id) => ({ type: 'forget', id, runId: 'run' }));
  const gone = await second.request((id) => ({ type: 'attach', id, runId: 'run', fromSeq: 1 }));
  assert.ok(!gone.ok && gone.error.code === 'usage');
});

test('restore tells first, then ends what dead keepers left, and the run tells the truth', { skip, timeout: 120_000 }, async (t) => {
  const state = stateFor(t);
  const relay = openRelay(t, state);
  await relay.value((id) => ({ type: 'start', id, runId: 'run', owner: 'me', spec: specFor({ holdSeconds: 60 }) }));
  await relay.waitFor('phase', (event) => event.phase === 'holding');
  const supervisor = (await relay.waitFor('hello')).supervisorPid;
  const guardian = (await relay.waitFor('worker', (event) => event.role === 'guardian')).pid!;
  // The first relay would close the run by itself.
  relay.child.kill('SIGKILL');
  process.kill(supervisor, 'SIGSTOP');
  for (const pid of [guardian, supervisor]) process.kill(pid, 'SIGKILL');
  await delay(300);
  const next = openRelay(t, state);
  const list = (await next.value((id) => ({ type: 'list', id }))) as { state: string }[];
  assert.deepEqual(
    list.map((run) => run.state),
    ['abandoned'],
  );
  const told = (await next.value((id) => ({ type: 'restore', id, dryRun: true }))) as RestoreReport;
  assert.deepEqual([told.runs, told.complete], [['run'], false]);
  const done = (await next.value((id) => ({ type: 'restore', id, dryRun: false }))) as RestoreReport;
  assert.deepEqual([done.runs, done.complete], [['run'], true]);
  await next.value((id) => ({ type: 'attach', id, runId: 'run', fromSeq: 1 }));
  const { summary } = await next.waitFor('summary');
  assert.deepEqual([summary.verdict, summary.hostRestored], ['failed', true]);
  await next.value((id) => ({ type: 'forget', id, runId: 'run' }));
});

test('what cannot be understood is refused without an end of the relay', { skip, timeout: 60_000 }, async (t) => {
  const relay = openRelay(t, stateFor(t));
  relay.child.stdin.write('no json\n{"type":"unknown"}\n');
  const noRun = await relay.request((id) => ({ type: 'removeAll', id }));
  assert.ok(!noRun.ok && noRun.error.code === 'usage');
  const facts = (await relay.value((id) => ({ type: 'probe', id, isolation: 'netns' }))) as { listeningPorts: number[]; namespace: { kind: string } };
  if (facts.namespace.kind !== 'none') assert.deepEqual(facts.listeningPorts, [], 'read inside the namespace of a run');
});

test('a threshold that fails ends the run early, after its grace', { skip, timeout: 60_000 }, async (t) => {
  const relay = openRelay(t, stateFor(t));
  const spec = specFor({ holdSeconds: 60, thresholds: ['established>=100000'], abortOnThresholdSeconds: 2 });
  await relay.value((id) => ({ type: 'start', id, runId: 'run', owner: 'me', spec }));
  const { summary } = await relay.waitFor('summary');
  assert.deepEqual([summary.verdict, summary.exitCode], ['failed', 99]);
  assert.match(summary.reason ?? '', /established>=100000/);
  assert.ok(summary.elapsedSeconds < 20);
  await relay.value((id) => ({ type: 'forget', id, runId: 'run' }));
});
