import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { exitCodes } from '../../src/core/errors.js';

const dist = join(import.meta.dirname, '..', '..', 'dist');
const skip = process.platform !== 'linux' ? 'needs Linux' : !existsSync(join(dist, 'cli.js')) ? 'dist/cli.js is not built' : false;

/** How long each streams before Ctrl-C; `npm run test:hostile` gives 20. */
const seconds = Number(process.env['C10M_HOSTILE_SECONDS'] ?? 0.3);
/** Of the command line as a whole; an idle one has about 75 MB. */
const maximumMemoryBytes = (75 + 100) * 1e6;
const maximumDiskBytes = 200e6;
/** The bound is 2 s; the short form runs beside other tests, which may take the processor for a moment. */
const stoppedWithinMs = seconds >= 1 ? 2_000 : 2_500;

interface Outcome {
  code: number | null;
  text: string;
  /** Of all it printed. */
  printedBytes: number;
  peakBytes: number;
  diskBytes: number;
  /** From Ctrl-C to its end; undefined: it ended before. */
  stopMs: number | undefined;
}

/** A run of the command line whose agent is of this kind. Ctrl-C is given after `seconds`, where it still runs. */
async function runWith(kind: string): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), 'c10m-hostile-'));
  const own = join(home, 'dist');
  mkdirSync(join(own, 'host'), { recursive: true });
  cpSync(join(dist, 'cli.js'), join(own, 'cli.js'));
  for (const name of readdirSync(dist)) if (name !== 'cli.js' && name !== 'host') symlinkSync(join(dist, name), join(own, name));
  cpSync(join(import.meta.dirname, 'hostile', 'agent.cjs'), join(own, 'host', 'agent.cjs'));
  const environment = {
    ...process.env,
    HOME: home,
    TMPDIR: home,
    C10M_STATE_DIRECTORY: join(home, 'state'),
    C10M_HOSTILE: kind,
    C10M_REAL_AGENT: join(dist, 'host', 'agent.cjs'),
  };
  const runs = join(home, 'runs');
  const child = spawn(process.execPath, [join(own, 'cli.js'), 'run', '--connections', '1000', '--isolation', 'host', '--tuning', 'none', '--runs', runs], {
    env: environment,
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const outcome: Outcome = { code: null, text: '', printedBytes: 0, peakBytes: 0, diskBytes: 0, stopMs: undefined };
  const keep = (chunk: string) => {
    outcome.printedBytes += chunk.length;
    outcome.text = (outcome.text + chunk).slice(-100_000);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const watch = setInterval(() => {
    try {
      const peak = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      // A process that has just ended has no memory any more.
      if (peak !== undefined) outcome.peakBytes = Number(peak) * 1024;
    } catch {
      // It has ended.
    }
  }, 20);
  try {
    const ended = new Promise<void>((resolve) =>
      child.on('close', (code) => {
        outcome.code = code;
        resolve();
      }),
    );
    const later = (ms: number) => new Promise<'later'>((resolve) => setTimeout(() => resolve('later'), ms).unref());
    if ((await Promise.race([ended, begun(() => outcome.text).then(() => later(seconds * 1_000))])) === 'later') {
      const stoppedAt = performance.now();
      child.kill('SIGINT');
      if ((await Promise.race([ended, later(10_000)])) === 'later') child.kill('SIGKILL');
      await ended;
      outcome.stopMs = performance.now() - stoppedAt;
    }
    outcome.diskBytes = sizeOf(runs);
    return outcome;
  } finally {
    clearInterval(watch);
    if (child.exitCode === null) child.kill('SIGKILL');
    // What the fake agent is deaf to is ended by its end of the pipe; nothing of this run is left.
    spawnSync('sh', ['-c', `for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ 2>/dev/null | grep -qx 'HOME=${home}' && kill -9 \${p#/proc/}; done`]);
    rmSync(home, { recursive: true, force: true });
  }
}

/** The run has begun on the host; a slow machine takes its time for that. */
async function begun(text: () => string): Promise<void> {
  for (let waited = 0; waited < 20_000 && !/plan|starting|log|info|note/i.test(text()); waited += 50) await new Promise((resolve) => setTimeout(resolve, 50));
}

function sizeOf(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory, { recursive: true }).reduce((sum, name) => sum + statSync(join(directory, String(name))).size, 0);
}

/** What each may end with: given up by the laptop (nobody saw how the host was left), or stopped by Ctrl-C. */
const kinds: [kind: string, codes: number[]][] = [
  ['walls', [exitCodes.notRestored]],
  ['longLogs', [exitCodes.notRestored]],
  ['bytes', [exitCodes.notRestored]],
  ['lines', [exitCodes.notRestored]],
  ['blank', [exitCodes.notRestored]],
  ['nested', [exitCodes.notRestored]],
  ['samples', [exitCodes.notRestored]],
  ['replies', [exitCodes.notRestored]],
  ['complaints', [exitCodes.notRestored]],
  ['escapes', [exitCodes.notRestored]],
  ['silence', [exitCodes.notRestored]],
  ['chatter', [exitCodes.notRestored]],
  ['liar', [exitCodes.notRestored]],
];

describe(`an agent that sends garbage for ${seconds} s`, { skip, concurrency: 2, timeout: (seconds + 60) * 1_000 * kinds.length }, () => {
  for (const [kind, codes] of kinds) {
    it(`${kind}: bounds hold, Ctrl-C ends it, and the laptop judges`, async (context) => {
      const outcome = await runWith(kind);
      context.diagnostic(
        `${kind}: exit code ${outcome.code ?? 'none'}, ${Math.round(outcome.peakBytes / 1e6)} MB of memory, ${(outcome.diskBytes / 1e6).toFixed(1)} MB on disk, ${Math.round(outcome.printedBytes / 1e3)} kB printed, ${outcome.stopMs === undefined ? 'ended by itself' : `Ctrl-C after ${Math.round(outcome.stopMs)} ms`}`,
      );
      assert.ok(codes.includes(outcome.code ?? -1), `exit code ${outcome.code ?? 'none'}: ${outcome.text.slice(-2_000)}`);
      assert.ok(outcome.peakBytes < maximumMemoryBytes, `${outcome.peakBytes} bytes of memory`);
      assert.ok(outcome.diskBytes < maximumDiskBytes, `${outcome.diskBytes} bytes on disk`);
      assert.ok(outcome.stopMs === undefined || outcome.stopMs < stoppedWithinMs, `it ended ${outcome.stopMs ?? 0} ms after Ctrl-C`);
      assert.doesNotMatch(outcome.text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|^c10m: all is well/m);
      assert.doesNotMatch(outcome.text, /internal error|^\s+at .*\(/m);
      if (kind === 'liar') assert.doesNotMatch(outcome.text, /with: sysctl.*touch/);
    });
  }
});
