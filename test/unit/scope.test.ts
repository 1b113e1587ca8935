import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scope } from '../../src/files/scope.js';

test('what was done is undone in reverse, whatever fails, each once, and what is deferred meanwhile too', async () => {
  const scope = new Scope();
  const done: string[] = [];
  const failures: unknown[] = [];
  scope.defer(() => {
    done.push('first');
  });
  scope.defer(async () => {
    await Promise.resolve();
    done.push('second');
    scope.defer(() => {
      done.push('of the second');
    });
  });
  scope.defer(() => {
    throw new Error('thrown');
  });
  scope.defer(() => Promise.reject(new Error('rejected')));
  await scope.end((error) => failures.push((error as Error).message));
  await scope.end((error) => failures.push(error));
  assert.deepEqual(
    [done, failures],
    [
      ['second', 'of the second', 'first'],
      ['rejected', 'thrown'],
    ],
  );
});
