import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { RunEvent } from '../../src/protocol/events.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = process.platform !== 'linux' || process.getuid?.() !== 0 ? 'needs root on Linux' : !existsSync(cli) ? 'dist/cli.js is not built' : false;
/** 100k shows the same and takes twice as long: C10M_LEDGER_CONNECTIONS=100000. */
const connections = Number(process.env.C10M_LEDGER_CONNECTIONS ?? 50_000);

describe('the memory ledger', { skip }, () => {
  for (const protocol of ['tcp', 'websocket']) {
    it(`explains 95 % of what ${connections} ${protocol} connections take, and the plan predicts it within 5 %`, () => {
      const home = mkdtempSync(join(tmpdir(), 'c10m-ledger-'));
      try {
        const args = ['run', '--json', '--runs', join(home, 'runs'), '--connections', String(connections), '--protocol', protocol, '--hold', '3s'];
        const environment = { ...process.env, HOME: home, C10M_STATE_DIRECTORY: join(home, 'state'), TMPDIR: home };
        const { stdout, stderr, status } = spawnSync(process.execPath, [cli, ...args], {
          encoding: 'utf8',
          env: environment,
          timeout: 60_000,
          maxBuffer: 64 * 1024 * 1024,
        });
        const events = stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as RunEvent);
        const plan = events.flatMap((event) => (event.type === 'plan' ? [event.plan] : []))[0];
        const summary = events.flatMap((event) => (event.type === 'summary' ? [event.summary] : []))[0];
        assert.ok(status === 0 && plan !== undefined && summary !== undefined, stderr);
        assert.deepEqual(summary.established, { server: connections, client: connections });
        const { explainedRatio, bytesPerPair, ledger } = summary;
        const predicted = plan.predicted.bytesPerPair;
        const story = `${protocol}: explained ${((explainedRatio ?? 0) * 100).toFixed(1)} %, measured ${bytesPerPair?.toFixed(0)} B a pair, predicted ${predicted.toFixed(0)} B`;
        console.log(story);
        assert.equal(ledger?.approximate, false);
        assert.ok(explainedRatio !== null && explainedRatio >= 0.95, `${story}; ${JSON.stringify(ledger)}`);
        const growth = ledger.growthBytes;
        assert.ok(ledger.explainedBytes < growth * 1.05, `${story}; no more than memory grew by: ${JSON.stringify(ledger)}`);
        assert.ok(bytesPerPair !== null && Math.abs(predicted / bytesPerPair - 1) < 0.05, `${story}; ${JSON.stringify(ledger)}`);
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    });
  }
});
