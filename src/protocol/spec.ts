import * as v from 'valibot';
import type { SpecField } from './specField.js';
import { specFields } from './specFields.js';

type SchemasOf<T extends Record<string, SpecField>> = { [K in keyof T]: T[K]['schema'] };

function schemasOf<T extends Record<string, SpecField>>(fields: T): SchemasOf<T> {
  return Object.fromEntries(Object.entries(fields).map(([key, { schema }]) => [key, schema])) as SchemasOf<T>;
}

/**
 * What a run is asked to do, in plain units (numbers, seconds, bytes). Profiles and command lines, which accept `50k` and
 * `30s`, are turned into this by `core/profile.ts`. The fields are in `specFields.ts`.
 */
export const runSpecSchema = v.strictObject(schemasOf(specFields));

export type RunSpec = v.InferOutput<typeof runSpecSchema>;
/** A run spec as written, with defaults left out. */
export type RunSpecInput = v.InferInput<typeof runSpecSchema>;

export type ProtocolChoice = RunSpec['protocol'];
/** The protocol of one connection. */
export type ConnectionProtocol = Exclude<ProtocolChoice, 'both'>;
export type Engine = RunSpec['engine'];

/** Whether the server is the user's: one that we started by their command, or that ran before. */
export function isForeign(engine: Engine): boolean {
  return engine === 'command' || engine === 'attach';
}
