import type { SampleColumnStore } from '../../src/core/figures/sampleColumns.js';
import { formatBytes, formatCount, formatRate } from '../../src/core/units.js';
import { ledgerGroups } from './ledgerGroups.js';
import { text } from '../../src/core/texts.js';
import type { ColorName } from './theme.js';

export interface ChartSeries {
  label: string;
  color: ColorName;
  /** Lengths of dashes and gaps in pixels: a series is told apart without its colour. */
  dash?: readonly number[];
  values(store: SampleColumnStore): Float32Array;
}

export interface ChartDefinition {
  id: string;
  title: string;
  /** One sentence for those who cannot see it. */
  description: string;
  format(value: number): string;
  series: readonly ChartSeries[];
  /** The series are parts of a whole, the first at the bottom. */
  stacked?: boolean;
  /** Which steps the axis takes; absent: decimal ones. */
  steps?: 'counts' | 'bytes';
  /** Left out while this says so. */
  hidden?(store: SampleColumnStore): boolean;
}

const column = (id: string) => (store: SampleColumnStore) => store.column(id);
const cores = (value: number): string => value.toFixed(value < 10 ? 1 : 0);

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
      steps: 'counts',
      series: [
        { label: text('Server'), color: 'blue', values: column('establishedServer') },
        { label: text('Client'), color: 'green', dash: [6, 4], values: column('establishedClient') },
        { label: text('Target'), color: 'muted', dash: [2, 4], values: column('target') },
      ],
    },
    {
      id: 'rate',
      title: text('Connect rate'),
      description: text('New connections per second, counted on the client.'),
      format: formatRate,
      steps: 'counts',
      series: [{ label: text('Connections per second'), color: 'purple', values: column('connectRate') }],
    },
    {
      id: 'ledger',
      title: text('Memory'),
      description: text('Growth of memory since the baseline, by where it went.'),
      format: formatBytes,
      steps: 'bytes',
      stacked: true,
      series: ledgerGroups().map((group) => ({ label: group.label, color: group.color, values: (store) => group.values(store) })),
    },
    {
      id: 'cpu',
      title: text('CPU'),
      description: text('Cores busy, by role.'),
      format: cores,
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
      steps: 'counts',
      series: [
        { label: text('Failed'), color: 'red', values: column('failed') },
        { label: text('Lost'), color: 'orange', dash: [6, 4], values: column('lost') },
      ],
    },
    {
      id: 'traffic',
      title: text('Messages'),
      description: text('Echoed messages per second, counted where they come back.'),
      format: formatCount,
      steps: 'counts',
      series: [{ label: text('Messages per second'), color: 'yellow', values: column('messagesPerSecond') }],
      hidden: (store) => isEmpty(store.column('messagesPerSecond')),
    },
    {
      id: 'latency',
      title: text('Latency'),
      description: text('99th percentile of the echo time, from the planned send time, since the run began.'),
      format: (value) => `${value.toFixed(value < 10 ? 2 : 0)} ms`,
      series: [{ label: 'p99', color: 'orange', values: column('latencyP99') }],
      hidden: (store) => isEmpty(store.column('latencyP99')),
    },
  ];
}
