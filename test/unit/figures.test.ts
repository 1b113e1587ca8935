import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, phaseText } from '../../media/dashboard/figures.js';
import { firstWall } from '../../src/core/plan/plannedWalls.js';
import { planRun } from '../../src/core/plan/plan.js';
import { lastHeldRow } from '../../src/core/figures/sampleColumns.js';
import { specFromInput } from '../../src/core/profile.js';
import type { Phase } from '../../src/protocol/events.js';
import type { LinkState, PanelRun } from '../../src/protocol/panel.js';
import { hostFacts } from './builders/hostFacts.js';
import { summary } from './builders/samples.js';

function run(link: LinkState, phases: Phase[], verdict?: 'finished' | 'failed'): PanelRun {
  return {
    runId: 'a',
    title: 'a',
    host: 'local',
    startedAt: '2026-11-23T04:00:00.000Z',
    spec: specFromInput({}),
    link,
    phases: phases.map((phase, index) => ({ phase, t: index })),
    walls: [],
    tags: [],
    ...(verdict === undefined ? {} : { summary: summary({ verdict }) }),
  };
}

test('the phase that a dashboard shows', () => {
  const cases: [PanelRun, string][] = [
    [run('live', []), 'starting'],
    [run('live', ['probing', 'ramping']), 'ramping'],
    [run('lost', ['holding']), 'holding'],
    [run('saved', []), 'did not begin'],
    [run('saved', ['probing', 'holding']), 'incomplete'],
    [run('saved', ['holding', 'restoring', 'finished']), 'incomplete'],
    [run('saved', ['holding'], 'failed'), 'failed'],
    [run('saved', [], 'failed'), 'failed'],
  ];
  for (const [given, expected] of cases) assert.equal(phaseText(given), expected, JSON.stringify(given.phases));
});

test('a finished run is read where it held nearly all', () => {
  const rows = (values: number[]) => lastHeldRow(Float32Array.from(values));
  assert.deepEqual(
    { drained: rows([0, 50, 100, 99.5, 20, 0]), gap: rows([0, 100, Number.NaN]), held: rows([0, 100]), nothing: rows([0, 0]), empty: rows([]) },
    { drained: 3, gap: 1, held: 1, nothing: undefined, empty: undefined },
  );
});

test('the first wall ahead is one that ends a ramp, and not yet passed', () => {
  const facts = hostFacts();
  const plan = planRun(specFromInput({ connections: 5_000, protocol: 'websocket', engine: 'node' }), facts);
  const orphans = { id: 'orphans' as const, title: 'Orphans', at: 100, atAfterTuning: 100, evidence: '', remedy: '' };
  const ahead = figuresOf({ ...run('live', ['ramping']), plan: { ...plan, walls: [orphans, ...plan.walls] } }).nextWall;
  assert.equal(ahead?.at, firstWall(plan)?.atAfterTuning);
  assert.notEqual(ahead?.title, 'Orphans');
});
