import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { specFromInput } from '../../src/core/profile.js';
import { RunStore } from '../../src/history/store.js';
import type { HostRun } from '../../src/protocol/commands.js';
import { adoptHostRun, listHostRuns } from '../../src/run/hostRuns.js';
import { Run } from '../../src/run/run.js';
import { sample, savedRun, summary } from './builders/samples.js';
import { FakeHost } from './support/fakeHost.js';

let directory: string;
let store: RunStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'c10m-host-runs-'));
  store = new RunStore(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const kept: HostRun = {
  runId: 'a',
  owner: 'ann@desk',
  startedAt: '2026-03-04T12:00:00.000Z',
  state: 'running',
  supervisorPid: 5,
  spec: specFromInput({ host: 'local' }),
};

/** Follows the run `a` to its end. Returns what was asked of its host. */
async function followToEnd(host: FakeHost, times = 1): Promise<string[]> {
  for (let count = 0; count < times; count++) {
    const run = new Run({ lease: () => host.lease, store, version: 'test', owner: 'me', log: () => undefined }, store.read('a').spec, 'a');
    const ended = run.resume(new AbortController().signal);
    while (host.commandsOf(count).at(-1) !== 'attach') await new Promise((resolve) => setImmediate(resolve));
    const isLast = count === times - 1;
    host.relays[count]!.say(sample({ seq: count + 1, t: 1_000 }));
    if (isLast) host.relays[count]!.say({ type: 'summary', seq: count + 2, t: 2_000, summary: summary() });
    else run.detach();
    await ended.catch(() => undefined);
  }
  return host.relays.flatMap(({ commands }) => commands).filter((command) => command !== 'heartbeat');
}

describe('runs that nobody follows', () => {
  it('are listed by their host; what is no list is refused', async () => {
    const host = new FakeHost();
    host.answers.set('list', [kept]);
    assert.deepEqual(await listHostRuns(host.lease, new AbortController().signal), [kept]);
    host.answers.set('list', [{ runId: 5 }]);
    await assert.rejects(listHostRuns(host.lease, new AbortController().signal));
  });

  it('one that was started elsewhere is followed to its end, and its host keeps it, however often it is followed', async () => {
    adoptHostRun(store, 'edge', kept, 'test');
    assert.deepEqual(await followToEnd(new FakeHost(), 2), ['attach', 'attach']);
    assert.deepEqual([store.read('a').spec.host, store.read('a').summary?.verdict, (await store.events('a')).length], ['edge', 'finished', 3]);
  });

  it('one that was started here is forgotten by its host once all of it is here', async () => {
    const { id, spec, startedAt, c10mVersion } = savedRun('a');
    store.create({ format: 1, id, spec, startedAt, c10mVersion }).close();
    assert.deepEqual(await followToEnd(new FakeHost()), ['attach', 'forget']);
  });

  it('one of an older version, whose host does not say what it is, is refused in a sentence', () => {
    const { runId, owner, startedAt, state, supervisorPid } = kept;
    assert.throws(() => adoptHostRun(store, 'edge', { runId, owner, startedAt, state, supervisorPid }, 'test'), { code: 'unsupported' });
    assert.deepEqual(store.list(), []);
  });
});
