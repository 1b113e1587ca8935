import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Journal } from '../../src/agent/restoration/journal.js';
import { SysctlFiles } from '../../src/linux/sysctlFiles.js';
import { applyTuning } from '../../src/agent/restoration/tuning.js';
import type { PlannedSysctl } from '../../src/protocol/plan.js';

let directory: string;
let sysctls: RecordingSysctls;
let journalPath: string;

/** Files in place of /proc/sys that remember the order of the writes and refuse some. */
class RecordingSysctls extends SysctlFiles {
  readonly written: string[] = [];
  readonly refused = new Set<string>();
  beforeWrite: (key: string) => void = () => undefined;

  override write(key: string, value: string): void {
    this.beforeWrite(key);
    if (this.refused.has(key)) throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    this.written.push(`${key}=${value}`);
    super.write(key, value);
  }
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'c10m-journal-'));
  journalPath = join(directory, 'journal.json');
  sysctls = new RecordingSysctls(join(directory, 'sys'));
  put('fs.nr_open', '1048576\n');
  put('fs.file-max', '100000\n');
  put('net.ipv4.tcp_mem', '100\t200\t300\n');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function put(key: string, text: string): void {
  const path = sysctls.path(key);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
const global = (key: string, target: string): PlannedSysctl => ({ key, scope: 'global', current: '', target, reason: 'test' });
const plan = [global('fs.nr_open', '2000000'), global('fs.file-max', '900000'), global('net.ipv4.tcp_mem', '100 200 900')];
const apply = (planned = plan) => applyTuning(planned, sysctls, { path: journalPath, runId: 'run', bootId: 'boot' });
const outcomes = (journal: Journal, bootId = 'boot') => Object.fromEntries(journal.restore(sysctls, bootId).map((key) => [key.key, key.outcome]));

test('the originals are on the disk before the first key is written', () => {
  let atFirstWrite: string | undefined;
  sysctls.beforeWrite = () => (atFirstWrite ??= readFileSync(journalPath, 'utf8'));
  apply();
  assert.match(atFirstWrite ?? '', /"key":"fs.nr_open","original":"1048576"/);
  assert.match(atFirstWrite ?? '', /"key":"net.ipv4.tcp_mem","original":"100\\t200\\t300"/);
});

test('no key is written when the journal cannot be', () => {
  const { applied, journal } = applyTuning(plan, sysctls, { path: join(directory, 'absent', 'journal.json'), runId: 'run', bootId: 'boot' });
  assert.equal(journal, undefined);
  assert.deepEqual(sysctls.written, []);
  assert.deepEqual(
    applied.map((key) => key.outcome),
    ['refused', 'refused', 'refused'],
  );
});

test('restores in reverse, and twice does no harm', () => {
  const { journal } = apply();
  sysctls.written.length = 0;
  assert.deepEqual(outcomes(journal!), { 'net.ipv4.tcp_mem': 'restored', 'fs.file-max': 'restored', 'fs.nr_open': 'restored' });
  assert.deepEqual(sysctls.written, ['net.ipv4.tcp_mem=100\t200\t300', 'fs.file-max=100000', 'fs.nr_open=1048576']);
  outcomes(Journal.load(journalPath)!);
  assert.equal(sysctls.written.length, 3);
});

test('what somebody else set meanwhile is left alone', () => {
  const { journal } = apply();
  put('fs.file-max', '123456\n');
  assert.deepEqual(outcomes(journal!), { 'net.ipv4.tcp_mem': 'restored', 'fs.file-max': 'changedByOthers', 'fs.nr_open': 'restored' });
  assert.equal(sysctls.read('fs.file-max'), '123456');
});

test('several values are compared as values, not as text', () => {
  const { journal } = apply();
  put('net.ipv4.tcp_mem', '100\t200\t900\n');
  assert.equal(outcomes(journal!)['net.ipv4.tcp_mem'], 'restored');
  assert.equal(sysctls.read('net.ipv4.tcp_mem'), '100\t200\t300');
});

test('a key that refuses to be restored keeps the journal open for the next visitor', () => {
  const { journal } = apply();
  sysctls.refused.add('fs.nr_open');
  assert.equal(outcomes(journal!)['fs.nr_open'], 'refused');
  assert.equal(Journal.load(journalPath)!.isClosed, false);
  sysctls.refused.clear();
  assert.equal(outcomes(Journal.load(journalPath)!)['fs.nr_open'], 'restored');
  assert.equal(Journal.load(journalPath)!.isClosed, true);
});

test('a journal of an earlier boot is closed without writing', () => {
  apply();
  sysctls.written.length = 0;
  outcomes(Journal.load(journalPath)!, 'another boot');
  assert.deepEqual(sysctls.written, []);
  assert.equal(Journal.load(journalPath)!.isClosed, true);
});

test('a refused key is told, is not in the journal, and the others are applied', () => {
  sysctls.refused.add('fs.file-max');
  const { applied, journal } = apply();
  assert.deepEqual(
    applied.map((key) => [key.key, key.outcome]),
    [
      ['fs.nr_open', 'applied'],
      ['fs.file-max', 'refused'],
      ['net.ipv4.tcp_mem', 'applied'],
    ],
  );
  assert.deepEqual(Object.keys(outcomes(journal!)), ['net.ipv4.tcp_mem', 'fs.nr_open']);
});

test('killed between the journal and the first write: nothing to restore, nothing written', () => {
  sysctls.beforeWrite = () => {
    throw new Error('killed');
  };
  const { applied } = apply();
  assert.equal(applied[0]!.outcome, 'refused');
  sysctls.beforeWrite = () => undefined;
  const journal = Journal.create(journalPath, 'run', 'boot', [{ key: 'fs.nr_open', original: '1048576', ours: '2000000' }]);
  assert.deepEqual(outcomes(journal), { 'fs.nr_open': 'restored' });
  assert.deepEqual(sysctls.written, []);
});

test('an absent and a read-only key are told apart', () => {
  assert.equal(sysctls.access('fs.nr_open'), 'writable');
  assert.equal(sysctls.access('net.core.absent'), 'absent');
  if (process.getuid?.() !== 0) {
    chmodSync(sysctls.path('fs.nr_open'), 0o444);
    assert.equal(sysctls.access('fs.nr_open'), 'readOnly');
  }
});
