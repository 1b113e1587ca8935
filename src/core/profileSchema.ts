import { toJsonSchema } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';
import type { SpecField, SpecMember } from '../protocol/specField.js';
import { fieldDescription } from './fieldTexts.js';
import { thresholdMetrics } from './figures/thresholds.js';
import { fieldTable } from './specInput.js';

type JsonSchema = Record<string, unknown>;

/** The JSON schema (draft 7) of `*.c10m.json`, made from the list of fields that validates a run, with the notations and short names that people may write. */
export function profileJsonSchema(): JsonSchema {
  const properties: JsonSchema = { $schema: { type: 'string' } };
  for (const [name, about] of Object.entries(fieldTable)) {
    const own = {
      ...withNotations(plainSchema(about.schema), about),
      description: name === 'thresholds' ? `${fieldDescription(about)} Metrics: ${Object.keys(thresholdMetrics).join(', ')}.` : fieldDescription(about),
      ...choiceDescriptions(about),
      ...(about.example === undefined ? {} : { examples: [exampleOf(about)] }),
    };
    if (about.key !== undefined) properties[about.key] = own;
    properties[name] = own;
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'C10M profile',
    description: 'A run of C10M: how many connections, of what kind, against which server, on which host.',
    type: 'object',
    additionalProperties: false,
    allowComments: true,
    allowTrailingCommas: true,
    properties,
  };
}

/**
 * What editors that C10M's own diagnostics serve need beside them: names, descriptions and proposals, without a rule. Both would name each mistake, and
 * only the diagnostics know what was meant.
 */
export function profileEditorSchema(): JsonSchema {
  const { properties, ...head } = profileJsonSchema();
  const told = Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]): [string, JsonSchema] => {
    const proposals = [
      ...((schema['enum'] ?? []) as unknown[]),
      ...(schema['type'] === 'boolean' ? [true, false] : []),
      ...((schema['examples'] ?? []) as unknown[]),
    ];
    const defaultSnippets = [...new Map(proposals.map((body) => [JSON.stringify(body), { label: JSON.stringify(body), body }])).values()];
    return [
      name,
      { ...(schema['description'] === undefined ? {} : { description: schema['description'] }), ...(defaultSnippets.length === 0 ? {} : { defaultSnippets }) },
    ];
  });
  return { ...head, additionalProperties: true, properties: Object.fromEntries(told) };
}

function plainSchema(schema: GenericSchema): JsonSchema {
  const own: JsonSchema = { ...toJsonSchema(schema, { typeMode: 'input', errorMode: 'ignore' }) };
  delete own['$schema'];
  return own;
}

/** A plain schema that accepts what people may write instead, in its members, too. */
function withNotations(own: JsonSchema, { notation, members }: SpecMember): JsonSchema {
  if (own['type'] === 'array')
    return { ...own, items: withNotations(own['items'] as JsonSchema, { ...(notation && { notation }), ...(members && { members }) }) };
  const inside = own['type'] === 'object' && members !== undefined ? withMembers(own, members) : own;
  if (notation === undefined) return inside;
  const plain = Array.isArray(inside['anyOf']) ? (inside['anyOf'] as JsonSchema[]) : [inside];
  return { anyOf: [...plain, notation.written] };
}

function withMembers(own: JsonSchema, members: Readonly<Record<string, SpecMember>>): JsonSchema {
  const properties: JsonSchema = {};
  for (const [name, schema] of Object.entries(own['properties'] as Record<string, JsonSchema>)) {
    const member = members[name] ?? {};
    const accepted = { ...withNotations(schema, member), ...(member.description === undefined ? {} : { description: member.description }) };
    if (member.key !== undefined) properties[member.key] = accepted;
    properties[name] = accepted;
  }
  // One of two names is required: that is left to the diagnostics.
  const required = ((own['required'] ?? []) as string[]).filter((name) => members[name]?.key === undefined);
  return { ...own, properties, required };
}

function choiceDescriptions({ choices }: SpecField): JsonSchema {
  return choices === undefined ? {} : { enumDescriptions: Object.values(choices) };
}

/** Of a list the example is one element. */
function exampleOf({ schema, example }: SpecField): unknown {
  return plainSchema(schema)['type'] === 'array' ? [example] : example;
}
