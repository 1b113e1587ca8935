import type { TruthCase } from './checks.js';
import type { ObservedRun } from './observedRun.js';

type Counter = keyof NonNullable<ObservedRun['readings'][number]['tcp']>;

const valuesOf = (readings: ObservedRun['readings'], counter: Counter) => readings.flatMap(({ tcp }) => tcp?.[counter] ?? []);

/** Growth of a counter since the workers started: a run's own check of connection tracking opens one before. */
function growthOf(run: ObservedRun, counter: Counter): number | undefined {
  const before = valuesOf(
    run.readings.filter(({ phase }) => phase === 'starting'),
    counter,
  ).at(-1);
  return before === undefined ? undefined : Math.max(...valuesOf(run.readings, counter)) - before;
}

/** What was established, beside the kernel's own counters of the run's network namespace. */
const established = (run: ObservedRun) => [
  {
    figure: 'established.client',
    source: 'ActiveOpens of the namespace',
    reported: run.summary?.established.client,
    independent: growthOf(run, 'activeOpens'),
    boundPercent: 0,
  },
  {
    figure: 'established.server',
    source: 'PassiveOpens of the namespace',
    reported: run.summary?.established.server,
    independent: growthOf(run, 'passiveOpens'),
    boundPercent: 0,
  },
  {
    figure: 'established, both',
    source: 'most of CurrEstab at 10 Hz',
    reported: (run.summary?.established.client ?? 0) + (run.summary?.established.server ?? 0),
    independent: Math.max(0, ...valuesOf(run.readings, 'established')),
    boundPercent: 0,
  },
];

export const countCases: readonly TruthCase[] = [
  { name: 'TCP 3k', quick: true, args: ['--connections', '3000', '--hold', '2s'], checks: established },
  { name: 'WebSocket 3k', quick: true, args: ['--connections', '3000', '--protocol', 'websocket', '--hold', '2s'], checks: established },
];
