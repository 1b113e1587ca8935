import { type ParseError, parseTree, printParseErrorCode, type Node as JsonNode } from 'jsonc-parser';
import * as v from 'valibot';
import { type RunSpec, runSpecSchema } from '../protocol/spec.js';
import { HumanError } from './errors.js';
import { parseThreshold } from './figures/thresholds.js';
import { lastPort } from './plan/layout.js';
import { formatCount, formatFigure, parseBytes, parseCount, parseDuration } from './units.js';

/**
 * A spec as people write it: in a profile, on a command line. Counts accept `50k`, durations `30s` (`hold` is short for
 * `holdSeconds`, `lease` for `leaseSeconds`). Everything else is as in RunSpec, and everything but `host` may be left out.
 */
export type SpecInput = Record<string, unknown>;

const countKeys = ['connections', 'ports', 'firstPort', 'rate', 'workerNofile'] as const;
const durationKeys: Record<string, string> = { hold: 'holdSeconds', lease: 'leaseSeconds', abortOnThreshold: 'abortOnThresholdSeconds' };
const secondsKeys = ['holdSeconds', 'leaseSeconds', 'abortOnThresholdSeconds'] as const;
const knownKeys = [...Object.keys(runSpecSchema.entries), ...Object.keys(durationKeys), '$schema'];

/** A problem in a profile's text, in UTF-16 offsets. */
export interface ProfileProblem {
  message: string;
  offset: number;
  length: number;
  severity: 'error' | 'warning';
}

/** The full spec with defaults. Throws a HumanError (usage) that names the field and, for a misspelt key, the nearest one. */
export function specFromInput(input: SpecInput): RunSpec {
  const problems = problemsOf(input);
  const first = problems[0];
  if (first !== undefined) throw new HumanError(first.message, { code: 'usage', remedy: first.remedy });
  return v.parse(runSpecSchema, plainInput(input));
}

interface FieldProblem {
  path: (string | number)[];
  message: string;
  remedy?: string;
}

function problemsOf(input: SpecInput): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const key of Object.keys(input)) {
    if (knownKeys.includes(key)) continue;
    const near = nearest(key, knownKeys);
    problems.push({
      path: [key],
      message: `"${key}" is not a field of a run.`,
      remedy: near === undefined ? `Fields: ${knownKeys.join(', ')}.` : `Did you mean "${near}"?`,
    });
  }
  if (problems.length > 0) return problems;
  let plain: SpecInput;
  try {
    plain = plainInput(input);
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return [{ path: [error.field], message: error.message, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) }];
  }
  const result = v.safeParse(runSpecSchema, plain);
  if (!result.success) {
    for (const issue of result.issues) {
      const path = (issue.path ?? []).map((item) => item.key as string | number);
      problems.push({ path, message: issueText(path, issue, path.length > 1 ? issue.input : plain[String(path[0])]) });
    }
    return problems;
  }
  if (result.output.engine === 'command' && result.output.command === undefined) {
    problems.push({
      path: ['engine'],
      message: 'The engine "command" needs the command that starts your server.',
      remedy: 'Give it with --command "…" or as "command" in the profile.',
    });
  }
  const { firstPort, ports } = result.output;
  if (firstPort !== undefined && ports !== undefined && firstPort + ports - 1 > lastPort) {
    problems.push({
      path: ['firstPort'],
      message: `${formatCount(ports)} ports from ${firstPort} on do not fit below ${lastPort + 1}.`,
      remedy: 'Ask for fewer ports or a lower first port.',
    });
  }
  result.output.thresholds.forEach((text, index) => {
    try {
      parseThreshold(text);
    } catch (error) {
      if (!(error instanceof HumanError)) throw error;
      problems.push({ path: ['thresholds', index], message: error.message, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) });
    }
  });
  return problems;
}

class FieldError extends HumanError {
  constructor(
    readonly field: string,
    cause: HumanError,
  ) {
    super(cause.message, { code: cause.code, remedy: cause.remedy });
  }
}

function inField<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof HumanError) throw new FieldError(field, error);
    throw error;
  }
}

