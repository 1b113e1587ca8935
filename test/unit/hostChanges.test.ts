import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hostChangesMarks, hostChangesText } from '../../src/core/plan/hostChanges.js';
import { sysctlDefinitions } from '../../src/core/plan/sysctls.js';

test('every global key is told, with its danger', () => {
  const text = hostChangesText();
  for (const definition of sysctlDefinitions.filter((candidate) => candidate.scope === 'global')) {
    assert.ok(text.includes(`\`${definition.key}\``), definition.key);
    if (definition.danger !== undefined) assert.ok(text.includes(definition.danger), definition.key);
  }
});

test('the README says what the list of keys says', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const begin = readme.indexOf(hostChangesMarks.begin);
  const end = readme.indexOf(hostChangesMarks.end);
  assert.ok(begin !== -1 && end > begin, 'the README has the marks of the section');
  assert.equal(readme.slice(begin + hostChangesMarks.begin.length, end).trim(), hostChangesText(), 'run `node --import tsx scripts/readme.ts`');
});
