import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunEvent, Sample, Summary } from '../../src/protocol/events.js';
import type { Plan } from '../../src/protocol/plan.js';
import * as kernel from './kernel.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
/** The kernel's counters are read this often beside a run. */
const periodMs = 100;
/** Memory is read this often, from the beginning of the hold on: it walks the page tables of all workers. */
const memoryPeriodMs = 500;
/** No run of a check takes longer: one that does is stuck, and is ended. */
const runLimitMs = 120_000;

/** One reading of the kernel beside the run. */
export interface KernelReading {
  /** `performance.now()` of this process. */
  atMs: number;
  phase: string;
  tcp: kernel.TcpCounters | undefined;
  /** CPU time of the workers by role, since they began, in seconds. */
  cpuSeconds: { server: number; client: number };
  loopbackBytes: number | undefined;
}

/** What memory looked like at one moment. */
export interface MemoryReading {
  atMs: number;
  phase: string;
  slabs: ReturnType<typeof kernel.slabs>;
  host: kernel.HostMemory;
  workers: kernel.ProcessMemory[];
}

export interface ObservedWorker {
  role: 'server' | 'client';
  pid: number;
}

/** A real run of the command line, with what the kernel said meanwhile. */
export interface ObservedRun {
  exitCode: number | null;
  stderr: string;
  events: { atMs: number; event: RunEvent }[];
  samples: Sample[];
  plan: Plan | undefined;
  summary: Summary | undefined;
  workers: ObservedWorker[];
  readings: KernelReading[];
  /** The last before the ramp, then those of the hold. */
  memory: { baseline: MemoryReading | undefined; held: MemoryReading[] };
}

export interface RunOptions {
  /** Options of `c10m run`. */
  args: readonly string[];
  /** Words before the command, such as a shell that enters a control group. */
  through?: readonly string[];
  /** Orders, one a line, with `--orders` among the options. */
  input?: string;
  /** Called at each reading, with the processes known by then: to stop a server, say. */
  onReading?: (run: ObservedRun, reading: KernelReading) => void;
}

/** Runs `c10m run --json …` in a home of its own and reads the kernel ten times a second beside it. */
export async function observeRun({ args, through = [], input, onReading }: RunOptions): Promise<ObservedRun> {
  const home = mkdtempSync(join(tmpdir(), 'c10m-truth-'));
  const run: ObservedRun = {
    exitCode: null,
    stderr: '',
    events: [],
    samples: [],
    plan: undefined,
    summary: undefined,
    workers: [],
    readings: [],
    memory: { baseline: undefined, held: [] },
  };
  const [program = '', ...words] = [...through, process.execPath, cli, 'run', '--json', '--runs', join(home, 'runs'), ...args];
  const child = spawn(program, words, {
    env: { ...process.env, HOME: home, C10M_STATE_DIRECTORY: join(home, 'state'), TMPDIR: home },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: runLimitMs,
  });
  child.stdin.end(input ?? '');
  const end = new AbortController();
  const ended = new Promise<void>((resolve) =>
    child.once('close', (code) => {
      run.exitCode = code;
      end.abort();
      resolve();
    }),
  );
  let phase = 'probing';
  let rest = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (run.stderr += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const event = JSON.parse(line) as RunEvent;
      run.events.push({ atMs: performance.now(), event });
      if (event.type === 'phase') phase = event.phase;
      else if (event.type === 'plan') run.plan = event.plan;
      else if (event.type === 'summary') run.summary = event.summary;
      else if (event.type === 'sample') run.samples.push(event);
      else if (event.type === 'worker' && event.state === 'started' && event.role !== 'guardian' && event.pid !== undefined)
        run.workers.push({ role: event.role, pid: event.pid });
    }
  });
  try {
    let memoryAtMs = 0;
    while (!end.signal.aborted) {
      const reading = readKernel(run.workers, phase);
      if (reading !== undefined) run.readings.push(reading);
      if (phase === 'starting') run.memory.baseline = readMemory(run.workers, phase);
      else if (phase === 'holding' && performance.now() - memoryAtMs >= memoryPeriodMs) {
        memoryAtMs = performance.now();
        run.memory.held.push(readMemory(run.workers, phase));
      }
      if (reading !== undefined) onReading?.(run, reading);
      await Promise.race([sleep(periodMs), ended]);
    }
  } finally {
    if (!end.signal.aborted) child.kill('SIGTERM');
    await ended;
    rmSync(home, { recursive: true, force: true });
  }
  return run;
}

function readKernel(workers: readonly ObservedWorker[], phase: string): KernelReading | undefined {
  const inside = workers.find(({ pid }) => kernel.tcpCounters(pid) !== undefined)?.pid;
  if (inside === undefined) return undefined;
  const cpu = (role: 'server' | 'client') =>
    workers
      .filter((worker) => worker.role === role)
      .flatMap(({ pid }) => (role === 'server' ? kernel.familyOf(pid) : [pid]))
      .reduce((sum, pid) => sum + (kernel.cpuSeconds(pid) ?? 0), 0);
  return {
    atMs: performance.now(),
    phase,
    tcp: kernel.tcpCounters(inside),
    cpuSeconds: { server: cpu('server'), client: cpu('client') },
    loopbackBytes: kernel.loopbackBytes(inside),
  };
}

function readMemory(workers: readonly ObservedWorker[], phase: string): MemoryReading {
  return {
    atMs: performance.now(),
    phase,
    slabs: kernel.slabs(),
    host: kernel.hostMemory(),
    workers: workers.flatMap(({ pid }) => kernel.processMemory(pid) ?? []),
  };
}
