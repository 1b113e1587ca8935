import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { specFromInput } from '../../src/core/profile.js';
import type { Plan } from '../../src/protocol/plan.js';
import { clientPartSpecs, divideOrder, type PartPlans, serverPartSpec } from '../../src/core/plan/partSpecs.js';

const plansOf = (...clients: number[]): PartPlans => ({
  server: { connections: clients.reduce((sum, count) => sum + count, 0) } as Plan,
  clients: clients.map((connections) => ({ connections }) as Plan),
});

describe('orders and specs of a run over several hosts', () => {
  const orders: [name: string, change: { target?: number; rate?: number }, planned: number[], expected: { target?: number; rate?: number }[]][] = [
    ['a target without a rest', { target: 100 }, [50, 50, 50], [{ target: 34 }, { target: 33 }, { target: 33 }]],
    ['a target by what was planned', { target: 300 }, [100, 300], [{ target: 75 }, { target: 225 }]],
    ['none at all', { target: 0 }, [10, 10], [{ target: 0 }, { target: 0 }]],
    ['a rate below the number of hosts is not as fast as possible', { rate: 1 }, [10, 10, 10], [{ rate: 1 }, { rate: 1 }, { rate: 1 }]],
    ['as fast as possible stays so', { rate: 0 }, [10, 10], [{ rate: 0 }, { rate: 0 }]],
  ];
  for (const [name, change, planned, expected] of orders) it(name, () => assert.deepEqual(divideOrder(change, planned), expected));

  it('stages and rates of the parts add up to those of the run', () => {
    const spec = specFromInput({ host: 'a', clientHosts: ['b', 'c', 'd'], connections: 1_000, rate: 100, stages: [{ to: 500, rate: 50 }, { to: 1_000 }] });
    const parts = clientPartSpecs(spec, plansOf(334, 333, 333));
    const sums = [0, 1].map((stage) => parts.reduce((sum, part) => sum + part.stages[stage]!.to, 0));
    assert.deepEqual(sums, [500, 1_000]);
    assert.equal(
      parts.reduce((sum, part) => sum + (part.rate ?? 0), 0),
      100,
    );
    assert.deepEqual(
      parts.map(({ host, clientHosts, isolation }) => [host, clientHosts, isolation]),
      [
        ['b', [], 'host'],
        ['c', [], 'host'],
        ['d', [], 'host'],
      ],
    );
    const server = serverPartSpec(spec, plansOf(334, 333, 333));
    assert.deepEqual([server.host, server.connections, server.stages], ['a', 1_000, []]);
  });
});
