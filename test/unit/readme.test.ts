import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { readmeBlocks, withBlocks } from '../../scripts/readmeBlocks.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test('the README says what the code does (npm run readme writes it)', () => {
  assert.equal(withBlocks(readme), readme);
});

test('a README that says something else is noticed', () => {
  for (const { begin } of readmeBlocks) {
    assert.notEqual(withBlocks(readme.replace(begin, `${begin}\n\nsomething else`)), readme.replace(begin, `${begin}\n\nsomething else`), begin);
    assert.throws(() => withBlocks(readme.replace(begin, '')), /does not hold the marks/, begin);
  }
});
