import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import type { Check, TruthCase } from './checks.js';
import type { ObservedRun } from './observedRun.js';

const support = join(import.meta.dirname, '..', 'host', 'support');
export const faultServer = (fault: string) => ['--engine', 'command', '--command', `FAULT=${fault} ${process.execPath} ${join(support, 'faultServer.mjs')}`];

/** Each planned message is accounted for and in the histogram once, whatever became of it. */
export function accounts(run: ObservedRun): Check[] {
  const { messages, latency, byProtocol } = run.summary ?? {};
  const sum = (part: { total: number; unanswered?: number | undefined; lost: number } | undefined) =>
    part?.unanswered === undefined ? undefined : part.total + part.unanswered + part.lost;
  const source = 'echoed + unanswered + lost';
  return [
    { figure: 'messages.planned', source, reported: messages?.planned, independent: sum(messages), boundPercent: 0 },
    ...Object.entries(byProtocol ?? {}).flatMap(([protocol, part]) =>
      part.messages === undefined
        ? []
        : [{ figure: `messages.planned, ${protocol}`, source, reported: part.messages.planned, independent: sum(part.messages), boundPercent: 0 }],
    ),
    { figure: 'latency.count', source: 'messages.planned', reported: latency?.count, independent: messages?.planned, boundPercent: 0 },
    {
      figure: 'latency.unanswered',
      source: 'unanswered + lost',
      reported: latency?.unanswered,
      independent: messages?.unanswered === undefined ? undefined : messages.unanswered + messages.lost,
      boundPercent: 0,
    },
  ];
}

const seconds = (run: ObservedRun, phase: string) => {
  const times = run.readings.filter((reading) => reading.phase === phase).map(({ atMs }) => atMs);
  return (Math.max(...times) - Math.min(...times)) / 1_000;
};

/** A server that answers every second connection only: the others' messages are as old as the run when it ends. */
function halfAnswered(run: ObservedRun): Check[] {
  const { messages, latency, exitCode } = run.summary ?? {};
  const source = 'every second connection is silent';
  return [
    ...accounts(run),
    { figure: 'messages.unanswered', source, reported: messages?.unanswered, independent: (messages?.planned ?? 0) / 2, boundPercent: 2 },
    { figure: 'latency.max', source: 'length of the hold', reported: (latency?.max ?? 0) / 1_000, independent: seconds(run, 'holding'), boundPercent: 35 },
    { figure: 'exit code', source: 'threshold messages.unanswered==0', reported: exitCode, independent: 99, boundPercent: 0 },
  ];
}

/** Stops the workers of a role while it holds, and lets them go on, or ends them, later. */
function disturb(role: 'server' | 'client', signals: readonly { signal: NodeJS.Signals; afterMs: number }[]): NonNullable<TruthCase['onReading']> {
  let isBegun = false;
  return (run, { phase }) => {
    if (phase !== 'holding' || isBegun) return;
    isBegun = true;
    const victim = run.workers.find((worker) => worker.role === role)!.pid;
    void (async () => {
      for (const { signal, afterMs } of signals) {
        await sleep(afterMs);
        try {
          process.kill(victim, signal);
        } catch {
          // The run has ended it already.
        }
      }
    })();
  };
}

/** Connections per second of the kernel over the time of each sample, for samples inside the ramp. */
function rates(run: ObservedRun): Check[] {
  const { readings } = run;
  const at = (atMs: number) => {
    const after = readings.findIndex((reading) => reading.atMs >= atMs);
    const [one, two] = [readings[after - 1], readings[after]];
    if (one?.tcp === undefined || two?.tcp === undefined) return undefined;
    return one.tcp.activeOpens + ((two.tcp.activeOpens - one.tcp.activeOpens) * (atMs - one.atMs)) / (two.atMs - one.atMs);
  };
  // Both clocks are the machine's; what an event takes to arrive is never negative.
  const offset = Math.min(...run.events.map(({ atMs, event }) => atMs - event.t));
  const samples = run.events
    .filter(({ event }) => event.type === 'sample' && event.phase === 'ramping')
    .map(({ event }) => ({ event, atMs: event.t + offset }));
  return samples.slice(2).flatMap(({ atMs, event }, index) => {
    const before = samples[index + 1]!;
    const [one, two] = [at(before.atMs), at(atMs)];
    if (event.type !== 'sample' || one === undefined || two === undefined || atMs - before.atMs < 500) return [];
    const independent = ((two - one) * 1_000) / (atMs - before.atMs);
    return [{ figure: `connectRate, interval ${index + 1}`, source: 'ActiveOpens at 10 Hz', reported: event.connectRate, independent, boundPercent: 3 }];
  });
}

