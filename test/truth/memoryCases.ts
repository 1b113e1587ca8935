import { spawn } from 'node:child_process';
import type { Check, TruthCase } from './checks.js';
import type { ObservedRun } from './observedRun.js';

/** Idle programs beside a run that must not change its figures. */
const idleProcesses = 20;
const memoryRun = ['--connections', '20000', '--hold', '3s'];
/** What equal runs reported without them and beside them. One run differs from the next by up to half a percent, so the middle of three counts. */
const bytesPerEnd = { alone: [] as number[], beside: [] as number[] };
const rounds = 3;

const middleOf = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Bytes of so many objects of a slab cache: others may open and close sockets on the same host meanwhile, so its growth proves nothing. */
function objectBytes(run: ObservedRun, cache: string, objects: number): number | undefined {
  const now = run.memory.held.at(-1)?.slabs.get(cache);
  return now === undefined ? undefined : objects * now.bytesEach;
}

/** The objects of an epoll watch: item (128 B), wait queue entry (64 B), list head (16 B). */
const watchBytes = 208;

function ledgerChecks(run: ObservedRun): Check[] {
  const { summary } = run;
  const entries = summary?.ledger?.entries ?? {};
  const ends = (summary?.established.server ?? 0) + (summary?.established.client ?? 0);
  const anonymous = run.memory.held.at(-1)?.workers.reduce((sum, { anonymousBytes }) => sum + anonymousBytes, 0);
  return [
    {
      figure: 'ledger.tcpSock',
      source: 'one object of TCP for each end',
      reported: entries['tcpSock'],
      independent: objectBytes(run, 'TCP', ends),
      boundPercent: 1,
    },
    {
      figure: 'ledger.socketInode',
      source: 'one of sock_inode_cache for each',
      reported: entries['socketInode'],
      independent: objectBytes(run, 'sock_inode_cache', ends),
      boundPercent: 1,
    },
    { figure: 'ledger.epoll', source: '208 B for each end', reported: entries['epoll'], independent: ends * watchBytes, boundPercent: 2 },
    {
      figure: 'ledger, processes',
      source: 'Anonymous of each worker',
      reported: (entries['serverProcesses'] ?? 0) + (entries['clientProcesses'] ?? 0),
      independent: anonymous,
      boundPercent: 3,
    },
    prediction(run),
  ];
}

function prediction(run: ObservedRun): Check {
  return { figure: 'plan.predicted', source: 'bytesPerEnd', reported: run.plan?.predicted.bytesPerEnd, independent: run.summary?.bytesPerEnd, boundPercent: 5 };
}

function startIdleProcesses(): Promise<() => void> {
  const idle = Array.from({ length: idleProcesses }, () => spawn(process.execPath, ['-e', 'setTimeout(() => {}, 100000)'], { stdio: 'ignore' }));
  const end = () => idle.forEach((child) => child.kill('SIGKILL'));
  return new Promise((resolve) => setTimeout(() => resolve(end), 2_000));
}

const predicted = (name: string, ...args: string[]): TruthCase => ({ name, quick: false, args, checks: (run) => [prediction(run)] });

/** Alternating, so that what changes on the machine meanwhile meets both. */
const idleCases = Array.from({ length: rounds }, (_, round): TruthCase[] => [
  {
    name: `memory, TCP 20k, ${round + 1}`,
    quick: false,
    args: memoryRun,
    checks: (run) => {
      bytesPerEnd.alone.push(run.summary?.bytesPerEnd ?? Number.NaN);
      return ledgerChecks(run);
    },
  },
  {
    name: `memory, ${idleProcesses} idle Node processes, ${round + 1}`,
    quick: false,
    args: memoryRun,
    beside: startIdleProcesses,
    checks: (run) => {
      bytesPerEnd.beside.push(run.summary?.bytesPerEnd ?? Number.NaN);
      if (bytesPerEnd.beside.length < rounds) return [];
      const source = `the middle of ${rounds} equal runs without them`;
      return [{ figure: 'bytesPerEnd', source, reported: middleOf(bytesPerEnd.beside), independent: middleOf(bytesPerEnd.alone), boundPercent: 0.5 }];
    },
  },
]).flat();

export const memoryCases: readonly TruthCase[] = [
  ...idleCases,
  predicted('memory, WebSocket', '--connections', '30000', '--protocol', 'websocket', '--hold', '2s'),
  predicted('memory, both', '--connections', '40000', '--protocol', 'both', '--hold', '2s'),
  predicted('memory, node', '--connections', '20000', '--engine', 'node', '--hold', '2s'),
  predicted('memory, node WebSocket', '--connections', '20000', '--engine', 'node', '--protocol', 'websocket', '--hold', '2s'),
  predicted('memory, traffic', '--connections', '30000', '--traffic', '64/10s', '--hold', '5s'),
];
