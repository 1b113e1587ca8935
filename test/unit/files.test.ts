import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AppendLog } from '../../src/files/appendLog.js';
import { replaceFile, type Write } from '../../src/files/durableFile.js';
import { readLines, readLinesInSteps } from '../../src/files/lines.js';
import { NotRegular, readRegular } from '../../src/files/regularFile.js';
import { sleep } from '../../src/files/sleep.js';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'c10m-files-'));
  path = join(directory, 'file');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Takes at most `atOnce` bytes a call, and `room.bytes` in all; then it is a full disk. */
function slowDisk(room: { bytes: number }, atOnce: number): Write {
  return (fd, bytes) => {
    if (room.bytes <= 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const count = writeSync(fd, bytes, 0, Math.min(bytes.length, atOnce, room.bytes));
    room.bytes -= count;
    return count;
  };
}

describe('a whole file is replaced or stays', () => {
  const long = 'new '.repeat(5_000);
  const cases: [name: string, write: Write | undefined, content: string, throws?: RegExp][] = [
    ['written at once', undefined, long],
    ['written in short parts', slowDisk({ bytes: 100_000 }, 3_000), long],
    ['a disk that becomes full', slowDisk({ bytes: 12_288 }, 4_096), 'old', /ENOSPC/],
    ['a disk that takes nothing', () => 0, 'old', /only 0 of 20000 bytes/],
    ['a disk that lies', (_fd, bytes) => bytes.length, 'old', /only 0 of 20000 bytes were written/],
  ];
  for (const [name, write, expected, throws] of cases) {
    test(name, () => {
      writeFileSync(path, 'old');
      const replace = () => replaceFile(path, long, write === undefined ? {} : { write });
      if (throws === undefined) replace();
      else assert.throws(replace, throws);
      assert.equal(readFileSync(path, 'utf8'), expected);
      assert.deepEqual(readdirSync(directory), ['file'], 'nothing else is left');
    });
  }
});

describe('only regular files are read', () => {
  const cases: [name: string, make: () => void, message: RegExp][] = [
    ['a directory', () => mkdirSync(path), /^is a directory, not a file$/],
    ['a FIFO', () => execFileSync('mkfifo', [path]), /^is a FIFO, not a file$/],
    ['a symbolic link', () => symlinkSync('/etc/hostname', path), /^is a symbolic link, not a file$/],
    ['a device', () => (path = '/dev/zero'), /^is a device, not a file$/],
    ['more than is expected', () => writeFileSync(path, 'x'.repeat(101)), /^has 101 bytes, more than the 100 that are read$/],
  ];
  for (const [name, make, message] of cases) {
    test(name, () => {
      make();
      assert.throws(
        () => readRegular(path, 100),
        (error) => error instanceof NotRegular && message.test(error.message),
      );
      if (name !== 'more than is expected') assert.throws(() => readLines(path, () => undefined), NotRegular);
    });
  }
});

test('lines of a file are counted whole, and the same in steps', async () => {
  const long = 'ü'.repeat(3 * 1024 * 1024);
  writeFileSync(path, `a\r\n${'x'.repeat(700_000)}\n${long}\nb\n{"torn`);
  const lines: string[] = [];
  const read = readLines(path, (line) => lines.push(line));
  assert.deepEqual(
    [lines.map((line) => line.length), read.overlong, read.isTorn, read.completeBytes],
    [[1, 700_000, 1], 1, true, 700_007 + 2 * 3 * 1024 * 1024],
  );
  const inSteps: string[] = [];
  assert.deepEqual([await readLinesInSteps(path, (line) => inSteps.push(line)), inSteps], [read, lines]);
});

describe('a log that only grows', () => {
  const options = { maximumWaitingBytes: 100, whenFull: 'dropOldest' } as const;
  const numbers = () => readFileSync(path, 'utf8').split('\n').slice(0, -1).map(Number);

  test('goes on behind the last whole line of a long file', () => {
    appendFileSync(path, `${'1\n'.repeat(100_000)}torn`);
    const log = new AppendLog(path, options);
    assert.equal(log.bytes, 200_000);
    log.append('2\n');
    log.close();
    assert.equal(readFileSync(path, 'utf8').slice(-4), '1\n2\n');
  });

  const policies: ['dropOldest' | 'refuseNewest', kept: number[]][] = [
    ['dropOldest', [0, 1, 2, ...Array.from({ length: 10 }, (_value, index) => 30 + index)]],
    ['refuseNewest', Array.from({ length: 13 }, (_value, index) => index)],
  ];
  for (const [whenFull, expected] of policies) {
    test(`with ${whenFull} keeps so much of what a full disk does not take`, () => {
      const room = { bytes: 35 };
      const log = new AppendLog(path, { maximumWaitingBytes: 100, whenFull, write: slowDisk(room, 4) });
      for (let number = 0; number < 40; number++) log.append(`${String(number).padStart(9)}\n`);
      assert.match(log.problem ?? '', /ENOSPC/);
      assert.deepEqual(numbers(), [0, 1, 2], 'no torn line');
      assert.equal(log.dropped, 40 - expected.length);
      room.bytes = 10_000;
      log.flush();
      assert.equal(log.isFlushed, true);
      assert.equal(log.problem, whenFull === 'dropOldest' ? undefined : 'more lines waited for room on the disk than memory may hold');
      log.close();
      assert.deepEqual(numbers(), expected);
    });
  }
});

test('a sleep ends with the reason of its signal, and leaves no listener', async () => {
  const abort = new AbortController();
  const { signal } = abort;
  const listeners = () => getEventListeners(signal, 'abort').length;
  const brief = sleep(1, signal);
  assert.equal(listeners(), 1);
  await brief;
  assert.equal(listeners(), 0);
  const reason = new Error('enough');
  const sleeping = sleep(60_000, signal);
  abort.abort(reason);
  await assert.rejects(sleeping, reason);
  await assert.rejects(sleep(60_000, signal), reason);
});
