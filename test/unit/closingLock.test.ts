import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { lockClosing } from '../../src/agent/restoration/closingLock.js';

const skip = process.platform === 'linux' ? false : 'needs Linux';

/** A process that holds the lock of a file, and never says who it is. */
async function withHolder(body: (directory: string, pid: number, ended: Promise<unknown>) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-closing-'));
  const path = join(directory, 'closing.lock');
  writeFileSync(path, '');
  const holder = spawn('flock', ['--no-fork', path, 'sh', '-c', 'echo locked; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(holder, 'exit');
  try {
    await once(holder.stdout, 'data');
    await body(directory, holder.pid!, ended);
  } finally {
    holder.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

test('one that was stopped before it signed the closing lock is ended, and another goes on', { skip }, () =>
  withHolder(async (directory, pid, ended) => {
    process.kill(pid, 'SIGSTOP');
    const began = performance.now();
    const release = await lockClosing(directory, 30_000);
    release();
    await ended;
    assert.ok(performance.now() - began < 15_000, 'long before the time is over');
  }),
);

test('one that works is waited for, signed or not', { skip }, () =>
  withHolder(async (directory, pid, ended) => {
    let isEnded = false;
    void ended.then(() => (isEnded = true));
    const release = await lockClosing(directory, 1_500);
    release();
    await sleep(50);
    assert.equal(isEnded, false, `process ${pid} lives`);
  }),
);
