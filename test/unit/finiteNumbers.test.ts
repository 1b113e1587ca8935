import assert from 'node:assert/strict';
import { test } from 'node:test';
import { infinitePath } from '../../src/core/finiteNumbers.js';

test('numbers beyond the largest double are found wherever they are', () => {
  const digits = '9'.repeat(310);
  const cases: [json: string, path: string | undefined][] = [
    ['{"a":1e308,"b":-2.5e-999,"c":"1e999"}', undefined],
    ['{"a":1e999}', 'a'],
    ['{"a":{"b":[0,-1E+999]}}', 'a.b.1'],
    [`{"a":${digits}}`, 'a'],
    [`{"a":"${digits}","b":${'9'.repeat(308)}}`, undefined],
    ...Array.from({ length: 310 }, (_value, index): [string, string] => [`{"x":"${' '.repeat(index)}","a":[-${digits}]}`, 'a.0']),
  ];
  for (const [json, path] of cases) assert.equal(infinitePath(json, JSON.parse(json)), path, json);
});
