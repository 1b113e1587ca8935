import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { exitCodes } from '../../src/core/errors.js';
import { runEventSchema, type RunEvent, type Summary } from '../../src/protocol/events.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = process.platform !== 'linux' || process.getuid?.() !== 0 ? 'needs root on Linux' : !existsSync(cli) ? 'dist/cli.js is not built' : false;
const timeoutMs = 40_000;

interface Outcome {
  code: number | null;
  events: RunEvent[];
  stderr: string;
}

/** Runs the command line with a state directory of its own; `enter` are the words before it. */
function c10m(
  home: string,
  enter: string[],
  args: string[],
  onEvent: (event: RunEvent, pid: number) => void = () => undefined,
  onBegin: (pid: number) => void = () => undefined,
): Promise<Outcome> {
  const words = [...enter, process.execPath, cli, 'run', '--json', '--runs', join(home, 'runs'), ...args];
  return new Promise((resolve) => {
    const environment = { ...process.env, HOME: home, C10M_STATE_DIRECTORY: join(home, 'state'), TMPDIR: home };
    const child = spawn(words[0]!, words.slice(1), { env: environment, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    onBegin(child.pid!);
    const timer = setTimeout(() => child.kill('SIGTERM'), timeoutMs);
    const outcome: Outcome = { code: null, events: [], stderr: '' };
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const event of lines.map((line) => v.parse(runEventSchema, JSON.parse(line)))) {
        outcome.events.push(event);
        onEvent(event, child.pid!);
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ ...outcome, code });
    });
  });
}

const summaryOf = ({ events, stderr }: Outcome): Summary => {
  const summary = events.find((event) => event.type === 'summary')?.summary;
  assert.ok(summary !== undefined, stderr);
  return summary;
};

function call(command: string, ...args: string[]): void {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(result.status, 0, `${command} ${args.join(' ')}: ${result.stderr}`);
}

/** The other codes are tested in cli.test.ts. */
describe('exit codes that need a host with a fault', { skip, timeout: 2 * timeoutMs }, () => {
  it(`${exitCodes.notRestored}: a key that became read-only during the run, and is named`, async () => {
    const home = mkdtempSync(join(tmpdir(), 'c10m-exit-'));
    const namespace = `c10m-exit-${process.pid}`;
    call('ip', 'netns', 'add', namespace);
    try {
      call('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
      // A /proc/sys of its own, so that only this run finds it read-only, in a network namespace that plays the host.
      const mount = ['unshare', '-m', 'sh', '-c', 'mount --bind /proc/sys /proc/sys && exec "$@"', 'sh'];
      const args = ['--connections', '100', '--hold', '2s', '--isolation', 'host', '--tuning', 'apply'];
      const outcome = await c10m(home, ['nsenter', `--net=/run/netns/${namespace}`, ...mount], args, (event, pid) => {
        if (event.type === 'phase' && event.phase === 'holding') call('nsenter', '-t', String(pid), '-m', 'mount', '-o', 'remount,ro,bind', '/proc/sys');
      });
      const { hostRestored, exitCode, keys } = summaryOf(outcome);
      assert.deepEqual([outcome.code, exitCode, hostRestored], [exitCodes.notRestored, exitCodes.notRestored, false], outcome.stderr);
      const refused = keys.filter((key) => key.outcome === 'refused').map(({ key }) => key);
      assert.ok(refused.includes('net.core.somaxconn'), JSON.stringify(keys));
      for (const key of refused) assert.ok(outcome.stderr.includes(key), `${key} is named: ${outcome.stderr}`);
      // What it says is true.
      const found = spawnSync('ip', ['netns', 'exec', namespace, 'cat', '/proc/sys/net/core/somaxconn'], { encoding: 'utf8' });
      assert.equal(found.stdout.trim(), keys.find(({ key }) => key === 'net.core.somaxconn')?.now);
    } finally {
      call('ip', 'netns', 'delete', namespace);
      rmSync(home, { recursive: true, force: true });
    }
  });

  it(`${exitCodes.internal}: a run that failed`, async () => {
    const home = mkdtempSync(join(tmpdir(), 'c10m-exit-'));
    try {
      const args = ['--connections', '100', '--hold', '20s'];
      let server = 0;
      const outcome = await c10m(home, [], args, (event) => {
        if (event.type === 'worker' && event.role === 'server' && event.state === 'started') server = event.pid ?? 0;
        if (event.type === 'phase' && event.phase === 'holding') process.kill(server, 'SIGKILL');
      });
      const { verdict, exitCode, hostRestored, reason } = summaryOf(outcome);
      assert.deepEqual([outcome.code, exitCode, verdict, hostRestored], [exitCodes.internal, exitCodes.internal, 'failed', true], outcome.stderr);
      assert.match(reason ?? '', /server-1 ended by SIGKILL/);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

  it(`${exitCodes.interrupted}: Ctrl-C while the host begins, and nothing goes on there`, async () => {
    const home = mkdtempSync(join(tmpdir(), 'c10m-exit-'));
    const runs = join(home, 'state', 'runs');
    let pid = 0;
    const begun = setInterval(() => {
      if (!existsSync(runs) || readdirSync(runs).length === 0) return;
      clearInterval(begun);
      process.kill(pid, 'SIGINT');
    }, 2);
    try {
      const outcome = await c10m(home, [], ['--connections', '100', '--hold', '20s'], undefined, (started) => (pid = started));
      const { verdict, hostRestored } = summaryOf(outcome);
      assert.deepEqual([outcome.code, verdict, hostRestored], [exitCodes.interrupted, 'stopped', true], outcome.stderr);
      assert.deepEqual(existsSync(runs) ? readdirSync(runs) : [], [], 'the run has ended there and was fetched');
    } finally {
      clearInterval(begun);
      rmSync(home, { recursive: true, force: true });
    }
  });
});
