import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serverCells, serverFigures, serverMarkdown, serverRow, type ServerRun } from '../../src/core/figures/serverComparison.js';
import { planRun } from '../../src/core/plan/plan.js';
import { specFromInput } from '../../src/core/profile.js';
import { hostFacts } from './builders/hostFacts.js';
import { sample, summary } from './builders/samples.js';

const spec = specFromInput({ connections: 1_000, engine: 'command', command: 'a', ports: 1 });
const facts = hostFacts();
const plan = planRun(spec, facts);

/** A run that held 1,000 connections: 8 kB of kernel for each pair, and what the server's processes grew by. */
function serverRun({ grownBytes = 5_000_000, held = 1_000, upstream = 0, rate = 500 } = {}): ServerRun {
  const ledger = sample().ledger;
  const kernel = 4_000 * (2 * held + upstream);
  return {
    first: sample({ ledger: { ...ledger, entries: { serverProcesses: 2_000_000 } } }),
    run: {
      spec,
      facts,
      plan,
      summary: summary({
        verdict: 'finished',
        target: 1_000,
        established: { server: held, client: held },
        connectRate: { mean: rate, p50: null, max: null },
        cpuMicrosecondsPerConnection: 50,
        ledger: { ...ledger, entries: { tcpSock: kernel, serverProcesses: 2_000_000 + grownBytes, clientProcesses: 9e9, programFiles: 9e9 } },
        ...(upstream === 0 ? {} : { foreign: { upstream } }),
        walls: held < 1_000 ? [{ id: 'serverRefusing', title: 'The server refuses', at: held, evidence: 'e', remedy: 'r' }] : [],
      }),
    },
  };
}

describe('servers compared', () => {
  it("takes the server's side apart from the clients'", () => {
    const { held, kernelBytes, userBytes, startBytes } = serverFigures(serverRun())!;
    assert.deepEqual({ held, kernelBytes, userBytes, startBytes }, { held: 1_000, kernelBytes: 4_000, userBytes: 5_000, startBytes: 2_000_000 });
  });

  it('adds the sockets of a proxy towards its upstream servers to its price', () => {
    assert.equal(Math.round(serverFigures(serverRun({ upstream: 1_000 }))!.kernelBytes!), 8_000);
  });

  it('says how many would fit in memory with what was measured, and which limit is before', () => {
    const { memoryCeiling, limit } = serverFigures(serverRun())!;
    const expected = (facts.memory.availableBytes - plan.guardBytes) / 9_000;
    assert.ok(Math.abs(memoryCeiling! / expected - 1) < 0.05, `${memoryCeiling}`);
    assert.equal(limit?.title, plan.walls.find(({ atAfterTuning }) => atAfterTuning === limit?.at)?.title);
  });

  it('takes the median of the runs that reached their target, and says of the others why', () => {
    const runs = [serverRun({ rate: 100 }), serverRun({ rate: 900 }), serverRun({ rate: 500 }), serverRun({ held: 300, rate: 9_000 })];
    const row = serverRow('a', 1_000, runs);
    assert.deepEqual([row.reached, row.figures?.connectsPerSecond, row.problem], [3, 500, 'The server refuses']);
    assert.match(serverCells([row])[0]![1]!, /^1,000 \(3 of 4 runs reached it: The server refuses\)$/);
  });

  it('puts the cheapest first, and one that held nothing last', () => {
    const rows = [serverRow('none', 1_000, []), serverRow('dear', 1_000, [serverRun()]), serverRow('cheap', 1_000, [serverRun({ grownBytes: 1_000 })])];
    assert.deepEqual(
      serverCells(rows).map(([name]) => name),
      ['cheap', 'dear', 'none'],
    );
    assert.match(serverMarkdown(rows, 'here'), /\| cheap \| 1,000 \| 4,000 B \| 1 B \| /);
  });
});
