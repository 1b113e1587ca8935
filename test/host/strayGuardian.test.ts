import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { HostLock } from '../../src/agent/hostLock.js';
import { lockClosing } from '../../src/agent/restoration/closingLock.js';
import { restoreHost } from '../../src/agent/restoration/restore.js';
import { StateDirectory } from '../../src/agent/stateDirectory.js';
import { readBootId } from '../../src/linux/bootId.js';
import { agentPath } from './faults/runCase.js';
import { skipWithoutAgent as skip } from './support/localRelay.js';

const patienceMs = 20_000;
/** A start time that no living process has. */
const dead = { pid: 1, startTime: 1e12 };

test('a guardian that nobody recorded, stopped after it has ended its run, is found and ended, and the lock is free', { skip, timeout: 60_000 }, async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'c10m-stray-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const state = new StateDirectory(home);
  const { run, start } = state.createRun('stray');
  start.hand();
  // As a supervisor leaves it that is killed between the start of its guardian and the record of it.
  run.writeState({ bootId: readBootId(), supervisor: dead, guardian: null, workers: [], namespace: null, ended: false });
  const lockPath = join(home, 'host.lock');
  const lock = HostLock.tryAcquire(lockPath);
  assert.ok(lock instanceof HostLock);
  const release = await lockClosing(run.path, patienceMs);
  const words = [home, 'stray', 'shared', '60', String(dead.pid), String(dead.startTime)];
  const guardian = spawn(process.execPath, [agentPath, 'guard', ...words], { stdio: ['ignore', 'inherit', 'inherit', lock.fd] });
  t.after(() => guardian.kill('SIGKILL'));
  lock.hand();
  // It waits for whoever closes the run at this moment, and has said by then that it is there.
  for (const deadline = Date.now() + patienceMs; run.readState()?.guardian?.pid !== guardian.pid && Date.now() < deadline;) await delay(20);
  guardian.kill('SIGSTOP');
  release();
  run.writeState({ ...run.readState()!, ended: true });

  const report = await restoreHost(state, lockPath, false);
  assert.deepEqual([report.complete, report.notes, report.processesEnded, report.runs], [true, [], 1, ['stray']]);
  const free = HostLock.tryAcquire(lockPath);
  assert.ok(free instanceof HostLock, 'the lock is free');
  free.release();
});
