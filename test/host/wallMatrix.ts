import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { runEventSchema, type RunEvent } from '../../src/protocol/events.js';
import type { Plan } from '../../src/protocol/plan.js';
import * as v from 'valibot';
import { run, type Stage, type WallCase, wallCases } from './walls/cases.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
/** The slowest case ramps for twenty seconds on a busy machine. */
const caseTimeoutMs = 100_000;

function missing(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  if (!existsSync(cli)) return 'dist/cli.js is not built: npm run build';
  return ['/usr/sbin/ip', '/sbin/ip', '/bin/ip'].some((path) => existsSync(path)) ? false : 'needs iproute2';
}

interface Outcome {
  events: RunEvent[];
  plan: Plan | undefined;
  code: number | null;
  stderr: string;
}

const table: string[][] = [['wall', 'how it was put up', 'predicted', 'named', 'evidence']];

/** Runs the command line inside the namespace of the case, with a state directory of its own. */
function runCase(wallCase: WallCase, stage: Stage, home: string): Promise<Outcome> {
  const before = wallCase.prepare?.(stage) ?? [];
  const enter = wallCase.isGlobal === true ? [] : ['nsenter', `--net=/run/netns/${stage.namespace}`];
  const words = [...enter, ...before, process.execPath, cli, 'run', '--json', '--runs', join(home, 'runs'), ...wallCase.args];
  return new Promise((resolve) => {
    const environment = { ...process.env, HOME: home, C10M_STATE_DIRECTORY: join(home, 'state'), TMPDIR: home };
    const child = spawn(words[0]!, words.slice(1), { env: environment, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGTERM'), caseTimeoutMs);
    const outcome: Outcome = { events: [], plan: undefined, code: null, stderr: '' };
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = v.parse(runEventSchema, JSON.parse(line));
        outcome.events.push(event);
        if (event.type === 'plan') outcome.plan ??= event.plan;
        if (event.type === 'wall' && event.wall.id === wallCase.wall && wallCase.stopsWhenNamed === true) child.kill('SIGINT');
        if (event.type === 'phase' && event.phase === 'ramping') wallCase.onRamp?.(stage);
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ ...outcome, code });
    });
  });
}

let number = 0;

async function inStage(wallCase: WallCase, judge: (outcome: Outcome) => void): Promise<void> {
  const stage: Stage = { namespace: `c10m-wall-${process.pid}-${++number}`, cleanUps: [] };
  const home = mkdtempSync(join(tmpdir(), 'c10m-walls-'));
  chmodSync(home, 0o777);
  stage.cleanUps.push(() => rmSync(home, { recursive: true, force: true }));
  try {
    if (wallCase.isGlobal !== true) {
      run('ip', ['netns', 'add', stage.namespace]);
      stage.cleanUps.push(() => run('ip', ['netns', 'delete', stage.namespace]));
      run('ip', ['-n', stage.namespace, 'link', 'set', 'lo', 'up']);
    }
    judge(await runCase(wallCase, stage, home));
  } finally {
    for (const cleanUp of stage.cleanUps.reverse()) cleanUp();
  }
}

function judgeCase(wallCase: WallCase, { events, plan, code, stderr }: Outcome): void {
  const walls = events.flatMap((event) => (event.type === 'wall' ? [event.wall] : []));
  const summary = events.find((event) => event.type === 'summary')?.summary;
  const target = plan?.requested === 'max' || plan === undefined ? Number.POSITIVE_INFINITY : plan.requested;
  const predicted = plan?.walls.find((wall) => wall.id === wallCase.wall && wall.atAfterTuning !== null && wall.atAfterTuning < target);
  const named = walls.find((wall) => wall.id === wallCase.wall);
  const predictedText = predicted === undefined ? (wallCase.isPredictable ? 'NO' : '–') : `at ${predicted.atAfterTuning!.toLocaleString('en-US')}`;
  const namedText = wallCase.wall === 'none' ? (walls.length === 0 ? 'none' : 'WRONG') : named === undefined ? 'NO' : `at ${named.at.toLocaleString('en-US')}`;
  table.push([wallCase.wall, wallCase.title, predictedText, namedText, named?.evidence ?? '']);
  const story = `exit ${code}; walls ${walls.map((wall) => `${wall.id}: ${wall.evidence}`).join(' | ')}; ${summary?.reason ?? ''} ${JSON.stringify(summary?.failed)} ${stderr}`;
  assert.ok(summary !== undefined, story);
  assert.equal(summary.hostRestored, true, story);
  const allowed = new Set([wallCase.wall, ...(wallCase.beside ?? [])]);
  assert.deepEqual(
    walls.map((wall) => wall.id).filter((id) => !allowed.has(id)),
    [],
    `nothing else is blamed: ${story}`,
  );
  if (wallCase.wall === 'none') return;
  assert.ok(named !== undefined, `named during the run: ${story}`);
  assert.ok(named.evidence.length > 10 && named.remedy.length > 10, story);
  if (wallCase.isPredictable) assert.ok(predicted !== undefined, `predicted before it: ${JSON.stringify(plan?.walls)}`);
}

describe('wall matrix', { skip: missing(), concurrency: 1 }, () => {
  for (const wallCase of wallCases) {
    it(`${wallCase.wall}: ${wallCase.title}`, { timeout: caseTimeoutMs + 20_000, skip: wallCase.skip?.() ?? false }, () =>
      inStage(wallCase, (outcome) => judgeCase(wallCase, outcome)),
    );
  }

  after(() => {
    const widths = table[0]!.map((_head, column) => Math.max(...table.map((row) => row[column]!.length)));
    for (const row of table)
      console.log(
        row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd(),
      );
  });
});
