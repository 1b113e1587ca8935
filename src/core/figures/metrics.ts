import type { Sample } from '../../protocol/events.js';
import { formatBytes, formatCount, formatKilobytesPerEnd, formatRate } from '../units.js';

/** A figure of a sample: one list for the dashboard, the terminal, CSV and OpenMetrics. Adding one touches this list only. */
export interface Metric {
  id: string;
  title: string;
  /** For machines: connections, connections/s, bytes, cores, ms, messages/s, bytes/s. */
  unit: string;
  /** counter: only grows during a run. */
  kind: 'gauge' | 'counter';
  value(sample: Sample): number | null;
  format(value: number): string;
}

const sumOf = (sample: Sample, key: 'messagesPerSecond' | 'bytesPerSecond') => (sample.byProtocol.tcp?.[key] ?? 0) + (sample.byProtocol.websocket?.[key] ?? 0);
const cores = (value: number) => `${value.toFixed(2)} cores`;
const microseconds = (value: number) => `${value.toFixed(0)} µs`;
const milliseconds = (value: number) => `${value.toFixed(1)} ms`;

export const metrics: readonly Metric[] = [
  {
    id: 'establishedServer',
    kind: 'gauge',
    title: 'Established (server)',
    unit: 'connections',
    value: (sample) => sample.established.server,
    format: formatCount,
  },
  {
    id: 'establishedClient',
    kind: 'gauge',
    title: 'Established (client)',
    unit: 'connections',
    value: (sample) => sample.established.client,
    format: formatCount,
  },
  { id: 'connecting', kind: 'gauge', title: 'Connecting', unit: 'connections', value: (sample) => sample.connecting, format: formatCount },
  { id: 'connectRate', kind: 'gauge', title: 'Connect rate', unit: 'connections/s', value: (sample) => sample.connectRate, format: formatRate },
  { id: 'failed', kind: 'counter', title: 'Failed', unit: 'connections', value: (sample) => sample.failed.total, format: formatCount },
  { id: 'lost', kind: 'counter', title: 'Lost', unit: 'connections', value: (sample) => sample.lost, format: formatCount },
  { id: 'bytesPerEnd', kind: 'gauge', title: 'Bytes per end', unit: 'bytes', value: (sample) => sample.ledger.bytesPerEnd, format: formatKilobytesPerEnd },
  { id: 'ledgerBytes', kind: 'gauge', title: 'Memory of the run', unit: 'bytes', value: (sample) => sample.ledger.explainedBytes, format: formatBytes },
  { id: 'availableBytes', kind: 'gauge', title: 'Memory available', unit: 'bytes', value: (sample) => sample.memory.availableBytes, format: formatBytes },
  { id: 'cpuServer', kind: 'gauge', title: 'CPU server workers', unit: 'cores', value: (sample) => sample.cpu.server, format: cores },
  { id: 'cpuClient', kind: 'gauge', title: 'CPU client workers', unit: 'cores', value: (sample) => sample.cpu.client, format: cores },
  { id: 'cpuHost', kind: 'gauge', title: 'CPU whole host', unit: 'cores', value: (sample) => sample.cpu.host, format: cores },
  { id: 'messagesPerSecond', kind: 'gauge', title: 'Messages', unit: 'messages/s', value: (sample) => sumOf(sample, 'messagesPerSecond'), format: formatRate },
  {
    id: 'bytesPerSecond',
    kind: 'gauge',
    title: 'Echoed bytes',
    unit: 'bytes/s',
    value: (sample) => sumOf(sample, 'bytesPerSecond'),
    format: (value) => `${formatBytes(value)}/s`,
  },
  { id: 'tlsRate', kind: 'gauge', title: 'TLS handshakes', unit: 'handshakes/s', value: (sample) => sample.tls?.rate ?? null, format: formatRate },
  {
    id: 'tlsHandshakes',
    kind: 'counter',
    title: 'TLS handshakes so far',
    unit: 'handshakes',
    value: (sample) => sample.tls?.handshakes.client ?? null,
    format: formatCount,
  },
  {
    id: 'tlsCpuServer',
    kind: 'gauge',
    title: 'CPU per TLS handshake (server)',
    unit: 'microseconds',
    value: (sample) => sample.tls?.cpuMicroseconds.server ?? null,
    format: microseconds,
  },
  {
    id: 'tlsCpuClient',
    kind: 'gauge',
    title: 'CPU per TLS handshake (client)',
    unit: 'microseconds',
    value: (sample) => sample.tls?.cpuMicroseconds.client ?? null,
    format: microseconds,
  },
  { id: 'tlsLatencyP50', kind: 'gauge', title: 'TLS handshake p50', unit: 'ms', value: (sample) => sample.tls?.latency?.p50 ?? null, format: milliseconds },
  { id: 'tlsLatencyP99', kind: 'gauge', title: 'TLS handshake p99', unit: 'ms', value: (sample) => sample.tls?.latency?.p99 ?? null, format: milliseconds },
  { id: 'latencyP50', kind: 'gauge', title: 'Latency p50', unit: 'ms', value: (sample) => sample.latency?.p50 ?? null, format: milliseconds },
  { id: 'latencyP99', kind: 'gauge', title: 'Latency p99', unit: 'ms', value: (sample) => sample.latency?.p99 ?? null, format: milliseconds },
];
