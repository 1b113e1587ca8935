import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { describeRow, soak } from './faults/soak.js';
import { agentPath } from './faults/runCase.js';
import { stopLab } from './support/host.js';
import { missingForHosts } from './support/packages.js';

const skip = missingForHosts() ?? (existsSync(agentPath) ? false : 'dist/host/agent.cjs is not built (npm run build)');
after(stopLab);

test('20 kills of random processes at random moments leave nothing behind (the long form: npm run test:soak)', { skip, timeout: 300_000 }, async () => {
  const rows = await soak({ kills: 20, seed: 20_141_101, hosts: 4, report: (row) => console.log(describeRow(row)) });
  assert.ok(rows.length > 5);
  assert.deepEqual(rows.filter((row) => row.problems.length > 0).map(describeRow), []);
});
