import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HumanError } from '../../src/core/errors.js';

class Special extends HumanError {}

describe('HumanError', () => {
  it('is known by instanceof across two copies of its class, as two bundles have them', async () => {
    const copy = (await import(`../../src/core/errors.js?${Date.now()}`)) as { HumanError: typeof HumanError };
    assert.notEqual(copy.HumanError, HumanError);
    const error = new copy.HumanError('It did not work.', { code: 'unreachable' });
    assert.ok(error instanceof HumanError);
    assert.equal(error.exitCode, 69);
  });

  const cases: [name: string, value: unknown, isHuman: boolean, isSpecial: boolean][] = [
    ['one of its own', new HumanError('x'), true, false],
    ['a subclass', new Special('x'), true, true],
    ['another error', new Error('x'), false, false],
    ['null', null, false, false],
    ['a text', 'x', false, false],
  ];
  for (const [name, value, isHuman, isSpecial] of cases)
    it(`tells ${name}`, () => assert.deepEqual([value instanceof HumanError, value instanceof Special], [isHuman, isSpecial]));
});
