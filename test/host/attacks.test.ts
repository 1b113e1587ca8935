import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { opener } from './faults/attackCase.js';
import { deathAttacks } from './faults/deathAttacks.js';
import { placeAttacks } from './faults/placeAttacks.js';
import { leftoversBetween, pidsOf, snapshotOf } from './faults/hostSnapshot.js';
import { agentPath } from './faults/runCase.js';
import { startHost, stopLab } from './support/host.js';
import { missingForHosts } from './support/packages.js';
import { selectCases } from './support/selection.js';

const atOnce = 6;
const skip = missingForHosts() ?? (existsSync(agentPath) ? false : 'dist/host/agent.cjs is not built (npm run build)');
const only = process.env.C10M_ATTACK;
after(stopLab);

test('each attack on the host is refused or survived, and changes nothing', { skip, timeout: 300_000, concurrency: atOnce }, async (t) => {
  const selected = selectCases([...placeAttacks, ...deathAttacks], only);
  await Promise.all(
    selected.map(({ each: attack, index }) =>
      t.test(`${attack.name}: ${attack.met}`, { timeout: 120_000 }, async () => {
        const host = await startHost({ name: `a${index}`, ...attack.variants });
        const { open, close } = opener(host);
        try {
          const before = await snapshotOf(host);
          await attack.attack(host, open);
          close();
          // Processes of the cases' own end a moment later.
          for (let tries = 0; tries < 20 && (await host.exec(pidsOf('any'))).stdout !== ''; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
          const after = await snapshotOf(host);
          // Files are what the attacks are made of: each case looks at those itself.
          assert.deepEqual(leftoversBetween({ ...before, files: [] }, { ...after, files: [] }), []);
        } finally {
          close();
          await host.stop();
        }
      }),
    ),
  );
});