/** Texts such as `50k` and `30s` as numbers, short names as full ones, defaults of the fields that a person need not write. */
function plainInput(input: SpecInput): SpecInput {
  const plain: SpecInput = { version: 1, host: 'local', connections: 10_000, protocol: 'tcp', engine: 'command' in input ? 'command' : 'epoll' };
  for (const [key, value] of Object.entries(input)) if (value !== undefined && key !== '$schema') plain[durationKeys[key] ?? key] = value;
  for (const key of countKeys) {
    const value = plain[key];
    if (typeof value === 'string' && value !== 'max') plain[key] = inField(key, () => parseCount(value, key));
  }
  for (const key of secondsKeys) {
    const value = plain[key];
    if (typeof value === 'string') plain[key] = inField(shortOf(key, input), () => parseDuration(value, shortOf(key, input)));
  }
  if (Array.isArray(plain.stages)) plain.stages = plain.stages.map((stage: unknown) => inField('stages', () => plainStage(stage)));
  if (isObject(plain.traffic)) plain.traffic = inField('traffic', () => plainTraffic(plain.traffic as SpecInput));
  return plain;
}

function shortOf(key: string, input: SpecInput): string {
  return Object.keys(durationKeys).find((short) => durationKeys[short] === key && short in input) ?? key;
}

function plainStage(stage: unknown): unknown {
  if (!isObject(stage)) return stage;
  const { to, rate, hold, ...rest } = stage;
  return {
    ...rest,
    ...(to === undefined ? {} : { to: typeof to === 'string' ? parseCount(to, 'to') : to }),
    ...(rate === undefined ? {} : { rate: typeof rate === 'string' ? parseCount(rate, 'rate') : rate }),
    ...(hold === undefined ? {} : { holdSeconds: parseDuration(hold as string | number, 'hold') }),
  };
}

