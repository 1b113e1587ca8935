import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLocalNode, nodeMajor, type RuntimeInputs } from '../../src/transport/runtime.js';

const editor = '/opt/code/code';
function inputs(changes: Partial<RuntimeInputs>, installed: Record<string, string> = {}): RuntimeInputs {
  return {
    executable: '/usr/bin/node',
    versions: { node: '20.1.0' },
    searchPath: '/usr/local/bin:/usr/bin',
    versionOf: (executable) => Promise.resolve(installed[executable]),
    ...changes,
  };
}

test('the Node of this machine', async () => {
  const electron = { executable: editor, versions: { node: '22.1.0', electron: '37.0.0' } };
  const cases: Record<string, [RuntimeInputs, string]> = {
    plain: [inputs({}), '/usr/bin/node'],
    // An old node that runs us is no reason to use it: PATH may hold a newer one.
    tooOld: [inputs({ versions: { node: '18.0.0' } }, { '/usr/bin/node': 'v22.2.0\n' }), '/usr/bin/node'],
    editorWithNode: [inputs(electron, { '/usr/bin/node': 'v20.0.0' }), '/usr/bin/node'],
    editorWithOldNode: [inputs(electron, { '/usr/bin/node': 'v18.0.0' }), `${editor} as node`],
    relativePathIsNotSearched: [inputs({ ...electron, searchPath: ':.:bin' }, { node: 'v20.0.0', './node': 'v20.0.0' }), `${editor} as node`],
  };
  const found: Record<string, string> = {};
  for (const [name, [input]] of Object.entries(cases)) {
    const runtime = await findLocalNode(input);
    found[name] = runtime.executable + (runtime.environment['ELECTRON_RUN_AS_NODE'] === '1' ? ' as node' : '');
  }
  assert.deepEqual(found, Object.fromEntries(Object.entries(cases).map(([name, [, expected]]) => [name, expected])));
  await assert.rejects(findLocalNode(inputs({ versions: { node: '18.0.0' } })), { code: 'unsupported' });
});

test('major versions', () => {
  assert.deepEqual(['v20.1.0', '22.0.0\n', 'v8.1.1', 'node: not found', '', undefined].map(nodeMajor), [20, 22, 8, 0, 0, 0]);
});
