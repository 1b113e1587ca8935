import assert from 'node:assert/strict';
import test from 'node:test';
import { runExtensionTests } from '../support/extensionTests.js';

const where = process.env['VSCODE_TEST'] === 'desktop' ? 'the desktop build' : 'code-server';

test(`the extension host of ${where}`, { timeout: 180_000 }, async (context) => {
  const { tests, figures } = await runExtensionTests();
  assert.ok(tests.length > 0, 'no test was run');
  for (const figure of figures) context.diagnostic(figure);
  for (const { title, state, error } of tests) {
    await context.test(title, { skip: state === 'pending' }, () => {
      if (state === 'failed') assert.fail(error ?? 'failed without an error');
    });
  }
});
