import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { truthCases } from '../truth/cases.js';
import { holds, tableHead, tableLines, tableText } from '../truth/checks.js';
import { runCase } from '../truth/runCase.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = process.platform !== 'linux' || process.getuid?.() !== 0 ? 'needs root on Linux' : !existsSync(cli) ? 'dist/cli.js is not built' : false;

/** The quick part of `npm run test:truth`. */
describe('figures beside the counters of the kernel', { skip }, () => {
  for (const truthCase of truthCases.filter(({ quick }) => quick)) {
    it(truthCase.name, async () => {
      const checks = await runCase(truthCase);
      assert.ok(checks.length > 0 && checks.every(holds), `\n${tableText([tableHead, ...tableLines(truthCase.name, checks)])}`);
    });
  }
});
