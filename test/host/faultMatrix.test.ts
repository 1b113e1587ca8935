import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { faultCases } from './faults/cases.js';
import { statelessCases } from './faults/statelessCases.js';
import { agentPath, runCase, type CaseRow } from './faults/runCase.js';
import { stopLab } from './support/host.js';
import { missingForHosts } from './support/packages.js';
import { selectCases } from './support/selection.js';

/** Most cases wait for a lease: several at a time keep the matrix under two minutes on two cores. */
const atOnce = 8;

const skip = missingForHosts() ?? (existsSync(agentPath) ? false : 'dist/host/agent.cjs is not built (npm run build)');
const only = process.env.C10M_FAULT;
const rows: CaseRow[] = [];

after(async () => {
  await stopLab();
  for (const row of rows) {
    console.log(
      `${row.name.padEnd(48)} ${row.verdict.padEnd(9)} ${row.seconds.toFixed(1).padStart(5)} s  ${row.reason}${row.reason === '' ? '' : ' | '}${row.checked}`,
    );
  }
});

test('after every fault the host is as before and the run tells how it ended', { skip, timeout: 600_000, concurrency: atOnce }, async (t) => {
  const selected = selectCases([...faultCases, ...statelessCases], only);
  await Promise.all(
    selected.map(({ each: fault, index }) =>
      t.test(fault.name, { timeout: 120_000 }, async () => {
        rows.push(await runCase(fault, index));
      }),
    ),
  );
});
