import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { RunStore } from '../../src/history/store.js';
import type { Summary } from '../../src/protocol/events.js';
import { sample, savedRun } from '../unit/builders/samples.js';
import { command } from './support/lab.js';
import { missingForHosts } from './support/packages.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = missingForHosts() ?? (existsSync(cli) ? false : 'dist/cli.js is not built: npm run build');
const caseTimeoutMs = 60_000;

/** What we write may find no room, or no reader. None of it may end a run in disorder, lose its result or show a stack trace. */
describe('output that cannot be written', { skip }, () => {
  let home: string;
  let disk: string;
  before(() => {
    home = mkdtempSync(join(tmpdir(), 'c10m-output-'));
    disk = join(home, 'disk');
    mkdirSync(disk);
    command('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'c10m-test', disk]);
  });
  after(() => {
    command('umount', [disk]);
    rmSync(home, { recursive: true, force: true });
  });

  const filler = () => join(disk, 'filler');
  /** Leaves so many bytes of the disk free. */
  function leave(bytes: number): void {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler(), Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
  }
  function makeRoom(): void {
    if (existsSync(filler())) unlinkSync(filler());
  }

  /** `closing`: the reader of its output goes after the first line. */
  function c10m(args: string[], closing = false): Promise<{ code: number | null; stderr: string }> {
    return new Promise((resolve) => {
      const environment = { ...process.env, HOME: home, C10M_STATE_DIRECTORY: join(home, 'state') };
      const child = spawn(process.execPath, [cli, ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
      const timer = setTimeout(() => child.kill('SIGKILL'), caseTimeoutMs);
      let stderr = '';
      child.stdout.on('data', () => closing && child.stdout.destroy());
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
      child.on('exit', (code) => {
        clearTimeout(timer);
        resolve({ code, stderr });
      });
    });
  }

  it('events wait for room on a full disk and are then written, each once and whole', () => {
    const store = new RunStore(join(disk, 'waiting'));
    const writer = store.create(savedRun('a'));
    const events = Array.from({ length: 60 }, (_value, index) => sample({ seq: index + 1, t: index * 1_000 }));
    leave(8 * 1024);
    for (const event of events.slice(0, 50)) writer.append(event);
    assert.match(writer.problem ?? '', /ENOSPC/);
    makeRoom();
    for (const event of events.slice(50)) writer.append(event);
    assert.equal(writer.problem, undefined);
    writer.close();
    const lines = readFileSync(join(disk, 'waiting', 'a', 'events.ndjson'), 'utf8')
      .trimEnd()
      .split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { seq: number }).seq),
      events.map(({ seq }) => seq),
    );
    rmSync(join(disk, 'waiting'), { recursive: true });
  });

  it('a run whose disk becomes full goes on to its end, says what is missing and where it is', async () => {
    leave(32 * 1024);
    const { code, stderr } = await c10m(['run', '--connections', '200', '--hold', '8s', '--runs', join(disk, 'runs')]);
    makeRoom();
    assert.equal(code, 70, stderr);
    assert.match(stderr, /not saved completely in .*ENOSPC/);
    const kept = join(home, 'state', 'runs', /runs follow (\d{8}-\d{6}-\w+)/.exec(stderr)?.[1] ?? '', 'events.ndjson');
    const last = readFileSync(kept, 'utf8').trimEnd().split('\n').at(-1)!;
    assert.equal((JSON.parse(last) as { summary: Summary }).summary.hostRestored, true);
  });

  it('a full disk is told before anything is started', async () => {
    leave(0);
    const { code, stderr } = await c10m(['run', '--connections', '200', '--runs', join(disk, 'other')]);
    makeRoom();
    assert.equal(code, 64, stderr);
    assert.match(stderr, /cannot be saved in .*ENOSPC.*Nothing was started/);
    assert.doesNotMatch(stderr, /^\s+at /m);
  });

  const closed: [string, string[]][] = [
    ['lines', []],
    ['events', ['--json']],
  ];
  for (const [title, options] of closed) {
    it(`a reader of ${title} that goes away stops the run, which puts the host back`, async () => {
      const runs = join(home, `closed-${title}`);
      const { code, stderr } = await c10m(['run', '--connections', '200', '--hold', '60s', '--runs', runs, ...options], true);
      assert.deepEqual([code, stderr], [130, 'c10m: Stopped by the user.\n']);
      const store = new RunStore(runs);
      const { summary } = store.read(store.resolve('last'));
      assert.deepEqual([summary?.verdict, summary?.hostRestored], ['stopped', true]);
    });
  }

  const unwritable: [string, string][] = [
    ['--junit', 'nowhere/result.xml'],
    ['--metrics-file', 'nowhere/c10m.prom'],
  ];
  for (const [option, path] of unwritable) {
    it(`a path of ${option} that cannot be written is told before anything is started`, async () => {
      const { code, stderr } = await c10m(['run', '--connections', '200', option, join(home, path)]);
      assert.equal(code, 64, stderr);
      assert.match(stderr, new RegExp(`${path} cannot be written.*\\n.*Nothing was started; choose another ${option}`));
    });
  }
});