/** The whole ramp, from the last reading before its first connection to the first reading with its last one. */
function meanRate(run: ObservedRun): Check {
  const readings = run.readings.flatMap(({ atMs, tcp, phase }) => (tcp === undefined || phase === 'probing' ? [] : [{ atMs, opens: tcp.activeOpens }]));
  const last = Math.max(...readings.map(({ opens }) => opens));
  const first = run.readings.findLast(({ phase }) => phase === 'starting')?.tcp?.activeOpens ?? Number.NaN;
  const beganAt = readings.findLast(({ opens }) => opens <= first)?.atMs ?? Number.NaN;
  const endedAt = readings.find(({ opens }) => opens >= last)?.atMs ?? Number.NaN;
  return {
    figure: 'connectRate.mean',
    source: 'ActiveOpens at 10 Hz, so two readings early and late',
    reported: run.summary?.connectRate.mean,
    independent: ((last - first) * 1_000) / (endedAt - beganAt),
    // A tenth of a second at both ends of a ramp of three seconds.
    boundPercent: 7,
  };
}

/** CPU time of all workers over the ramp, by the kernel's own ticks. */
function cpu(run: ObservedRun): Check {
  const total = ({ cpuSeconds }: ObservedRun['readings'][number]) => cpuSeconds.server + cpuSeconds.client;
  const before = run.readings.findLast(({ phase }) => phase === 'starting');
  const after = run.readings.find(({ phase }) => phase === 'holding');
  const used = before === undefined || after === undefined ? undefined : total(after) - total(before);
  return {
    figure: 'CPU per connection, µs',
    source: 'utime + stime of the workers',
    reported: run.summary?.cpuMicrosecondsPerConnection,
    independent: used === undefined ? undefined : (used * 1e6) / (run.summary?.established.client ?? Number.NaN),
    boundPercent: 5,
  };
}

/** Connections that were ever opened in the run's namespace since its workers started. */
function opensOf({ readings }: ObservedRun): number | undefined {
  const before = readings.findLast(({ phase }) => phase === 'starting')?.tcp?.activeOpens;
  return before === undefined ? undefined : Math.max(...readings.map(({ tcp }) => tcp?.activeOpens ?? 0)) - before;
}

/** A control group with so much memory, of version 1 or 2. */
function groupOf(megabytes: number): { enter: readonly string[]; remove: () => void } {
  const isFirst = existsSync('/sys/fs/cgroup/memory');
  const path = `/sys/fs/cgroup/${isFirst ? 'memory/' : ''}c10m-truth-${process.pid}-${megabytes}`;
  const script = `mkdir -p ${path} && echo ${megabytes}000000 > ${path}/${isFirst ? 'memory.limit_in_bytes' : 'memory.max'} && echo $$ > ${path}/cgroup.procs && exec "$@"`;
  // The last process may need a moment to leave.
  const remove = `for try in $(seq 50); do rmdir ${path} && break; sleep 0.1; done`;
  return { enter: ['sh', '-c', script, 'sh'], remove: () => spawnSync('sh', ['-c', remove], { stdio: 'ignore' }) };
}

function ceilingCase(megabytes: number): TruthCase {
  const group = groupOf(megabytes);
  return {
    name: `a ceiling in a control group of ${megabytes} MB`,
    quick: false,
    args: ['--connections', 'max', '--hold', '2s'],
    through: group.enter,
    beside: () => Promise.resolve(group.remove),
    checks: (run) => [
      ...(['client', 'server'] as const).map((side) => ({
        figure: `established.${side}`,
        source: 'most of ActiveOpens at 10 Hz',
        reported: run.summary?.established[side],
        independent: opensOf(run),
        boundPercent: 1,
      })),
      { figure: 'lost', source: 'a guard closes none', reported: run.summary?.lost, independent: 0, boundPercent: 0 },
      { figure: 'target', source: 'what is open', reported: run.summary?.target, independent: run.summary?.established.client, boundPercent: 0 },
    ],
  };
}

const traffic = (more: readonly string[]) => ['--traffic', '64/1s', '--hold', '6s', ...more];
const isAnswered = ['--threshold', 'messages.unanswered==0'];