function plainTraffic(traffic: SpecInput): SpecInput {
  const { every, bytes, ...rest } = traffic;
  return {
    ...rest,
    ...(every === undefined ? {} : { intervalSeconds: parseDuration(every as string | number, 'every') }),
    ...(bytes === undefined ? {} : { bytes: typeof bytes === 'string' ? parseBytes(bytes, 'bytes') : bytes }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields as people write them. */
const writtenAs: Record<string, string> = {
  ...Object.fromEntries(Object.entries(durationKeys).map(([short, full]) => [full, short])),
  intervalSeconds: 'every',
};

function issueText(keys: readonly (string | number)[], issue: v.BaseIssue<unknown>, value: unknown): string {
  const path = keys.map((key) => writtenAs[key] ?? key).join('.');
  const unit = typeof value === 'number' && String(keys.at(-1)).endsWith('Seconds') ? ' s' : '';
  const shown = `${JSON.stringify(value ?? issue.input)}${unit}`;
  if (issue.type === 'picklist') return `${path} is ${shown}, but must be one of: ${(issue.expected ?? '').replaceAll(/[()"]/g, '').replaceAll(' | ', ', ')}.`;
  if (path === 'connections') return `connections is ${shown}, but must be a whole number from 1 to 100,000,000, or "max".`;
  if (issue.type === 'strict_object' && issue.expected === 'never') return `"${path}" is not a field of a run.`;
  if (issue.type === 'strict_object' && issue.expected !== 'Object') return `"${path}" is missing.`;
  const bound = 'requirement' in issue && typeof issue.requirement === 'number' ? `${formatFigure(issue.requirement, 3)}${unit}` : undefined;
  if (bound !== undefined && issue.type === 'min_value') return `${path} is ${shown}, but must be at least ${bound}.`;
  if (bound !== undefined && issue.type === 'max_value') return `${path} is ${shown}, but must be at most ${bound}.`;
  if (issue.type === 'min_length') return `${path} must not be empty.`;
  if (bound !== undefined && issue.type === 'max_length') return `${path} is too long: at most ${bound} are allowed.`;
  if (issue.type === 'integer') return `${path} is ${shown}, but must be a whole number.`;
  if (issue.expected !== null && issue.kind === 'schema') return `${path} is ${shown}, but must be ${kindTitles[issue.expected] ?? issue.expected}.`;
  return `${path} is ${shown}, but ${issue.message}.`;
}

const kindTitles: Record<string, string> = { Array: 'a list', Object: 'an object', boolean: 'true or false', number: 'a number', string: 'a text' };

/** The candidate within two edits, as `conections` for `connections`. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0] !== undefined && ranked[0].distance <= 2 ? ranked[0].candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_value, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** A profile larger than this is not one. */
export const maximumProfileBytes = 1024 * 1024;

/** A profile's text (JSON with comments and trailing commas) as a spec, or the problems with their places. Never throws for bad text. */
export function parseProfile(text: string): { spec?: RunSpec; problems: ProfileProblem[] } {
  const errors: ParseError[] = [];
  // Some editors write a byte order mark; a space in its place keeps all offsets.
  const tree = parseTree(text.replace(/^\ufeff/, ' '), errors, { allowTrailingComma: true });
  const problems: ProfileProblem[] = errors.map((error) => ({
    message: `Not JSON: ${wordsOf(printParseErrorCode(error.error))}.`,
    offset: error.offset,
    length: Math.max(1, error.length),
    severity: 'error',
  }));
  if (problems.length > 0 || tree === undefined)
    return { problems: problems.length > 0 ? problems : [{ message: 'The profile is empty.', offset: 0, length: 1, severity: 'error' }] };
  if (tree.type !== 'object') return { problems: [{ message: 'A profile is a JSON object.', offset: tree.offset, length: tree.length, severity: 'error' }] };
  const input = valueOf(tree) as SpecInput;
  for (const problem of problemsOf(input)) {
    const place = placeOf(tree, problem.path) ?? tree;
    problems.push({
      message: problem.remedy === undefined ? problem.message : `${problem.message} ${problem.remedy}`,
      offset: place.offset,
      length: Math.max(1, place.length),
      severity: 'error',
    });
  }
  return problems.length > 0 ? { problems } : { spec: specFromInput(input), problems };
}

/** `PropertyNameExpected` as `property name expected`. */
function wordsOf(code: string): string {
  return code
    .replaceAll(/([A-Z])/g, ' $1')
    .trim()
    .toLowerCase();
}

function valueOf(node: JsonNode): unknown {
  if (node.type === 'array') return (node.children ?? []).map(valueOf);
  if (node.type !== 'object') return node.value as unknown;
  return Object.fromEntries(
    (node.children ?? []).map((property) => [
      String(property.children?.[0]?.value),
      property.children?.[1] === undefined ? null : valueOf(property.children[1]),
    ]),
  );
}

/** The node of a field: its value where there is one, its key for an unknown field. Short names (`hold`) are found for full ones. */
function placeOf(tree: JsonNode, path: readonly (string | number)[]): JsonNode | undefined {
  let node: JsonNode | undefined = tree;
  for (const part of path) {
    if (node?.type === 'array') {
      node = node.children?.[Number(part)];
      continue;
    }
    const property: JsonNode | undefined = node?.children?.find((child) => {
      const key = String(child.children?.[0]?.value);
      return key === part || durationKeys[key] === part;
    });
    if (property === undefined) return node;
    node = knownKeys.includes(String(part)) || path.length > 1 ? (property.children?.[1] ?? property.children?.[0]) : property.children?.[0];
  }
  return node;
}

/** What `C10M: New profile` writes. */
export function exampleProfileText(): string {
  return `{
  // How many connections, as 5000, 50k, 1M, or "max" to ramp until the first wall.
  "connections": "100k",
  // tcp, websocket, or both (half each).
  "protocol": "tcp",
  // epoll: our own server at the kernel's floor; node: Node's net and the ws package; command: your server.
  "engine": "epoll",
  // "command": "exec ./my-server", // with C10M_ADDRESS, C10M_PORTS and C10M_PROTOCOL in its environment
  // "workingDirectory": "/srv/my-server", // where it starts; left away: here the workspace folder, on other hosts the home directory
  // local, an alias of ~/.ssh/config, or user@name:port.
  "host": "local",
  // Connections per second; leave it away for as fast as possible.
  // "rate": "20k",
  // How long all connections are kept open.
  "hold": "30s",
  // Steady traffic: one message of 64 bytes over each connection every 10 s.
  // "traffic": { "every": "10s", "bytes": 64 },
  // The run fails (exit code 99) unless all of these hold.
  "thresholds": ["failed==0", "bytesPerEnd<6000"]
}
`;
}

/** A spec as a profile that gives the same run again. */
export function profileTextOf(spec: RunSpec): string {
  const defaults = specFromInput({}) as unknown as Record<string, unknown>;
  const differing = Object.entries(spec).filter(
    ([key, value]) => key === 'connections' || key === 'protocol' || key === 'host' || JSON.stringify(value) !== JSON.stringify(defaults[key]),
  );
  return `${JSON.stringify(Object.fromEntries(differing), undefined, 2)}\n`;
}
