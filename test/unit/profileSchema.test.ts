import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fieldDescriptions, profileJsonSchema } from '../../src/core/profileSchema.js';
import { runSpecSchema } from '../../src/protocol/spec.js';

it('describes every field of a run', () => {
  const { properties } = profileJsonSchema() as { properties: Record<string, { description?: string }> };
  for (const field of [...Object.keys(runSpecSchema.entries), 'hold', 'lease', 'abortOnThreshold']) {
    assert.ok((properties[field]?.description ?? '').length > 5, field);
  }
  assert.deepEqual(
    Object.keys(fieldDescriptions).sort(),
    Object.keys(properties)
      .filter((field) => field !== '$schema')
      .sort(),
  );
});
