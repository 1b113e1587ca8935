import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { divideTarget } from '../../src/core/plan/division.js';
import { capacityOf, withRoom, type Room } from '../../src/agent/load/room.js';
import { reserveFor } from '../../src/core/plan/limits.js';
import { planRun } from '../../src/core/plan/plan.js';
import { specFromInput } from '../../src/core/profile.js';
import type { SpecInput } from '../../src/core/specInput.js';
import type { Plan } from '../../src/protocol/plan.js';
import { Destinations } from '../../src/worker/destinations.js';
import { limitedFacts } from './builders/hostFacts.js';

/** What each server port gets when every client worker opens its share of `total`, as the workers do it. */
function fill(plan: Plan, total: number): Map<number, number> {
  const perPort = new Map<number, number>();
  const shares = divideTarget(
    total,
    plan.clientWorkers.map((client) => ({ planned: client.connections, capacity: capacityOf(client) })),
  );
  plan.clientWorkers.forEach((client, index) => {
    const destinations = new Destinations(client.targets, { fixed: () => undefined }, 16);
    for (let fd = 0; fd < shares[index]!; fd++) {
      const destination = destinations.choose();
      if (destination === undefined) break;
      destinations.assignDestination(fd, destination);
      perPort.set(destination.plan.port, (perPort.get(destination.plan.port) ?? 0) + 1);
    }
  });
  return perPort;
}

const room: Room = { nofile: 20_000, perTuple: 12_000 };

describe('the room of a plan', () => {
  // Shares of unequal size, targets that continue in the next worker, and equal ones.
  const table: SpecInput[] = [
    { connections: 3_000, isolation: 'host' },
    { connections: 45_001, isolation: 'host', tuning: 'none' },
    { connections: 100_000, isolation: 'host', tuning: 'none' },
    { connections: 100_000 },
    { connections: 123_457, protocol: 'both', isolation: 'host', tuning: 'none' },
    { connections: 30_000, ports: 2, isolation: 'host', tuning: 'none' },
  ];
  for (const input of table) {
    it(`is used only beyond the plan: ${JSON.stringify(input)}`, () => {
      const planned = planRun(specFromInput(input), limitedFacts());
      const roomy = withRoom(planned, room);
      const portsOf = (plan: Plan) => plan.serverWorkers.flatMap((server) => server.ports);
      const filled = fill(roomy, planned.connections);
      for (const { port, connections } of portsOf(planned)) assert.equal(filled.get(port) ?? 0, connections, `port ${port} gets what was planned`);

      const capacity = roomy.clientWorkers.reduce((sum, client) => sum + capacityOf(client), 0);
      const full = fill(roomy, capacity);
      for (const server of roomy.serverWorkers) {
        const open = server.ports.reduce((sum, { port }) => sum + (full.get(port) ?? 0), 0);
        assert.ok(open <= server.nofile - reserveFor(server.nofile), `${server.id} has files for ${open} connections`);
      }
    });
  }

  it('ends at open files, at the share of a port, and at the local ports', () => {
    const target = (port: number, connections: number) => ({ source: null, address: '127.0.0.1', port, protocol: 'tcp' as const, connections });
    const plan = {
      serverWorkers: [
        {
          id: 's',
          protocol: 'tcp',
          address: '127.0.0.1',
          ports: [{ port: 1, protocol: 'tcp', connections: 10 }],
          connections: 10,
          nofile: 74,
          backlog: 1,
          allowedSources: [],
        },
      ],
      clientWorkers: [
        { id: 'a', protocol: 'tcp', targets: [target(1, 5)], connections: 5, nofile: 69 },
        { id: 'b', protocol: 'tcp', targets: [target(1, 5)], connections: 5, nofile: 69 },
      ],
    } as unknown as Plan;
    const capacities = (of: Room) => withRoom(plan, of).clientWorkers.map(capacityOf);
    assert.deepEqual(capacities({ nofile: 20_000, perTuple: 28_000 }), [9_750, 9_750]);
    assert.deepEqual(capacities({ nofile: 20_000, perTuple: 4_000 }), [2_000, 2_000], 'both go from one source to one port');
    assert.deepEqual(capacities({ nofile: 0, perTuple: 28_000 }), [5, 5], 'never less than planned');
    assert.equal(withRoom(plan, { nofile: 20_000, perTuple: 1 }).serverWorkers[0]!.nofile, 20_000);
  });
});
