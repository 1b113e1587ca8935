import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { specFromInput } from '../../src/core/profile.js';
import type { Phase, RunEventBody } from '../../src/protocol/events.js';
import { BothSides } from '../../src/run/bothSides.js';
import { newReport } from '../../src/core/run/partReport.js';
import type { Part } from '../../src/run/parts.js';
import { sample } from './builders/samples.js';

interface HostState {
  phase: Phase;
  connections: number;
  linkLost?: string;
}

/** A run of a server and two client hosts in these states. */
function begin(server: HostState, clients: readonly [HostState, HostState]) {
  const events: RunEventBody[] = [];
  const result = { proofs: 0, phase: 'holding' as Phase };
  const part = (name: string, role: Part['role'], { phase, connections, linkLost }: HostState): Part =>
    ({
      name,
      role,
      report: {
        ...newReport(),
        phase,
        last: sample({ target: 2_000, established: role === 'server' ? { server: connections, client: 0 } : { server: 0, client: connections } }),
      },
      link: { state: { is: linkLost === undefined ? 'following' : 'lost' }, request: () => Promise.resolve(result.proofs++) },
    }) as unknown as Part;
  const parts = [part('server', 'server', server), part('a', 'client', clients[0]), part('b', 'client', clients[1])];
  const sides = new BothSides({
    spec: specFromInput({ host: 'server', clientHosts: ['a', 'b'], connections: 4_000 }),
    walls: () => [],
    parts,
    phase: () => result.phase,
    enter: (phase) => (result.phase = phase),
    emit: (event) => {
      events.push(event);
      return { seq: events.length, t: events.length * 1_000, ...event };
    },
  });
  return { sides, parts, events, result };
}

/** The server's host reported so many samples. */
function reported(server: HostState, clients: readonly [HostState, HostState], samples = 1): { events: RunEventBody[]; proofs: number } {
  const { sides, events, result } = begin(server, clients);
  for (let count = 0; count < samples; count++) sides.addSample();
  return { events, proofs: result.proofs };
}

const holding = (connections: number, linkLost?: string): HostState => ({ phase: 'holding', connections, ...(linkLost === undefined ? {} : { linkLost }) });
const draining = (connections: number): HostState => ({ phase: 'draining', connections });
const counts = (events: readonly RunEventBody[]) =>
  events.flatMap((event) => (event.type === 'sample' ? [`${event.phase} ${event.established.server}/${event.established.client} of ${event.target}`] : []));

describe('both sides of a run over several hosts', () => {
  const cases: [string, Parameters<typeof reported>, { samples: string[]; proofs: number }][] = [
    ['all hold', [holding(4_000), [holding(2_000), holding(2_000)]], { samples: ['holding 4000/4000 of 4000'], proofs: 0 }],
    ['one host closes already: neither phase', [holding(2_000), [draining(0), holding(2_000)]], { samples: [], proofs: 0 }],
    ['all client hosts close', [holding(1_000), [draining(500), draining(500)]], { samples: ['draining 1000/1000 of 4000'], proofs: 0 }],
    [
      'two are missing on the server for three more samples',
      [holding(3_998), [holding(2_000), holding(2_000)], 4],
      { samples: Array.from({ length: 4 }, () => 'holding 3998/4000 of 4000'), proofs: 2 },
    ],
    [
      'not while the link to a host is lost',
      [holding(3_998), [holding(2_000, 'reset'), holding(2_000)], 4],
      { samples: Array.from({ length: 4 }, () => 'holding 3998/4000 of 4000'), proofs: 0 },
    ],
  ];
  for (const [title, input, expected] of cases) {
    it(title, () => {
      const { events, proofs } = reported(...input);
      assert.deepEqual({ samples: counts(events), proofs }, expected);
    });
  }
});

it('a server that sees the end before the hosts have reported it waits for them', () => {
  const cases: [string, Phase, string[]][] = [
    ['they close', 'draining', ['holding 4000/4000 of 4000', 'draining 1000/4000 of 4000']],
    ['they hold: connections are lost', 'holding', ['holding 4000/4000 of 4000', 'holding 1000/4000 of 4000']],
  ];
  for (const [title, later, expected] of cases) {
    const run = begin(holding(4_000), [holding(2_000), holding(2_000)]);
    run.sides.addSample();
    run.parts[0]!.report.last = sample({ established: { server: 1_000, client: 0 } });
    run.sides.addSample();
    for (const { report } of run.parts.slice(1)) {
      report.phase = later;
      report.samples += 2;
    }
    run.sides.addSample();
    assert.deepEqual(counts(run.events), expected, title);
  }
});
