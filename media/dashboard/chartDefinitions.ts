import type { SampleColumnStore } from '../../src/core/figures/sampleColumns.js';
import type { TickSteps } from '../../src/core/figures/ticks.js';
import { formatBytes, formatCount, formatRate } from '../../src/core/units.js';
import { ledgerGroups } from './ledgerGroups.js';
import { text } from '../../src/core/texts.js';
import type { ColorName } from './theme.js';

export interface ChartSeries {
  label: string;
  color: ColorName;
  /** Lengths of dashes and gaps in pixels: a series is told apart without its colour. */
  dash?: readonly number[];
  /** A value that changes at a moment, not gradually. */
  stepped?: boolean;
  values(store: SampleColumnStore): Float32Array;
}

export interface ChartDefinition {
  id: string;
  title: string;
  /** One sentence for those who cannot see it. */
  description: string;
  format(value: number): string;
  /** On the axis, where the unit is in the title; absent: as `format`. */
  tick?(value: number): string;
  /** A column for machines, in the CSV: `connections`, `cores`, `bytes`. */
  unit: string;
  series: readonly ChartSeries[];
  /** The series are parts of a whole, the first at the bottom. */
  stacked?: boolean;
  /** Which steps the axis takes; absent: decimal ones. */
  steps?: TickSteps;
  /** Left out while this says so. */
  hidden?(store: SampleColumnStore): boolean;
}

const column = (id: string) => (store: SampleColumnStore) => store.column(id);
const cores = (value: number): string => text('{0} cores', value.toFixed(value < 10 ? 2 : 1));

function isEmpty(values: Float32Array): boolean {
  return values.every((value) => !(value > 0));
}

/** A function, since the texts are known only when the first message came. */
export function chartDefinitions(): readonly ChartDefinition[] {
  return [
    {
      id: 'connections',
      title: text('Connections'),
      description: text('Established connections over time, counted on the server by accepts and on the client by connects.'),
      format: formatCount,
      unit: 'connections',
      steps: 'counts',
      series: [
        { label: text('Server'), color: 'blue', values: column('establishedServer') },
        { label: text('Client'), color: 'green', dash: [6, 4], values: column('establishedClient') },
        { label: text('Target'), color: 'muted', dash: [2, 4], stepped: true, values: column('target') },
      ],
    },
    {
      id: 'rate',
      title: text('Connect rate'),
      description: text('New connections per second, counted on the client.'),
      format: formatRate,
      unit: 'connections/s',
      steps: 'counts',
      series: [{ label: text('Connections per second'), color: 'purple', values: column('connectRate') }],
    },
    {
      id: 'ledger',
      title: text('Memory'),
      description: text('Growth of memory since the baseline, by where it went.'),
      format: formatBytes,
      unit: 'bytes',
      steps: 'bytes',
      stacked: true,
      series: ledgerGroups().map((group) => ({ label: group.label, color: group.color, values: (store) => group.values(store) })),
    },
    {
      id: 'cpu',
      title: text('CPU, in cores'),
      description: text('Cores busy, by role.'),
      format: cores,
      tick: (value) => String(Number(value.toFixed(2))),
      unit: 'cores',
      series: [
        { label: text('Server'), color: 'blue', values: column('cpuServer') },
        { label: text('Client'), color: 'green', dash: [6, 4], values: column('cpuClient') },
        { label: text('Supervisor'), color: 'orange', dash: [2, 3], values: column('cpuSupervisor') },
        { label: text('Whole host'), color: 'muted', dash: [10, 4], values: column('cpuHost') },
      ],
    },
    {
      id: 'failures',
      title: text('Failures'),
      description: text('Connections that failed and connections that were lost, since the run began.'),
      format: formatCount,
      unit: 'connections',
      steps: 'counts',
      series: [
        { label: text('Failed'), color: 'red', stepped: true, values: column('failed') },
        { label: text('Lost'), color: 'orange', dash: [6, 4], stepped: true, values: column('lost') },
      ],
    },
    {
      id: 'traffic',
      title: text('Messages'),
      description: text('Echoed messages per second, counted where they come back.'),
      format: formatCount,
      unit: 'messages/s',
      steps: 'counts',
      series: [{ label: text('Messages per second'), color: 'yellow', values: column('messagesPerSecond') }],
      hidden: (store) => isEmpty(store.column('messagesPerSecond')),
    },
    {
      id: 'latency',
      title: text('Latency'),
      description: text('99th percentile of the echo time, from the planned send time, since the run began.'),
      format: (value) => `${value.toFixed(value < 10 ? 2 : 0)} ms`,
      unit: 'ms',
      series: [{ label: 'p99', color: 'orange', values: column('latencyP99') }],
      hidden: (store) => isEmpty(store.column('latencyP99')),
    },
  ];
}
