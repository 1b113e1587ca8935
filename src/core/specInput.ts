import { NotationError } from '../protocol/notation.js';
import type { SpecField, SpecMember } from '../protocol/specField.js';
import { specFields } from '../protocol/specFields.js';
import { nearest } from './nearest.js';

/**
 * A spec as people write it: in a profile, on a command line. Counts accept `50k`, durations `30s` (`hold` is short for
 * `holdSeconds`, `lease` for `leaseSeconds`). Everything else is as in RunSpec, and everything may be omitted.
 */
export type SpecInput = Record<string, unknown>;

/** A problem of one field. `path` has the keys of a RunSpec, not the short ones. */
export interface FieldProblem {
  path: readonly (string | number)[];
  message: string;
  remedy?: string;
}

/** The list of fields as a plain table, for code that walks it. */
export const fieldTable: Readonly<Record<string, SpecField>> = specFields;

type Members = Readonly<Record<string, SpecMember>>;
/** What walking down a schema needs of it. */
export interface SchemaShape {
  type: string;
  wrapped?: SchemaShape;
  item?: SchemaShape;
  entries?: Readonly<Record<string, SchemaShape>>;
}

/** The key of a RunSpec for one that a person wrote. */
export function fullKey(members: Members, written: string): string {
  return Object.entries(members).find(([, { key }]) => key === written)?.[0] ?? written;
}

/** A path as people write it: `stages.0.hold` for `stages.0.holdSeconds`. */
export function writtenPath(path: readonly (string | number)[]): string {
  let members: Members | undefined = fieldTable;
  const words: (string | number)[] = [];
  for (const part of path) {
    const member: SpecMember | undefined = typeof part === 'string' && members !== undefined && Object.hasOwn(members, part) ? members[part] : undefined;
    words.push(member?.key ?? part);
    if (typeof part === 'string') members = member?.members;
  }
  return words.join('.');
}

/** All names that a profile may use. */
export const writtenKeys: readonly string[] = [
  ...Object.keys(fieldTable),
  ...Object.values(fieldTable).flatMap(({ key }) => (key === undefined ? [] : [key])),
  '$schema',
];

/** Keys that no field has. */
export function unknownKeys(input: SpecInput): FieldProblem[] {
  return Object.keys(input)
    .filter((key) => !writtenKeys.includes(key))
    .map((key) => {
      const near = nearest(key, writtenKeys);
      return {
        path: [key],
        message: `"${key}" is not a field of a run.`,
        remedy: near === undefined ? `Fields: ${writtenKeys.join(', ')}.` : `Did you mean "${near}"?`,
      };
    });
}

/** Strings such as `50k` and `30s` as numbers, short names as full ones, and the fields that a person need not write. */
export function plainInput(input: SpecInput): { plain: SpecInput; problems: FieldProblem[] } {
  const problems: FieldProblem[] = [];
  const written = Object.fromEntries(Object.entries(input).filter(([key, value]) => value !== undefined && key !== '$schema'));
  const plain: SpecInput = {};
  for (const [key, { whenOmitted }] of Object.entries(fieldTable)) {
    if (whenOmitted !== undefined) plain[key] = typeof whenOmitted === 'function' ? (whenOmitted as (written: SpecInput) => unknown)(written) : whenOmitted;
  }
  Object.assign(
    plain,
    plainMembers(written, fieldTable, (key) => fieldTable[key]?.schema as unknown as SchemaShape, [], problems),
  );
  return { plain, problems };
}

function plainMembers(
  written: SpecInput,
  members: Members,
  schemaOf: (key: string) => SchemaShape | undefined,
  path: readonly (string | number)[],
  problems: FieldProblem[],
): SpecInput {
  const plain: SpecInput = {};
  for (const [name, value] of Object.entries(written)) {
    const key = fullKey(members, name);
    if (Object.hasOwn(plain, key)) problems.push({ path: [...path, key], message: `${writtenPath([...path, key])} is given twice, as "${key}" too.` });
    plain[key] = plainValue(value, Object.hasOwn(members, key) ? members[key]! : {}, schemaOf(key), [...path, key], problems);
  }
  return plain;
}

function plainValue(
  written: unknown,
  member: SpecMember,
  schema: SchemaShape | undefined,
  path: readonly (string | number)[],
  problems: FieldProblem[],
): unknown {
  const shape = schema === undefined ? undefined : unwrapped(schema);
  if (shape?.type === 'array') {
    if (!Array.isArray(written)) return written;
    return written.map((element: unknown, index) => plainValue(element, member, shape.item, [...path, index], problems));
  }
  let value = written;
  try {
    if (member.notation !== undefined) value = member.notation.read(written, writtenPath(path));
  } catch (error) {
    if (!(error instanceof NotationError)) throw error;
    problems.push({ path, message: error.message, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) });
    return written;
  }
  if (member.members === undefined || !isObject(value)) return value;
  return plainMembers(value, member.members, (key) => shape?.entries?.[key], path, problems);
}

/** A schema without `optional` around it. */
export function unwrapped(schema: SchemaShape): SchemaShape {
  return schema.wrapped === undefined ? schema : unwrapped(schema.wrapped);
}

function isObject(value: unknown): value is SpecInput {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
