import assert from 'node:assert/strict';
import { test } from 'node:test';
import { profileJsonSchema } from '../../src/core/profileSchema.js';
import { fieldTable, writtenKeys } from '../../src/core/specInput.js';

test('the editor knows and describes every field, under each of its names', () => {
  const { properties } = profileJsonSchema() as { properties: Record<string, { description?: string }> };
  assert.deepEqual(Object.keys(properties).sort(), [...writtenKeys].sort());
  for (const key of writtenKeys) if (key !== '$schema') assert.ok((properties[key]?.description ?? '').length > 5, key);
});

test('the choices of a field are those of its schema', () => {
  for (const [key, { schema, choices }] of Object.entries(fieldTable)) {
    const shape = schema as { options?: string[]; wrapped?: { options?: string[] } };
    const options = shape.options ?? shape.wrapped?.options;
    if (options !== undefined && options.every((option) => typeof option === 'string')) assert.deepEqual(Object.keys(choices ?? {}), options, key);
  }
});
