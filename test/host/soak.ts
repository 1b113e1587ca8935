/**
 * `npm run test:soak [KILLS] [SEED]`: 1,000 times one to four random processes of a run are killed or stopped at a random moment, in
 * both isolations, seeded. Ends with code 1 when anything is left on a host, a stranger was touched, or a run does not say how it ended.
 */
import { existsSync } from 'node:fs';
import { describeRow, soak } from './faults/soak.js';
import { agentPath } from './faults/runCase.js';
import { stopLab } from './support/host.js';
import { missingForHosts } from './support/packages.js';

const kills = Number(process.argv[2] ?? 1_000);
const seed = Number(process.argv[3] ?? 20_141_101);
/** Most of a run's time is waiting: for its hold, for a guardian's patience, for a silence. */
const hosts = 8;
const missing = missingForHosts() ?? (existsSync(agentPath) ? undefined : 'dist/host/agent.cjs is not built (npm run build)');

async function main(): Promise<number> {
  if (missing !== undefined) {
    console.log(`The soak cannot run here: ${missing}`);
    return 1;
  }
  const began = Date.now();
  const rows = await soak({ kills, seed, hosts, report: (row) => console.log(describeRow(row)) });
  const bad = rows.filter((row) => row.problems.length > 0);
  const struck = rows.reduce((sum, row) => sum + row.strikes.length, 0);
  const seconds = Math.round((Date.now() - began) / 1_000);
  console.log(
    `${struck} kills in ${rows.length} runs in ${seconds} s with seed ${seed}: ${bad.length} runs left something behind, touched a stranger or said what is not so.`,
  );
  for (const row of bad) console.log(describeRow(row));
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
