import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { profileJsonSchema } from '../../src/core/profileSchema.js';

const path = 'schemas/profile.schema.json';

test('the schema that editors use is the one of the types (UPDATE=1 writes it anew)', () => {
  const expected = `${JSON.stringify(profileJsonSchema(), undefined, 2)}\n`;
  if (process.env['UPDATE'] === '1') {
    mkdirSync('schemas', { recursive: true });
    writeFileSync(path, expected);
  }
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), JSON.parse(expected));
});
