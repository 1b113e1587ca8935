import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { sampleSchema } from '../../src/protocol/events.js';
import { quickCheck } from '../../src/protocol/quickCheck.js';
import { sample } from './builders/samples.js';

const isSurelySample = quickCheck(sampleSchema);

test('samples as they are written are surely samples', () => {
  for (const changes of [
    {},
    { ledger: { ...sample().ledger, bytesPerEnd: null, explainedRatio: null, contamination: ['another program'] } },
    { latency: { count: 1, p50: 1, p90: 1, p99: 1, p999: 1, max: 1 } },
    { hosts: { web1: { server: 1, client: 0, availableBytes: 1e9 } } },
  ]) {
    assert.equal(isSurelySample(JSON.parse(JSON.stringify(sample(changes)))), true, JSON.stringify(changes));
  }
});

test('a value that is surely a sample is one for the schema, whatever was done to it', () => {
  const paths = pathsOf(sample());
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.oneof(fc.jsonValue(), fc.constant(undefined), fc.constantFrom(-1, 0.5, Number.NaN, '7', true)), (path, value) => {
      const changed = structuredClone(sample()) as unknown as Record<string, unknown>;
      let place = changed;
      for (const key of path.slice(0, -1)) place = place[key] as Record<string, unknown>;
      place[path.at(-1)!] = value;
      if (isSurelySample(changed)) assert.ok(v.safeParse(sampleSchema, changed).success, `${path.join('.')} = ${JSON.stringify(value)}`);
    }),
    { seed: 10, numRuns: 3_000 },
  );
});

test('what it does not know, it is not sure of', () => {
  const email = quickCheck(v.pipe(v.string(), v.email()));
  const withDefault = quickCheck(v.object({ tags: v.optional(v.number(), 7) }));
  assert.deepEqual(
    {
      unknownAction: email('a@example.org'),
      unknownSchema: quickCheck(v.date())(new Date()),
      defaultToFillIn: withDefault({}),
      defaultNotNeeded: withDefault({ tags: 1 }),
      arrayAsObject: quickCheck(v.object({}))([]),
      arrayAsRecord: quickCheck(v.record(v.string(), v.number()))([1]),
      notANumber: quickCheck(v.number())(Number.NaN),
      notFinite: quickCheck(v.number())(Number.POSITIVE_INFINITY),
    },
    {
      unknownAction: false,
      unknownSchema: false,
      defaultToFillIn: false,
      defaultNotNeeded: true,
      arrayAsObject: false,
      arrayAsRecord: false,
      notANumber: false,
      notFinite: false,
    },
  );
});

/** The path of every field inside a value. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [...(path.length === 0 ? [] : [path]), ...Object.entries(value).flatMap(([key, field]) => pathsOf(field, [...path, key]))];
}
