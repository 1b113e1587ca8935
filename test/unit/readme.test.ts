import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { kernelFloorBytesPerEnd } from '../../src/core/plan/costs.js';
import { formatKilobytesPerEnd } from '../../src/core/units.js';
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

test('every text names the same kernel floor as the code', () => {
  const floor = formatKilobytesPerEnd(kernelFloorBytesPerEnd);
  const files = ['README.md', 'package.nls.json', 'docs/walls/memory.md'];
  const named = files.flatMap((file) =>
    [
      ...readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').matchAll(/\b4\.\d\d(?: kB)?(?=,? [^.]{0,30}\b(?:per end|kernel|10\.5|and 15\.5))/g),
    ].map(([figure]) => ({
      file,
      figure,
    })),
  );
  assert.ok(named.length >= files.length, 'each file names it');
  for (const { file, figure } of named) assert.ok(floor.startsWith(figure), `${file} says ${figure}, the code ${floor}`);
});
