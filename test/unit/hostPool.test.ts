import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { HostPool } from '../../src/run/hostPool.js';
import type { HostConnection, RelayChannel } from '../../src/transport/transport.js';
import { FakeRelay } from './support/fakeHost.js';

/** A pool, and what it did to reach hosts: `+` began, `-` given up, `rest` and `end` of connections. */
function fakePool(isHanging = false) {
  const did: string[] = [];
  const state = { failures: 0 };
  const pool = new HostPool((name, { signal, progress }) => {
    did.push(`+${name}`);
    progress('connecting');
    if (state.failures-- > 0) return Promise.reject(new HumanError('no route', { code: 'unreachable' }));
    const connection: HostConnection = {
      name,
      openRelay: () => Promise.resolve(new FakeRelay([], new Map()) as RelayChannel),
      rest: () => did.push(`rest ${name}`),
      dispose: () => Promise.resolve(void did.push(`end ${name}`)),
    };
    if (!isHanging) return Promise.resolve(connection);
    return new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => {
        did.push(`-${name}`);
        reject(new HumanError('Cancelled.', { code: 'cancelled' }));
      }),
    );
  });
  return { pool, did, state };
}
const forever = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a pool of hosts', () => {
  it('reaches a host once, however many use it, at the same time and later', async () => {
    const { pool, did } = fakePool();
    const leases = [pool.lease('a'), pool.lease('a'), pool.lease('b')];
    await Promise.all(leases.map((lease) => lease.openRelay(forever)));
    for (const lease of leases) lease.release();
    await pool.lease('a').openRelay(forever);
    assert.deepEqual(did, ['+a', '+b']);
    await pool.dispose();
    assert.deepEqual(did.slice(2).sort(), ['end a', 'end b']);
  });

  it('logs out a host that nothing used for five minutes, and not before', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { pool, did } = fakePool();
    const [first, second] = [pool.lease('a'), pool.lease('a')];
    await first.openRelay(forever);
    first.release();
    first.release();
    t.mock.timers.tick(6 * 60_000);
    second.release();
    t.mock.timers.tick(4 * 60_000);
    await turn();
    assert.deepEqual(did, ['+a'], 'a lease that is released twice counts once');
    t.mock.timers.tick(60_000);
    await turn();
    assert.deepEqual(did, ['+a', 'rest a']);
  });

  it('a connection that fails is tried anew by the next who asks', async () => {
    const { pool, did, state } = fakePool();
    state.failures = 1;
    const lease = pool.lease('a');
    await assert.rejects(lease.openRelay(forever), { code: 'unreachable' });
    await lease.openRelay(forever);
    assert.deepEqual(did, ['+a', '+a']);
  });

  it('whoever gives up gives up alone; the connecting ends when nobody waits for it', async () => {
    const { pool, did } = fakePool(true);
    const [impatient, patient] = [new AbortController(), new AbortController()];
    const attempts = [impatient, patient].map(({ signal }) => assert.rejects(pool.lease('a').openRelay(signal), { code: 'cancelled' }));
    impatient.abort();
    await attempts[0];
    assert.deepEqual(did, ['+a']);
    patient.abort();
    await attempts[1];
    await turn();
    assert.deepEqual(did, ['+a', '-a']);
  });

  it('a host whose settings changed is connected anew; who uses it goes on over the old connection, which ends after it', async () => {
    const { pool, did } = fakePool();
    const old = pool.lease('a');
    await old.openRelay(forever);
    await pool.forget('a');
    await pool.lease('a').openRelay(forever);
    assert.deepEqual(did, ['+a', '+a']);
    old.release();
    await turn();
    assert.deepEqual(did, ['+a', '+a', 'end a']);
  });

  it('each user hears what is done while it waits, and no longer', async () => {
    const { pool, state } = fakePool();
    const heard: string[] = [];
    state.failures = 1;
    const lease = pool.lease('a', (text) => heard.push(text));
    await assert.rejects(lease.openRelay(forever));
    lease.release();
    await pool.lease('a').openRelay(forever);
    assert.deepEqual(heard, ['connecting']);
  });
});
