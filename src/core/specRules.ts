import type { RunSpec } from '../protocol/spec.js';
import { HumanError } from './errors.js';
import { openingOf } from './opening/openings.js';
import { parseThreshold } from './figures/thresholds.js';
import { largestStatelessMessageBytes, lastPort } from './plan/layout.js';
import { fieldTable, type FieldProblem, type SpecInput } from './specInput.js';
import { formatBytes, formatCount } from './units.js';

/** Rules between the fields of a spec, which no schema of one field can say. A new rule is one entry. */
const rules: ((spec: RunSpec) => FieldProblem[])[] = [
  ({ engine, attach }) =>
    engine === 'attach' && attach === undefined
      ? [{ path: ['engine'], message: 'The engine "attach" needs the server that runs already.', remedy: 'Name it with --attach, such as --attach 6379.' }]
      : [],
  ({ engine, clientHosts }) =>
    engine === 'attach' && clientHosts.length > 0
      ? [{ path: ['attach'], message: 'An attached server is loaded from its own host, not from client hosts.', remedy: 'Omit the client hosts.' }]
      : [],
  ({ opening }) => (opening === undefined ? [] : problemOf(() => openingOf(opening), ['opening'])),
  ({ opening, client }) =>
    opening !== undefined && client === 'stateless'
      ? [{ path: ['opening'], message: 'Clients without sockets say nothing first.', remedy: 'Use --client sockets, or omit the opening.' }]
      : [],
  ({ engine, command }) =>
    engine === 'command' && command === undefined
      ? [
          {
            path: ['engine'],
            message: 'The engine "command" needs the command that starts your server.',
            remedy: 'Give it with --command "…" or as "command" in the profile.',
          },
        ]
      : [],
  ({ firstPort, ports }) =>
    firstPort !== undefined && ports !== undefined && firstPort + ports - 1 > lastPort
      ? [
          {
            path: ['firstPort'],
            message: `${formatCount(ports)} ports from ${firstPort} on do not fit below ${lastPort + 1}.`,
            remedy: 'Ask for fewer ports or a lower first port.',
          },
        ]
      : [],
  ({ client, isolation }) =>
    client === 'stateless' && isolation === 'host'
      ? [
          {
            path: ['isolation'],
            message: "A client without sockets needs a network namespace of the run's own.",
            remedy: 'Omit the isolation "host", or use the client "sockets".',
          },
        ]
      : [],
  ({ client, clientHosts }) =>
    client === 'stateless' && clientHosts.length > 0
      ? [
          {
            path: ['clientHosts'],
            message: 'A client without sockets runs on the host of the server.',
            remedy: 'Omit the client hosts, or use the client "sockets".',
          },
        ]
      : [],
  ({ client, traffic }) =>
    client === 'stateless' && traffic !== undefined && traffic.bytes > largestStatelessMessageBytes
      ? [
          {
            path: ['traffic'],
            message: `A client without sockets sends messages of at most ${formatBytes(largestStatelessMessageBytes)}.`,
            remedy: 'Send less at a time, or use the client "sockets".',
          },
        ]
      : [],
  ({ tls }) =>
    tls === undefined || tls.minimumVersion <= tls.maximumVersion
      ? []
      : [{ path: ['tls', 'minimumVersion'], message: `The oldest version of TLS, ${tls.minimumVersion}, is above the newest, ${tls.maximumVersion}.` }],
  ({ tls }) =>
    tls?.insecure === true && tls.ca !== undefined
      ? [
          {
            path: ['tls', 'ca'],
            message: 'A certificate authority has no effect where no certificate is verified.',
            remedy: 'Omit one of tls.ca and tls.insecure.',
          },
        ]
      : [],
  ({ tls }) =>
    (tls?.clientCertificate === undefined) === (tls?.clientKey === undefined)
      ? []
      : [
          {
            path: ['tls', tls?.clientKey === undefined ? 'clientCertificate' : 'clientKey'],
            message: 'A client certificate and its key belong together.',
            remedy: 'Give both tls.clientCertificate and tls.clientKey.',
          },
        ],
  ({ tls, traffic, opening }) =>
    tls?.park === true && (traffic !== undefined || opening !== undefined)
      ? [
          {
            path: ['tls', 'park'],
            message: 'A connection whose TLS session was freed can carry neither traffic nor an opening.',
            remedy: 'Omit tls.park, or the traffic and the opening.',
          },
        ]
      : [],
  ({ tls, client }) =>
    tls !== undefined && client === 'stateless'
      ? [{ path: ['tls'], message: 'A client without sockets does not speak TLS.', remedy: 'Use the client "sockets".' }]
      : [],
  ({ thresholds }) => thresholds.flatMap((text, index) => problemOf(() => parseThreshold(text), ['thresholds', index])),
];

/** The first rule that a spec breaks comes first. */
export function brokenRules(spec: RunSpec): FieldProblem[] {
  return rules.flatMap((rule) => rule(spec));
}

/** A field that was written but changes nothing beside the others, such as a command with another engine. */
export interface IdleField {
  field: string;
  /** The field that would have to be another. */
  other: string;
  /** Its value now, and those with which `field` has an effect; none: any. */
  value: unknown;
  needed: readonly string[];
}

/** Fields among those written that have no effect. */
export function idleFields(written: SpecInput, spec: RunSpec): IdleField[] {
  return Object.entries(fieldTable).flatMap(([field, { only, key }]) => {
    const isWritten = written[field] !== undefined || (key !== undefined && written[key] !== undefined);
    if (only === undefined || !isWritten) return [];
    const value: unknown = spec[only.field as keyof RunSpec];
    const hasEffect = only.values === undefined ? value !== undefined && value !== false : typeof value === 'string' && only.values.includes(value);
    return hasEffect ? [] : [{ field, other: only.field, value, needed: only.values ?? [] }];
  });
}

/** The sentence about it; `name` is how the field is written here. */
export function idleText({ other, value, needed }: IdleField, name: string): string {
  if (needed.length === 0) return `${name} has no effect without ${other}.`;
  return `${name} has no effect: ${other} is ${JSON.stringify(value)}, not ${needed.map((one) => `"${one}"`).join(' or ')}.`;
}

function problemOf(parse: () => unknown, path: FieldProblem['path']): FieldProblem[] {
  try {
    parse();
    return [];
  } catch (error) {
    if (!(error instanceof HumanError)) throw error;
    return [{ path, message: error.message, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) }];
  }
}
