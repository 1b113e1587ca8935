import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { specFromInput } from '../../src/core/profile.js';
import { amountOf, connectionKinds, kindOf, readAmount, repeatText, runPresets } from '../../src/vscode/runs/runPresets.js';

describe('the start dialog', () => {
  const amounts: [written: string, read: { connections: string; hold: string } | RegExp][] = [
    ['20000', { connections: '20000', hold: '60s' }],
    ['50k 5m', { connections: '50k', hold: '5m' }],
    ['max', { connections: 'max', hold: '60s' }],
    ['0', /must be a whole number from 1 to 100,000,000/],
    ['many', /connections/],
    ['20k 5 parsecs', /how many, and for how long/],
    ['20k 5parsecs', /not a duration/],
    ['', /connections/],
  ];
  for (const [written, read] of amounts)
    it(`reads "${written}"`, () => {
      const found = readAmount(written, '60s');
      if (read instanceof RegExp) assert.match(found as string, read);
      else assert.deepEqual(found, read);
    });

  it('offers specs that are valid, whatever is chosen', () => {
    for (const kind of connectionKinds())
      for (const { id, input } of [...runPresets({ connections: '20k', hold: '30s' }), ...runPresets({ connections: 'max', hold: '30s' })]) {
        const spec = specFromInput({ host: 'local', ...kind.input, ...input });
        assert.equal(kindOf(spec), kind.id, `${kind.id}, ${id}`);
        assert.equal(spec.holdSeconds, id === 'soak' ? 28_800 : 30);
      }
    assert.deepEqual(
      runPresets({ connections: '20k', hold: '30s' }).map(({ id, label, detail }) => `${id}: ${label}; ${detail}`),
      [
        'fast: 20,000 connections, as fast as possible; then held for 30 s',
        'gentle: 20,000 connections, gently; 334/s, in about a minute; then held for 30 s',
        'soak: 20,000 connections, as a soak test; held for 8 hours, with a message of 64 bytes over each connection every minute',
        'ceiling: Find the ceiling; as many as fit, until a wall stops them; held for 30 s',
      ],
    );
  });

  it('begins with what the last run was', () => {
    const spec = specFromInput({ connections: '20k', hold: '90s', host: 'web1' });
    assert.equal(amountOf(spec), '20000 90s');
    assert.deepEqual(readAmount(amountOf(spec), '60s'), { connections: '20000', hold: '90s' });
    assert.deepEqual(repeatText(spec), { label: 'Repeat: 20,000 TCP connections on web1', detail: 'as fast as possible, held for 1 min 30 s' });
  });
});
