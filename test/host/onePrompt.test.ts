import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { specFromInput } from '../../src/core/profile.js';
import type { RestoreReport } from '../../src/protocol/commands.js';
import { askHost } from '../../src/run/askHost.js';
import { inPhase, openWindow, seen, until } from './support/heldRun.js';
import { startHost, stopLab } from './support/host.js';
import { makeLaptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';

const skip = missingForHosts() ?? (existsSync(join(import.meta.dirname, '..', '..', 'dist', 'host', 'agent.cjs')) ? false : 'dist is not built: npm run build');
const password = 'correct horse';
after(stopLab);

test(
  'a person is asked once for test, check, start, cut and coming back, and restore; check and start are one login',
  { skip, timeout: 120_000 },
  async (t) => {
    const host = await startHost({
      name: 'once',
      users: [{ name: 'ann', password, sudo: 'passwordless', key: false }],
      sshdConfig: ['PasswordAuthentication yes'],
    });
    const laptop = makeLaptop();
    laptop.add('once', host, { user: 'ann' });
    const window = openWindow(laptop, password);
    t.after(async () => {
      await window.close();
      laptop.remove();
      await host.stop();
    });
    const logins = () => host.serverLog().split('Accepted password').length - 1;
    const { signal } = new AbortController();

    // The commands Test Host, Check and Start, as VS Code carries them out: each a run of its own on the pool of the window.
    await window.run({ ...specFromInput({ host: 'once', connections: 'max' }) }).plan(signal);
    await window.run({ host: 'once', connections: 200 }).plan(signal);
    const run = window.run({ host: 'once', connections: 200, holdSeconds: 8 });
    const summary = run.start(signal, await run.plan(signal));
    await Promise.race([seen(run, inPhase('holding')), summary]);
    assert.deepEqual([window.asked, logins()], [['password'], 1], 'check and start are one login');

    await host.exec('pkill -9 -f "^sshd(-session)?: ann"');
    await until(() => run.links[0]?.state.is === 'lost', 10);
    await until(() => run.links[0]?.state.is === 'following', 20);
    const { verdict, established, hostRestored } = await summary;
    assert.deepEqual([verdict, established, hostRestored], ['finished', { server: 200, client: 200 }, true]);

    const lease = window.pool.lease('once');
    for (const dryRun of [true, false]) {
      const report = await askHost<RestoreReport>(lease, (id) => ({ type: 'restore', id, dryRun }), signal);
      assert.equal(report.complete, true);
    }
    lease.release();
    assert.deepEqual([window.asked, logins()], [['password'], 2], 'one more login, after the cut, and no question');
  },
);