export const liveCases: readonly TruthCase[] = [
  {
    name: 'half-echo TCP',
    quick: true,
    args: ['--connections', '400', '--ports', '1', ...faultServer('halfEcho'), ...traffic(isAnswered)],
    checks: halfAnswered,
  },
  {
    name: 'half-echo WebSocket',
    quick: false,
    args: ['--connections', '400', '--ports', '1', '--protocol', 'websocket', ...faultServer('halfEcho'), ...traffic(isAnswered)],
    checks: halfAnswered,
  },
  {
    name: 'half-echo, a burst',
    quick: false,
    args: ['--connections', '400', '--ports', '1', '--protocol', 'both', ...faultServer('halfEcho'), '--hold', '12s', '--orders', ...isAnswered],
    input: 'wait holding\nburst 5 64\n',
    checks: (run) => [
      ...accounts(run),
      { figure: 'messages.planned', source: '5 over each of 400', reported: run.summary?.messages?.planned, independent: 2_000, boundPercent: 0 },
      {
        figure: 'messages.unanswered',
        source: 'every second connection is silent',
        reported: run.summary?.messages?.unanswered,
        independent: 1_000,
        boundPercent: 0,
      },
      {
        figure: 'latency.max, s',
        source: 'a burst is given up after 10 s',
        reported: (run.summary?.latency?.max ?? 0) / 1_000,
        independent: 10,
        boundPercent: 5,
      },
      { figure: 'exit code', source: 'threshold messages.unanswered==0', reported: run.summary?.exitCode, independent: 99, boundPercent: 0 },
    ],
  },
  {
    name: 'healthy, both protocols',
    quick: true,
    args: ['--connections', '400', '--protocol', 'both', '--traffic', '64/0.5s', '--hold', '3s', ...isAnswered],
    checks: (run) => [
      ...accounts(run),
      { figure: 'messages.unanswered', source: 'a server that echoes all', reported: run.summary?.messages?.unanswered, independent: 0, boundPercent: 0 },
      { figure: 'exit code', source: 'the threshold holds', reported: run.summary?.exitCode, independent: 0, boundPercent: 0 },
    ],
  },
  {
    name: 'server that stands still and dies',
    quick: false,
    args: ['--connections', '2000', ...traffic([])],
    onReading: disturb('server', [
      { signal: 'SIGSTOP', afterMs: 500 },
      { signal: 'SIGKILL', afterMs: 3_000 },
    ]),
    checks: (run) => [
      ...accounts(run),
      {
        figure: 'workers marked as stale',
        source: 'it stands still for 3 s',
        reported: new Set(run.samples.flatMap(({ staleWorkers }) => staleWorkers ?? [])).size,
        independent: 1,
        boundPercent: 0,
      },
      {
        figure: 'events of a stale worker',
        source: 'it stands still for 3 s',
        reported: run.events.filter(({ event }) => event.type === 'log' && event.text.includes('has not reported its counts')).length,
        independent: 1,
        boundPercent: 0,
      },
      {
        figure: 'messages.lost',
        source: 'three planned messages of its 1,000 connections',
        reported: run.summary?.messages?.lost,
        independent: 3_000,
        boundPercent: 40,
      },
    ],
  },
  {
    name: 'client worker killed',
    quick: true,
    args: ['--connections', '4000', '--hold', '20s'],
    onReading: disturb('client', [{ signal: 'SIGKILL', afterMs: 1_500 }]),
    checks: (run) => [
      {
        figure: 'lost',
        source: 'what the killed worker held',
        reported: run.summary?.lost,
        independent: run.plan?.clientWorkers[0]?.connections,
        boundPercent: 0,
      },
      { figure: 'exit code', source: 'a worker died', reported: run.summary?.exitCode, independent: 70, boundPercent: 0 },
    ],
  },
  {
    name: 'server that accepts 50',
    quick: true,
    args: ['--connections', '400', '--ports', '1', '--engine', 'command', '--command', `python3 ${join(support, 'acceptSome.py')} 50`, '--hold', '1s'],
    checks: (run) => [
      { figure: 'established.server', source: 'it accepts 50', reported: run.summary?.established.server, independent: 50, boundPercent: 0 },
      { figure: 'exit code', source: 'target not reached', reported: run.summary?.exitCode, independent: 98, boundPercent: 0 },
      {
        figure: 'wall serverStopped',
        source: 'its queue is never emptied',
        reported: run.summary?.walls.filter(({ id }) => id === 'serverStopped').length,
        independent: 1,
        boundPercent: 0,
      },
    ],
  },
  {
    name: 'rates of a ramp at full speed',
    quick: false,
    args: ['--connections', '300000', '--hold', '1s'],
    checks: (run) => [...rates(run), meanRate(run)],
  },
  ...[300, 450, 900].map(ceilingCase),
  {
    name: 'rates of a ramp',
    quick: false,
    args: ['--connections', '80000', '--rate', '10000', '--hold', '1s'],
    checks: (run) => [
      ...rates(run),
      meanRate(run),
      { figure: 'connectRate.p50', source: 'as asked for', reported: run.summary?.connectRate.p50, independent: 10_000, boundPercent: 3 },
    ],
  },
  ...[20_000, 100_000, 190_000].map((connections): TruthCase => ({
    name: `CPU of ${connections}`,
    quick: false,
    args: ['--connections', String(connections), '--hold', '2s'],
    checks: (run) => [cpu(run)],
  })),
];
