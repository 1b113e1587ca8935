import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, describe, test, type TestContext } from 'node:test';
import type { RunEvent, Summary } from '../../src/protocol/events.js';
import { startHost, stopLab, type TestHost } from './support/host.js';
import { command } from './support/lab.js';
import { makeLaptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = missingForHosts() ?? (existsSync(cli) ? false : 'dist/cli.js is not built: npm run build');
after(stopLab);
/** `npm run test:runs` cuts for a minute; otherwise for as long as it takes to notice, and a little more. */
const cutSeconds = process.env['C10M_ALL_RUNS'] === '1' ? 60 : 14;

interface CutRun {
  code: number | null;
  stderr: string;
  saved: RunEvent[];
  summary: Summary | undefined;
  host: TestHost;
}

/** Runs a profile over SSH and cuts the link for a while, once connections are held. */
async function runWithCut(t: TestContext, name: string, profile: object, cutSeconds: number): Promise<CutRun> {
  const host = await startHost({ name });
  const laptop = makeLaptop();
  const directory = mkdtempSync(join(tmpdir(), 'c10m-link-loss-'));
  t.after(async () => {
    await host.stop();
    laptop.remove();
    rmSync(directory, { recursive: true, force: true });
  });
  laptop.add('target', host);
  const file = join(directory, 'cut.c10m.json');
  writeFileSync(file, JSON.stringify({ version: 1, host: 'target', protocol: 'tcp', engine: 'epoll', ...profile }));
  const child = spawn(process.execPath, [cli, 'run', file, '--json', '--runs', directory], { env: laptop.environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 200_000);
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  const holding = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8');
      if (stdout.includes('"phase":"holding"')) resolve();
    });
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await Promise.race([holding, ended]);
  await delay(2_000);
  command('ip', ['link', 'set', host.link, 'down']);
  await delay(cutSeconds * 1_000);
  command('ip', ['link', 'set', host.link, 'up']);
  const code = await ended;
  clearTimeout(timer);
  const runDirectory = readdirSync(directory, { withFileTypes: true }).find((entry) => entry.isDirectory())?.name;
  assert.ok(runDirectory !== undefined, `no run was saved: ${stderr}`);
  const lines = readFileSync(join(directory, runDirectory, 'events.ndjson'), 'utf8').split('\n');
  const saved = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RunEvent);
  const { summary } = JSON.parse(readFileSync(join(directory, runDirectory, 'run.json'), 'utf8')) as { summary?: Summary };
  return { code, stderr, saved, summary, host };
}

const gaps = (events: readonly RunEvent[]) => events.filter((event, index) => event.seq !== index + 1).map((event) => event.seq);
const leftOnHost = async (host: TestHost) => (await host.exec('pgrep -f "(agent|worker).cjs" | grep -vx $$ | wc -l; ip netns list | wc -l')).stdout.trim();

describe('a link that is lost in the middle of a run', { skip, concurrency: 2 }, () => {
  test(`a cut of ${cutSeconds} s loses no sample`, async (t) => {
    const { code, saved, summary, stderr } = await runWithCut(t, 'cut', { connections: 1_000, holdSeconds: cutSeconds + 8 }, cutSeconds);
    assert.equal(code, 0, stderr);
    assert.deepEqual(gaps(saved), []);
    const samples = saved.filter((event) => event.type === 'sample');
    const span = (samples.at(-1)!.t - samples[0]!.t) / 1_000;
    assert.ok(span >= cutSeconds + 6, `samples over ${span} s`);
    const pauses = samples.slice(1).map((sample, index) => sample.t - samples[index]!.t);
    // Half of the cut at most: a busy host may skip a sample.
    assert.ok(Math.max(...pauses) < cutSeconds * 500, `the longest pause between two samples is ${Math.max(...pauses)} ms`);
    assert.deepEqual([summary?.verdict, summary?.established, summary?.hostRestored], ['finished', { server: 1_000, client: 1_000 }, true]);
  });

  test('a cut longer than the lease ends in a restored host, and the run is told as stopped by the lease', async (t) => {
    const { saved, summary, stderr, host } = await runWithCut(t, 'lease', { connections: 1_000, holdSeconds: 120, leaseSeconds: 10 }, 16);
    assert.deepEqual(gaps(saved), []);
    assert.deepEqual([summary?.verdict, summary?.hostRestored], ['stopped', true], stderr);
    assert.match(summary?.reason ?? '', /heartbeat|lease|link/i);
    await delay(1_000);
    assert.equal(await leftOnHost(host), '0\n0');
  });
});
