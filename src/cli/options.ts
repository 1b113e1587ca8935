import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { HumanError, messageOf } from '../core/errors.js';
import { maximumProfileBytes, nearest, parseProfile, profileTextOf, specFromInput, type SpecInput } from '../core/profile.js';
import type { RunSpec } from '../protocol/spec.js';

type OptionsConfig = NonNullable<ParseArgsConfig['options']>;

/** Options that describe a run, for `run` and `check`. */
export const specOptions = {
  host: { type: 'string' },
  'client-host': { type: 'string', multiple: true },
  connections: { type: 'string', short: 'c' },
  protocol: { type: 'string' },
  engine: { type: 'string' },
  command: { type: 'string' },
  directory: { type: 'string' },
  ports: { type: 'string' },
  'first-port': { type: 'string' },
  rate: { type: 'string' },
  hold: { type: 'string' },
  stage: { type: 'string', multiple: true },
  traffic: { type: 'string' },
  'websocket-path': { type: 'string' },
  isolation: { type: 'string' },
  tuning: { type: 'string' },
  'worker-nofile': { type: 'string' },
  threshold: { type: 'string', multiple: true },
  'abort-on-threshold': { type: 'string' },
  lease: { type: 'string' },
  wait: { type: 'boolean' },
  name: { type: 'string' },
} as const satisfies OptionsConfig;

/** Options of how to reach a host and what to print. */
export const hostOptions = {
  runs: { type: 'string' },
  json: { type: 'boolean' },
  'accept-new': { type: 'boolean' },
  sudo: { type: 'string' },
  'provision-node': { type: 'string' },
  verbose: { type: 'boolean', short: 'v' },
} as const satisfies OptionsConfig;

/** parseArgs, with its complaints as one sentence that names the nearest option. */
export function parseOptions<T extends OptionsConfig>(args: string[], options: T, command: string) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const text = messageOf(error);
    // A value such as -5 is taken for an option.
    const dashed = /^Option '([^']+)' argument is ambiguous/.exec(text)?.[1];
    if (dashed !== undefined) {
      const name = Object.entries(options).find(([long, { short }]) => dashed.includes(`--${long}`) || dashed === `-${short ?? ''}`)?.[0] ?? dashed;
      throw new HumanError(`--${name} needs a value, but an option or a negative number follows it.`, {
        code: 'usage',
        remedy: `Help: c10m ${command} --help`,
        cause: error,
      });
    }
    const unknown = /Unknown option '(-+[^']+)'/.exec(text)?.[1];
    const near = unknown === undefined ? undefined : nearest(unknown.replace(/^-+/, ''), Object.keys(options));
    const message = unknown === undefined ? text.split('. ')[0]! : `"${unknown}" is not an option of c10m ${command}`;
    throw new HumanError(`${message.replace(/\.$/, '')}.`, {
      code: 'usage',
      remedy: near === undefined ? `Help: c10m ${command} --help` : `Did you mean --${near}?`,
      cause: error,
    });
  }
}

type SpecValues = {
  [K in keyof typeof specOptions]?: (typeof specOptions)[K] extends { multiple: true }
    ? string[]
    : (typeof specOptions)[K] extends { type: 'boolean' }
      ? boolean
      : string;
};

/** The spec of a profile, changed by the options given. */
export function specFrom(values: SpecValues, profilePath: string | undefined): RunSpec {
  const fromProfile = profilePath === undefined ? {} : (JSON.parse(profileTextOf(readProfile(profilePath))) as SpecInput);
  const isLocal = (values.host ?? fromProfile['host'] ?? 'local') === 'local';
  const given: SpecInput = {
    host: values.host,
    clientHosts: values['client-host'],
    connections: values.connections,
    protocol: values.protocol,
    engine: values.engine,
    command: values.command,
    workingDirectory: values.directory === undefined || !isLocal ? values.directory : resolve(values.directory),
    ports: values.ports,
    firstPort: values['first-port'],
    rate: values.rate,
    holdSeconds: values.hold,
    stages: values.stage?.map(parseStage),
    traffic: values.traffic === undefined ? undefined : parseTraffic(values.traffic),
    websocketPath: values['websocket-path'],
    isolation: values.isolation,
    tuning: values.tuning,
    workerNofile: values['worker-nofile'],
    thresholds: values.threshold,
    abortOnThresholdSeconds: values['abort-on-threshold'],
    leaseSeconds: values.lease,
    waitForHost: values.wait,
    name: values.name,
  };
  const spec = specFromInput({ ...fromProfile, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) });
  if (values.command !== undefined && spec.engine !== 'command')
    throw new HumanError(`--command is given, but the engine is "${spec.engine}": your server would not be started.`, {
      code: 'usage',
      remedy: values.engine === undefined ? 'Add --engine command.' : 'Leave --engine away, or --command.',
    });
  // As in any terminal: what is started on this machine starts in the current directory.
  return spec.engine === 'command' && isLocal ? { workingDirectory: process.cwd(), ...spec } : spec;
}

/** `TO[@RATE][:HOLD]`, such as `50k@10k:30s`. */
function parseStage(text: string): SpecInput {
  const match = /^([^@:]+)(?:@([^:]+))?(?::(.+))?$/.exec(text);
  if (match === null) throw new HumanError(`"${text}" is not a stage.`, { code: 'usage', remedy: 'Write it like 50k@10k:30s (connections, rate, hold).' });
  return { to: match[1], ...(match[2] === undefined ? {} : { rate: match[2] }), ...(match[3] === undefined ? {} : { hold: match[3] }) };
}

/** `BYTES/INTERVAL`, such as `64/10s`. */
function parseTraffic(text: string): SpecInput {
  const match = /^([^/]+)\/(.+)$/.exec(text);
  if (match === null)
    throw new HumanError(`"${text}" is not a traffic.`, { code: 'usage', remedy: 'Write it like 64/10s: 64 bytes over each connection every 10 s.' });
  return { bytes: match[1], every: match[2] };
}

/** Reads a profile; throws a HumanError with the line of its first problem. */
export function readProfile(path: string): RunSpec {
  let text: string;
  try {
    if (statSync(path).size > maximumProfileBytes) throw new Error('it is larger than 1 MiB');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new HumanError(`The profile ${path} cannot be read: ${messageOf(error)}.`, { code: 'usage', cause: error });
  }
  const { spec, problems } = parseProfile(text);
  if (spec !== undefined) return spec;
  const problem = problems[0]!;
  const line = text.slice(0, problem.offset).split('\n').length;
  throw new HumanError(`${path}, line ${line}: ${problem.message}`, { code: 'usage' });
}
