import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type SampleDecision, SampleTiming } from '../../src/core/run/sampleTiming.js';
import type { Phase } from '../../src/protocol/events.js';

/** Milliseconds, phase of the run, phases of the clients' hosts, samples of each of them so far, connections of the server. */
type Moment = [nowMs: number, phase: Phase, clients: Phase[], samples: number, server: number];

describe('when samples of both sides are of one moment', () => {
  const cases: [name: string, hasGap: boolean, moments: [...Moment, SampleDecision][]][] = [
    [
      'a ramp',
      false,
      [
        [0, 'ramping', ['ramping', 'ramping'], 1, 10, 'emit'],
        [1_000, 'ramping', ['ramping', 'holding'], 2, 20, 'emit'],
      ],
    ],
    [
      'fewer in a ramp is what it is',
      false,
      [
        [0, 'ramping', ['ramping'], 1, 20, 'emit'],
        [1_000, 'ramping', ['ramping'], 2, 10, 'emit'],
      ],
    ],
    [
      'gone in a hold: lost, as the hosts of the clients still hold two samples later',
      false,
      [
        [0, 'holding', ['holding'], 1, 20, 'emit'],
        [1_000, 'holding', ['holding'], 2, 10, 'skip'],
        [2_000, 'holding', ['holding'], 3, 10, 'skip'],
        [3_000, 'holding', ['holding'], 4, 10, 'emit'],
      ],
    ],
    [
      'gone in a hold: closed, as a busy host says later',
      false,
      [
        [0, 'holding', ['holding'], 1, 20, 'emit'],
        [1_000, 'holding', ['holding'], 1, 10, 'skip'],
        [3_000, 'holding', ['holding'], 2, 10, 'skip'],
        [3_700, 'holding', ['draining'], 3, 10, 'drain'],
      ],
    ],
    [
      'gone in a hold, and a client host is out of reach',
      false,
      [
        [0, 'holding', ['holding', 'holding'], 1, 20, 'emit'],
        [1_000, 'holding', ['holding', 'holding'], 1, 10, 'skip'],
        [5_900, 'holding', ['holding', 'holding'], 1, 10, 'skip'],
        [6_000, 'holding', ['holding', 'holding'], 1, 10, 'emit'],
      ],
    ],
    [
      'one host closes before the other',
      false,
      [
        [0, 'holding', ['draining', 'holding'], 1, 20, 'skip'],
        [1_000, 'holding', ['draining', 'draining'], 2, 10, 'drain'],
        [2_000, 'draining', ['restoring', 'draining'], 3, 0, 'emit'],
      ],
    ],
    [
      'one host closes alone, for good',
      false,
      [
        [0, 'holding', ['draining', 'holding'], 1, 20, 'skip'],
        [2_900, 'holding', ['draining', 'holding'], 2, 10, 'skip'],
        [3_100, 'holding', ['draining', 'holding'], 3, 10, 'emit'],
      ],
    ],
    [
      'what was missed is reported at once, after a gap',
      true,
      [
        [5_000, 'holding', ['holding'], 1, 20, 'skip'],
        [5_010, 'holding', ['holding'], 9, 20, 'skip'],
        [6_600, 'holding', ['holding'], 10, 20, 'emit'],
      ],
    ],
  ];
  for (const [name, hasGap, moments] of cases) {
    it(name, () => {
      const timing = new SampleTiming();
      if (hasGap) timing.noteGap();
      const decisions = moments.map(([nowMs, phase, phases, samples, server]) =>
        timing.decide({ nowMs, phase, clients: phases.map((one) => ({ phase: one, samples })), server }),
      );
      assert.deepEqual(
        decisions,
        moments.map((moment) => moment.at(-1)),
      );
    });
  }
});
