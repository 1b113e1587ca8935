import { fieldProblem, specFromInput } from '../../core/profile.js';
import { runTitle } from '../../core/run/model.js';
import { text } from '../../core/texts.js';
import { formatCount, formatDuration, formatRate, parseCount } from '../../core/units.js';
import type { SpecInput } from '../../core/specInput.js';
import type { RunSpec } from '../../protocol/spec.js';

/** A way to run so many connections, as the start dialog offers it. */
export interface RunPreset {
  id: 'fast' | 'gentle' | 'ceiling' | 'soak';
  label: string;
  detail: string;
  input: SpecInput;
}

/** A gentle ramp takes this long. */
const gentleSeconds = 60;
const soak = { hold: '8h', traffic: '64/60s' };

/** `20000`, `50k 5m`, `max`: connections, and how long to hold them. A string: what is wrong with it. */
export function readAmount(written: string, usualHold: string): { connections: string; hold: string } | string {
  const [connections = '', hold = usualHold, ...more] = written.trim().split(/\s+/);
  if (more.length > 0) return text('Write how many, and for how long: 20000 60s.');
  return fieldProblem('connections', connections) ?? fieldProblem('holdSeconds', hold) ?? { connections, hold };
}

/** What can be done with so many connections; the plain way first. */
export function runPresets({ connections, hold }: { connections: string; hold: string }): RunPreset[] {
  const isCeiling = connections.trim() === 'max';
  const title = isCeiling ? text('As many connections as fit') : text('{0} connections', formatCount(parseCount(connections)));
  const held = formatDuration(specFromInput({ hold }).holdSeconds);
  const fast: RunPreset = { id: 'fast', label: text('{0}, as fast as possible', title), detail: text('then held for {0}', held), input: { connections, hold } };
  const ceiling: RunPreset = {
    id: 'ceiling',
    label: text('Find the ceiling'),
    detail: text('as many as fit, until a wall stops them; held for {0}', held),
    input: { connections: 'max', hold },
  };
  if (isCeiling) return [ceiling];
  const rate = Math.ceil(parseCount(connections) / gentleSeconds);
  return [
    fast,
    {
      id: 'gentle',
      label: text('{0}, gently', title),
      detail: text('{0}, in about a minute; then held for {1}', formatRate(rate), held),
      input: { connections, hold, rate },
    },
    {
      id: 'soak',
      label: text('{0}, as a soak test', title),
      detail: text('held for 8 hours, with a message of 64 bytes over each connection every minute'),
      input: { connections, ...soak },
    },
    ceiling,
  ];
}

/** What kind of connection, as the start dialog offers it. */
export interface ConnectionKind {
  id: string;
  label: string;
  description: string;
  input: SpecInput;
}

export function connectionKinds(): ConnectionKind[] {
  return [
    { id: 'tcp', label: 'TCP', description: text('plain connections'), input: { protocol: 'tcp' } },
    { id: 'websocket', label: 'WebSocket', description: text('with the HTTP upgrade handshake'), input: { protocol: 'websocket' } },
    { id: 'both', label: text('Both'), description: text('half of each'), input: { protocol: 'both' } },
    { id: 'tls', label: text('TCP with TLS'), description: text('a full handshake for each connection'), input: { protocol: 'tcp', tls: true } },
    {
      id: 'wss',
      label: text('WebSocket with TLS (wss)'),
      description: text('a full handshake, then the upgrade'),
      input: { protocol: 'websocket', tls: true },
    },
    {
      id: 'stateless',
      label: text('TCP, a client without sockets'),
      description: text('twice as many fit; figures are of server ends'),
      input: { protocol: 'tcp', client: 'stateless' },
    },
  ];
}

/** The kind of a spec's connections, for the default of the next run. */
export function kindOf({ protocol, client, tls }: Pick<RunSpec, 'protocol' | 'client' | 'tls'>): string {
  if (client === 'stateless') return 'stateless';
  if (tls === undefined) return protocol;
  return protocol === 'websocket' ? 'wss' : 'tls';
}

/** `20000 60s`: how the amount of a run is written. */
export function amountOf({ connections, holdSeconds }: Pick<RunSpec, 'connections' | 'holdSeconds'>): string {
  return `${connections} ${holdSeconds}s`;
}

/** What running a spec once more is called. */
export function repeatText(spec: RunSpec): { label: string; detail: string } {
  const place = spec.host === 'local' ? '' : ` ${text('on {0}', spec.host)}`;
  const rate = spec.rate === undefined ? text('as fast as possible') : formatRate(spec.rate);
  return { label: text('Repeat: {0}', runTitle(spec)) + place, detail: text('{0}, held for {1}', rate, formatDuration(spec.holdSeconds)) };
}
