/**
 * Records real runs into walls that the matrix does not meet: `node --import tsx test/host/walls/record.ts [WALL]…` as root, after
 * `npm run build`. Writes test/unit/fixtures/recorded/WALL.json.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from '../../../src/protocol/plan.js';
import { recordedCases } from './recordedCases.js';
import { inStage, type Outcome, removeLeftovers } from './runCase.js';

const directory = join(import.meta.dirname, '..', '..', 'unit', 'fixtures', 'recorded');
/** Samples up to the one in which the wall was named, and after it. */
const samplesBefore = 8;
const samplesAfter = 1;
const largestBytes = 50_000;

/** Of many equal workers and targets a few are enough to judge a run again. */
function shortened(plan: Plan, most: number): Plan {
  const clientWorkers = plan.clientWorkers.slice(0, most).map((worker) => ({ ...worker, targets: worker.targets.slice(0, most) }));
  return { ...plan, serverWorkers: plan.serverWorkers.slice(0, most), clientWorkers };
}

function recordingOf(wall: string, title: string, { events, plan }: Outcome): string {
  const facts = events.find((event) => event.type === 'facts')?.facts;
  if (plan === undefined || facts === undefined) throw new Error('the run did not begin');
  const told = events.findIndex((event) => event.type === 'wall' && event.wall.id === wall);
  if (told === -1) throw new Error(`${wall} was not named`);
  const samples = (part: typeof events) => part.flatMap((event) => (event.type === 'sample' ? [event] : []));
  const kept = [...samples(events.slice(0, told)).slice(-samplesBefore), ...samples(events.slice(told)).slice(0, samplesAfter)];
  for (let most = 256; most > 0; most = Math.floor(most / 2)) {
    const text = JSON.stringify({ title, kernel: facts.kernel, wall, facts, plan: shortened(plan, most), samples: kept });
    if (text.length < largestBytes) return text;
  }
  throw new Error('the recording is too long');
}

const wanted = process.argv.slice(2);
removeLeftovers();
for (const make of recordedCases) {
  const wallCase = make();
  if (wanted.length > 0 && !wanted.includes(wallCase.wall)) continue;
  await inStage(wallCase, (outcome) => {
    const walls = outcome.events.flatMap((event) => (event.type === 'wall' ? [`${event.wall.id} at ${event.wall.at}: ${event.wall.evidence}`] : []));
    console.log(`${wallCase.wall}: exit ${outcome.code} after ${outcome.seconds.toFixed(0)} s\n  ${walls.join('\n  ')}`);
    writeFileSync(join(directory, `${wallCase.wall}.json`), `${recordingOf(wallCase.wall, wallCase.title, outcome)}\n`);
  });
}
