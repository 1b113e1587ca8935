import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Write } from '../../src/files/durableFile.js';
import { isComplete, readEvents, readRunEvents, Spool } from '../../src/agent/spool.js';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'c10m-spool-'));
  path = join(directory, 'events.ndjson');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const line = (text: string) => ({ type: 'log', level: 'info', text }) as const;
const texts = (lines: string[]) => lines.map((entry) => (JSON.parse(entry) as { text: string }).text);

/** A disk that takes `room` more bytes and then fails like a full one. */
function disk(room: { bytes: number }): Write {
  return (fd, bytes) => {
    if (room.bytes <= 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const count = writeSync(fd, bytes, 0, Math.min(bytes.length, room.bytes));
    room.bytes -= count;
    return count;
  };
}

test('events are numbered without gaps, are in the file before append returns, and can be replayed from any number', () => {
  const spool = new Spool(path, () => 7);
  for (const text of ['a', 'b', 'c']) spool.append(line(text));
  assert.deepEqual(
    readRunEvents(path).map(({ seq, t }) => [seq, t]),
    [
      [1, 7],
      [2, 7],
      [3, 7],
    ],
  );
  assert.deepEqual(texts(spool.linesFrom(2)), ['b', 'c']);
  spool.close();
});

test('a successor goes on with the next number, after a torn last line too', () => {
  const first = new Spool(path, () => 0);
  first.append(line('a'));
  first.close();
  appendFileSync(path, '{"seq":2,"t":0,"type":"log","lev');
  const second = new Spool(path, () => 0);
  assert.equal(second.append(line('b')).seq, 2);
  second.close();
  assert.deepEqual(texts(readEvents(path).map((event) => event.line)), ['a', 'b']);
});

test('a full disk is told once, loses nothing, leaves no torn line, and the file catches up in order', () => {
  const room = { bytes: 100 };
  const told: string[] = [];
  const spool = new Spool(
    path,
    () => 0,
    (reason) => told.push(reason),
    disk(room),
  );
  for (const text of ['a', 'b', 'c', 'd']) spool.append(line(text));
  assert.equal(told.length, 1);
  assert.match(told[0]!, /ENOSPC/);
  assert.equal(readFileSync(path, 'utf8').endsWith('\n'), true, 'no torn line');
  assert.deepEqual(texts(spool.linesFrom(1)), ['a', 'b', 'c', 'd']);
  room.bytes = 1_000_000;
  spool.append(line('e'));
  assert.deepEqual(texts(readEvents(path).map((event) => event.line)), ['a', 'b', 'c', 'd', 'e']);
  spool.close();
});

test('what waits for a full disk is bounded: the oldest goes, and is counted', () => {
  const spool = new Spool(path, () => 0, undefined, disk({ bytes: 0 }));
  const long = 'x'.repeat(64 * 1024);
  for (let count = 0; count < 100; count++) spool.append(line(long));
  const kept = spool.linesFrom(1);
  assert.ok(kept.length < 40 && kept.length > 20, `${kept.length} kept`);
  assert.equal(spool.lost, 100 - kept.length);
  assert.equal((JSON.parse(kept.at(-1)!) as { seq: number }).seq, 100);
});

test('a spool is complete with its summary only', () => {
  const table: [string, boolean][] = [
    ['', false],
    ['{"seq":1,"t":0,"type":"phase","phase":"failed"}\n', false],
    ['{"seq":1,"t":0,"type":"summary","summary":{}}\n', true],
    ['{"seq":1,"t":0,"type":"summary","summary":{}}\n{"seq":2,"t":0,"ty', false],
  ];
  for (const [content, expected] of table) {
    rmSync(path, { force: true });
    appendFileSync(path, content);
    assert.equal(isComplete(path), expected, content);
  }
});
