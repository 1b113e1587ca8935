import { bytesPerEndIn2014 } from '../plan/costs.js';
import { verificationText } from '../plan/tlsPlan.js';
import type { Sample, Summary, Wall } from '../../protocol/events.js';
import type { Plan } from '../../protocol/plan.js';
import type { RunSpec } from '../../protocol/spec.js';
import { text } from '../texts.js';
import { formatCount, formatDuration, formatKilobytesPerEnd, formatRate } from '../units.js';

/** How a protocol is called: `TCP`, `WebSocket`, or both of them. */
export function protocolTitle(protocol: string): string {
  return { tcp: 'TCP', websocket: 'WebSocket' }[protocol] ?? text('TCP and WebSocket');
}

/** `none`, or how many by errno. */
export function failedText(failed: { total: number; byErrno: Record<string, number> }): string {
  if (failed.total === 0) return 'none';
  const parts = Object.entries(failed.byErrno).map(([errno, count]) => `${errno} ${formatCount(count)}`);
  return `${formatCount(failed.total)} (${parts.join(', ')})`;
}

/** The bytes per end of 2014 for a protocol, or for both. */
export function bytesPerEndIn2014Text(protocol: 'tcp' | 'websocket' | 'both'): string {
  const { tcp, websocket } = bytesPerEndIn2014;
  return protocol === 'both' ? `${formatKilobytesPerEnd(tcp)} and ${formatKilobytesPerEnd(websocket)}` : formatKilobytesPerEnd(bytesPerEndIn2014[protocol]);
}

/** One protocol's part of a run of both: its counts and bytes per end. */
export function protocolPartText(part: { server: number; client: number; bytesPerEnd?: number | null | undefined }): string {
  return `${formatCount(part.server)} on the server, ${formatCount(part.client)} on the client, ${formatKilobytesPerEnd(part.bytesPerEnd ?? null)} per end`;
}

/** Mean, median and maximum over the ramp; a dash where there were too few intervals to say. */
export function connectRateText({ connectRate: { mean, p50, max }, rampSeconds }: Pick<Summary, 'connectRate' | 'rampSeconds'>): string {
  const rate = (value: number | null) => (value === null ? '–' : formatRate(value));
  return `${formatRate(mean)} mean, ${rate(p50)} median, ${rate(max)} maximum over ${formatDuration(rampSeconds)}`;
}

/** What became of the messages that were planned. */
export function messagesText({ planned, total, unanswered, lost, perSecondMaximum }: NonNullable<Summary['messages']>): string {
  const count = (value: number) => (value === 0 ? 'none' : formatCount(value));
  const known = planned === undefined || unanswered === undefined ? '' : ` of ${formatCount(planned)} planned, ${count(unanswered)} unanswered`;
  return `${formatCount(total)} echoed${known}, ${count(lost)} lost, ${formatRate(perSecondMaximum)} at most`;
}

/** Percentiles, and how many messages are in them with their age because no echo came. */
export function latencyText({ p50, p99, p999, max, unanswered = 0 }: NonNullable<Summary['latency']>): string {
  const without = unanswered === 0 ? '' : `; ${formatCount(unanswered)} without an echo count with their age`;
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, p99.9 ${p999.toFixed(1)} ms, max ${max.toFixed(1)} ms${without}`;
}

/** Messages of all protocols of a sample that have no echo. */
export function withoutEcho({ byProtocol: { tcp, websocket } }: Pick<Sample, 'byProtocol'>): { unanswered: number; lost: number } {
  const sum = (key: 'unanswered' | 'lost') => (tcp?.messages?.[key] ?? 0) + (websocket?.messages?.[key] ?? 0);
  return { unanswered: sum('unanswered'), lost: sum('lost') };
}

/** What came of TLS: what was negotiated, how many handshakes and at what price, and by what the certificate was verified; undefined without TLS. */
export function tlsText({ tls, rampSeconds }: Pick<Summary, 'tls' | 'rampSeconds'>, plan: Pick<Plan, 'tls'> | undefined): string | undefined {
  if (tls === undefined) return undefined;
  const { handshakes, resumed, cpuMicroseconds, latency, negotiated } = tls;
  const cpu = (['server', 'client'] as const).flatMap((side) =>
    cpuMicroseconds[side] === null ? [] : [`${formatCount(Math.round(cpuMicroseconds[side]))} µs on the ${side}`],
  );
  const parts = [
    ...(negotiated === undefined ? [] : [negotiated]),
    `${formatCount(handshakes.client)} handshakes (${resumed === 0 ? 'none' : formatCount(resumed)} resumed)${rampSeconds > 0 ? `, ${formatRate(handshakes.client / rampSeconds)}` : ''}`,
    ...(cpu.length === 0 ? [] : [`CPU each ${cpu.join(', ')}`]),
    ...(latency === undefined ? [] : [`p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`]),
    ...(plan?.tls === undefined ? [] : [verificationText(plan.tls.verification), ...(plan.tls.park ? ['clients parked'] : [])]),
  ];
  return parts.join('; ');
}

/** A wall in one line: what stopped the run, at how many connections, how that was seen, and what moves it. */
export function wallText({ title, at, evidence, remedy }: Wall): string {
  return `${title} at ${formatCount(at)}: ${evidence}. ${remedy}`;
}

/** What is shown of a run that cannot be saved, or can again. */
export function savingText(unsaved: string | undefined): string {
  return unsaved === undefined
    ? text('The run is saved completely again.')
    : text('The run cannot be saved now: {0}. It goes on; what is missing is written as soon as there is room.', unsaved);
}

/** What bytes are divided by. Without sockets on the clients' side there are only the server's ends, and no pairs. */
export function endName({ client }: Pick<RunSpec, 'client'>): 'end' | 'server end' {
  return client === 'stateless' ? 'server end' : 'end';
}
