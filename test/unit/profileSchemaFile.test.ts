import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { profileEditorSchema, profileJsonSchema } from '../../src/core/profileSchema.js';

for (const [path, schema] of [
  ['schemas/profile.schema.json', profileJsonSchema()],
  ['schemas/profile.editor.schema.json', profileEditorSchema()],
] as const) {
  test(`${path} is the one of the types (UPDATE=1 writes it anew)`, () => {
    const expected = `${JSON.stringify(schema, undefined, 2)}\n`;
    if (process.env['UPDATE'] === '1') {
      mkdirSync('schemas', { recursive: true });
      writeFileSync(path, expected);
    }
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), JSON.parse(expected));
  });
}

test('the schema beside the diagnostics has no rule: no mistake is named twice', () => {
  const rules = JSON.stringify(profileEditorSchema()).match(/"(?:pattern|minimum|maximum|enum|anyOf|required|type|const)":/g) ?? [];
  assert.deepEqual(rules, ['"type":'], 'only that a profile is an object');
});
