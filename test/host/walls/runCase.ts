import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { runEventSchema, type RunEvent } from '../../../src/protocol/events.js';
import type { Plan } from '../../../src/protocol/plan.js';
import { restoreKey, run, type Stage, type WallCase } from './cases.js';

export const cli = join(import.meta.dirname, '..', '..', '..', 'dist', 'cli.js');
/** A case takes 3 to 40 s on two quiet cores. */
export const caseTimeoutMs = 100_000;
const namespacePrefix = 'c10m-wall-';

export interface Outcome {
  events: RunEvent[];
  plan: Plan | undefined;
  code: number | null;
  stderr: string;
  seconds: number;
}

/** What must be undone should this process be ended in the middle of a case. */
const unfinished = new Set<() => void>();

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
process.once('exit', () => {
  for (const undo of unfinished) undo();
});

/** What matrices that were killed left behind. */
export function removeLeftovers(): void {
  restoreKey();
  const names = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  for (const name of names.filter((one) => one.startsWith(namespacePrefix))) {
    if (!existsSync(`/proc/${name.split('-')[2]}`)) run('ip', ['netns', 'delete', name]);
  }
}

let number = 0;

/** Puts the wall up, runs the command line against it and takes everything down again, also when `judge` throws or the process is ended. */
export async function inStage(wallCase: WallCase, judge: (outcome: Outcome) => void): Promise<void> {
  const stage: Stage = { namespace: `${namespacePrefix}${process.pid}-${++number}`, cleanUps: [] };
  const undo = () => {
    for (const cleanUp of stage.cleanUps.splice(0).reverse()) {
      try {
        cleanUp();
      } catch (error) {
        console.error(error);
      }
    }
  };
  unfinished.add(undo);
  try {
    const home = mkdtempSync(join(tmpdir(), 'c10m-walls-'));
    chmodSync(home, 0o777);
    stage.cleanUps.push(() => rmSync(home, { recursive: true, force: true }));
    if (wallCase.isGlobal !== true) {
      run('ip', ['netns', 'add', stage.namespace]);
      stage.cleanUps.push(() => run('ip', ['netns', 'delete', stage.namespace]));
      run('ip', ['-n', stage.namespace, 'link', 'set', 'lo', 'up']);
    }
    judge(await runCommand(wallCase, stage, home));
  } finally {
    undo();
    unfinished.delete(undo);
  }
}

/** Runs the command line inside the namespace of the case, with a state directory of its own. */
function runCommand(wallCase: WallCase, stage: Stage, home: string): Promise<Outcome> {
  const before = wallCase.prepare?.(stage) ?? [];
  const enter = wallCase.isGlobal === true ? [] : ['nsenter', `--net=/run/netns/${stage.namespace}`];
  const words = [...enter, ...before, process.execPath, wallCase.cli ?? cli, 'run', '--json', '--runs', join(home, 'runs'), ...wallCase.args];
  const beganAt = performance.now();
  return new Promise((resolve) => {
    const environment = { ...process.env, HOME: home, C10M_STATE_DIRECTORY: join(home, 'state'), TMPDIR: home };
    const child = spawn(words[0]!, words.slice(1), { env: environment, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    // Ended in the middle, the run drains by itself: it hears of the end of its command line.
    stage.cleanUps.push(() => child.kill('SIGTERM'));
    const timer = setTimeout(() => child.kill('SIGTERM'), wallCase.timeoutMs ?? caseTimeoutMs);
    const outcome: Outcome = { events: [], plan: undefined, code: null, stderr: '', seconds: 0 };
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
      const { C10M_WALLS_EVENTS: keep } = process.env;
      if (keep !== undefined) writeFileSync(join(keep, `${wallCase.wall}.ndjson`), outcome.events.map((event) => `${JSON.stringify(event)}\n`).join(''));
      resolve({ ...outcome, code, seconds: (performance.now() - beganAt) / 1_000 });
    });
  });
}
