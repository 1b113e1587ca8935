import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeptSecrets } from '../../src/vscode/hosts/keptSecrets.js';

function storageOf(values: Map<string, string>): ConstructorParameters<typeof KeptSecrets>[0] {
  return {
    get: (key) => Promise.resolve(values.get(key)),
    store: (key, value) => Promise.resolve(void values.set(key, value)),
    delete: (key) => Promise.resolve(void values.delete(key)),
  };
}

test('secrets are forgotten with their host, and with no other', async () => {
  const values = new Map<string, string>();
  const secrets = new KeptSecrets(storageOf(values));
  await secrets.keep('edge', 'password:ann', 'one');
  await secrets.keep('edge', 'sudo:ann', 'two');
  await secrets.keep('edge', 'sudo:ann', 'three');
  await secrets.keep('other', 'password:ann', 'four');
  assert.equal(await secrets.get('edge', 'sudo:ann'), 'three');
  assert.equal(await secrets.forget('edge'), 2);
  assert.deepEqual([await secrets.get('edge', 'password:ann'), await secrets.get('edge', 'sudo:ann')], [undefined, undefined]);
  assert.equal(await secrets.get('other', 'password:ann'), 'four');
  await secrets.drop('other', 'password:ann');
  assert.deepEqual([await secrets.forget('other'), await secrets.forget('never seen')], [0, 0]);
  assert.deepEqual([...values], [], 'nothing is left, no list either');
});

test('a damaged list keeps nobody from his secrets', async () => {
  const values = new Map([['c10m.secrets:edge', '{']]);
  const secrets = new KeptSecrets(storageOf(values));
  await secrets.keep('edge', 'password:ann', 'one');
  assert.equal(await secrets.get('edge', 'password:ann'), 'one');
  assert.equal(await secrets.forget('edge'), 1);
});
