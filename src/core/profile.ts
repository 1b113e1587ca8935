import { type ParseError, parseTree, printParseErrorCode, type Node as JsonNode } from 'jsonc-parser';
import * as v from 'valibot';
import { type RunSpec, runSpecSchema } from '../protocol/spec.js';
import type { SpecMember } from '../protocol/specField.js';
import { HumanError } from './errors.js';
import { fieldDescription, withoutMarks } from './fieldTexts.js';
import { issueText } from './issueText.js';
import { fieldTable, type FieldProblem, fullKey, plainInput, type SpecInput, unknownKeys, writtenPath } from './specInput.js';
import { brokenRules, idleFields, idleText } from './specRules.js';

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
  const spec = v.parse(runSpecSchema, plainInput(input).plain);
  // The server is where it is; the run goes there.
  return spec.engine === 'attach' ? { ...spec, isolation: 'host' } : spec;
}

function problemsOf(input: SpecInput): FieldProblem[] {
  const unknown = unknownKeys(input);
  if (unknown.length > 0) return unknown;
  const { plain, problems } = plainInput(input);
  if (problems.length > 0) return problems;
  const result = v.safeParse(runSpecSchema, plain);
  if (result.success) return brokenRules(result.output);
  return result.issues.map((issue) => {
    const path = (issue.path ?? []).map((item) => item.key as string | number);
    return { path, message: issueText(path, issue, path.length > 1 ? issue.input : plain[String(path[0])]) };
  });
}

/** What is wrong with one value as a person types it, for a dialog; undefined when it is right. */
export function fieldProblem(key: keyof RunSpec, written: unknown): string | undefined {
  const problem = problemsOf({ [key]: written }).find(({ path }) => path[0] === key);
  return problem === undefined || problem.remedy === undefined ? problem?.message : `${problem.message} ${problem.remedy}`;
}

/** A profile larger than this is not one. */
export const maximumProfileBytes = 1024 * 1024;

/** A profile's text (JSON with comments and trailing commas) as a spec, or the problems with their places. Never throws for bad text. */
export function parseProfile(text: string): { spec?: RunSpec; problems: ProfileProblem[] } {
  const errors: ParseError[] = [];
  // Some editors write a byte order mark; a space in its place keeps all offsets.
  if (nestingOf(text) > maximumNesting)
    return { problems: [{ message: 'It is nested too deep to be a profile.', offset: 0, length: text.length, severity: 'error' }] };
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
  const placed = (problem: FieldProblem, severity: ProfileProblem['severity']): ProfileProblem => {
    const place = placeOf(tree, problem.path) ?? tree;
    const message = problem.remedy === undefined ? problem.message : `${problem.message} ${problem.remedy}`;
    return { message, offset: place.offset, length: Math.max(1, place.length), severity };
  };
  const wrong = problemsOf(input);
  if (wrong.length > 0) return { problems: wrong.map((problem) => placed(problem, 'error')) };
  const spec = specFromInput(input);
  return {
    spec,
    problems: idleFields(input, spec).map((idle) => placed({ path: [idle.field], message: idleText(idle, writtenPath([idle.field])) }, 'warning')),
  };
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

/** The node of a field: its value where there is one, its key for an unknown field. `path` has full names, the text may have short ones. */
function placeOf(tree: JsonNode, path: readonly (string | number)[]): JsonNode | undefined {
  let node: JsonNode | undefined = tree;
  let members: Readonly<Record<string, SpecMember>> = fieldTable;
  for (const part of path) {
    if (node?.type === 'array') {
      node = node.children?.[Number(part)];
      continue;
    }
    const named: Readonly<Record<string, SpecMember>> = members;
    const property: JsonNode | undefined = node?.children?.find((child) => fullKey(named, String(child.children?.[0]?.value)) === part);
    if (property === undefined) return node;
    const isField = path.length > 1 || Object.hasOwn(fieldTable, part);
    node = isField ? (property.children?.[1] ?? property.children?.[0]) : property.children?.[0];
    members = members[part]?.members ?? {};
  }
  return node;
}

/** The fields of a new profile; those that are only proposed are commented out. */
const exampleFields: readonly [key: keyof RunSpec, use: 'set' | 'proposed'][] = [
  ['connections', 'set'],
  ['protocol', 'set'],
  ['engine', 'set'],
  ['command', 'proposed'],
  ['workingDirectory', 'proposed'],
  ['host', 'set'],
  ['rate', 'proposed'],
  ['holdSeconds', 'set'],
  ['traffic', 'proposed'],
  ['thresholds', 'set'],
];

const exampleValues: Partial<Record<keyof RunSpec, unknown>> = {
  host: 'local',
  engine: 'epoll',
  traffic: { every: '10s', bytes: 64 },
  thresholds: ['failed==0', 'bytesPerEnd<6000'],
};

/** What `C10M: New profile` writes. */
export function exampleProfileText(): string {
  const lines = exampleFields.flatMap(([key, use]) => {
    const about = fieldTable[key]!;
    const entry = `"${about.key ?? key}": ${JSON.stringify(exampleValues[key] ?? about.example ?? about.whenOmitted)}`;
    const isLast = key === exampleFields.at(-1)?.[0];
    return [`  // ${withoutMarks(fieldDescription(about))}`, `  ${use === 'proposed' ? '// ' : ''}${entry}${isLast ? '' : ','}`];
  });
  return `{\n${lines.join('\n')}\n}\n`;
}

/** A spec as a profile that gives the same run again. */
export function profileTextOf(spec: RunSpec): string {
  const defaults = specFromInput({}) as unknown as Record<string, unknown>;
  const differing = Object.entries(spec).filter(
    ([key, value]) => key === 'connections' || key === 'protocol' || key === 'host' || JSON.stringify(value) !== JSON.stringify(defaults[key]),
  );
  return `${JSON.stringify(Object.fromEntries(differing), undefined, 2)}\n`;
}

/** A profile is three levels deep; its parser goes as deep as it is allowed to, and would end in an overflow of the stack. */
const maximumNesting = 64;

/** The deepest that brackets can be nested in a text, whether or not they are in strings. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if ((character === ']' || character === '}') && depth > 0) depth--;
  }
  return deepest;
}
