/**
 * `npm run test:soak [RUNS] [SEED]`: 200 runs of 2,000 connections, each killed at a random moment by a random fault, seeded and
 * repeatable. Ends with code 1 when anything is left on a host or a run does not tell how it ended.
 */
import { existsSync } from 'node:fs';
import { describeRow, soak } from './faults/soak.js';
import { agentPath } from './faults/runCase.js';
import { stopLab } from './support/host.js';
import { missingForHosts } from './support/packages.js';

const runs = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? 20_141_101);
const missing = missingForHosts() ?? (existsSync(agentPath) ? undefined : 'dist/host/agent.cjs is not built (npm run build)');

async function main(): Promise<number> {
  if (missing !== undefined) {
    console.log(`The soak cannot run here: ${missing}`);
    return 1;
  }
  const began = Date.now();
  const rows = await soak({ runs, seed, hosts: 4, report: (row) => console.log(describeRow(row)) });
  const bad = rows.filter((row) => row.problems.length > 0);
  console.log(`${rows.length} runs in ${Math.round((Date.now() - began) / 1_000)} s with seed ${seed}: ${bad.length} left something behind or told no truth.`);
  return bad.length === 0 ? 0 : 1;
}

main()
  .then(async (code) => {
    await stopLab();
    process.exitCode = code;
  })
  .catch(async (error: unknown) => {
    console.error(error);
    await stopLab();
    process.exitCode = 1;
  });
