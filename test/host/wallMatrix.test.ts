import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type WallCase, wallCases } from './walls/cases.js';
import { caseTimeoutMs, cli, inStage, type Outcome, removeLeftovers } from './walls/runCase.js';

function missing(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  if (!existsSync(cli)) return 'dist/cli.js is not built: npm run build';
  return ['/usr/sbin/ip', '/sbin/ip', '/bin/ip'].some((path) => existsSync(path)) ? false : 'needs iproute2';
}

/** `npm run test:walls` has them all. */
const chosen = wallCases.filter(({ isLong }) => isLong !== true || process.env.C10M_ALL_WALLS === '1');
const table: string[][] = [['wall', 'how it was put up', 'predicted', 'named', 'seconds', 'evidence']];

function judgeCase(wallCase: WallCase, { events, plan, code, stderr, seconds }: Outcome): void {
  const walls = events.flatMap((event) => (event.type === 'wall' ? [event.wall] : []));
  const summary = events.find((event) => event.type === 'summary')?.summary;
  const target = plan?.requested === 'max' || plan === undefined ? Number.POSITIVE_INFINITY : plan.requested;
  const predicted = plan?.walls.find((wall) => wall.id === wallCase.wall && wall.atAfterTuning !== null && wall.atAfterTuning < target);
  const named = walls.find((wall) => wall.id === wallCase.wall);
  const predictedText = predicted === undefined ? (wallCase.isPredictable ? 'NO' : '–') : `at ${predicted.atAfterTuning!.toLocaleString('en-US')}`;
  const namedText = wallCase.wall === 'none' ? (walls.length === 0 ? 'none' : 'WRONG') : named === undefined ? 'NO' : `at ${named.at.toLocaleString('en-US')}`;
  table.push([wallCase.wall, wallCase.title, predictedText, namedText, seconds.toFixed(0), named?.evidence ?? '']);
  const story = `exit ${code}; walls ${walls.map((wall) => `${wall.id}: ${wall.evidence}`).join(' | ')}; ${summary?.reason ?? ''} ${JSON.stringify(summary?.failed)} ${stderr}`;
  assert.ok(summary !== undefined, story);
  assert.equal(summary.hostRestored, true, story);
  const allowed = new Set([wallCase.wall, ...(wallCase.beside ?? [])]);
  assert.deepEqual(
    walls.map((wall) => wall.id).filter((id) => !allowed.has(id)),
    [],
    `nothing else is blamed: ${story}`,
  );
  if (wallCase.wall === 'none') return;
  assert.ok(named !== undefined, `named during the run: ${story}`);
  assert.ok(named.evidence.length > 10 && named.remedy.length > 10, story);
  if (wallCase.isPredictable) assert.ok(predicted !== undefined, `predicted before it: ${JSON.stringify(plan?.walls)}`);
  if (wallCase.endsWithinSeconds !== undefined) {
    assert.equal(code, 98, `it ends by itself short of its target: ${story}`);
    assert.ok(seconds < wallCase.endsWithinSeconds, `it ended after ${seconds.toFixed(0)} s`);
  }
}

describe('wall matrix', { skip: missing(), concurrency: 1 }, () => {
  before(removeLeftovers);

  for (const waits of [true, false]) {
    describe(waits ? 'at the same time' : 'one after the other', { concurrency: waits }, () => {
      for (const wallCase of chosen.filter((one) => (one.waits ?? false) === waits)) {
        it(`${wallCase.wall}: ${wallCase.title}`, { timeout: caseTimeoutMs + 20_000, skip: wallCase.skip?.() ?? false }, () =>
          inStage(wallCase, (outcome) => judgeCase(wallCase, outcome)),
        );
      }
    });
  }

  after(() => {
    const widths = table[0]!.map((_head, column) => Math.max(...table.map((row) => row[column]!.length)));
    for (const row of table)
      console.log(
        row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd(),
      );
  });
});
