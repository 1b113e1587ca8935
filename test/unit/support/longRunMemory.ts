/**
 * What a run of twelve hours costs the process that follows or opens it, each in a process of its own: `--expose-gc longRunMemory.ts CASE DIRECTORY`,
 * `live` first. Writes a line of JSON: bytes beyond what the process had before. `held`: after a garbage collection, buffers outside of the heap
 * included; `peak`: resident memory at most, by the kernel's own mark.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { RunRecording } from '../../../src/history/recording.js';
import { RunStore } from '../../../src/history/store.js';
import type { RunEvent } from '../../../src/protocol/events.js';
import { RunRecord } from '../../../src/run/runRecord.js';
import { readRunView } from '../../../src/vscode/panels/savedRunView.js';
import { sample, savedRun, summary } from '../builders/samples.js';

export interface Cost {
  held: number;
  peak: number;
}

const seconds = 43_200;
const collect = globalThis.gc!;

function heldBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** VmHWM, which writing 5 into clear_refs starts anew. */
function peakBytes(): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
}

async function costOf<T>(act: () => T | Promise<T>): Promise<{ cost: Cost; value: T }> {
  const before = heldBytes();
  const residentBefore = process.memoryUsage.rss();
  writeFileSync('/proc/self/clear_refs', '5');
  const value = await act();
  const peak = peakBytes() - residentBefore;
  return { cost: { held: heldBytes() - before, peak }, value };
}

const { id, spec, startedAt, c10mVersion } = savedRun('20261123-040000-aaaaaa');

/** Follows a run to its end, as a window does that looks at it now and then. */
async function follow(store: RunStore): Promise<RunRecord> {
  const record = new RunRecord(id, spec);
  record.saveIn(RunRecording.begin(store, { id, spec, startedAt, version: c10mVersion }));
  for (let second = 0; second < seconds; second++) {
    // Each from its own line, as it comes from a host.
    record.accept(JSON.parse(JSON.stringify(sample({ seq: second + 1, t: second * 1_000, connectRate: second % 997 }))) as RunEvent);
    if (second % 3_600 === 0) record.sampleColumns();
    if (second % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  record.accept({ type: 'summary', seq: seconds + 1, t: seconds * 1_000, summary: summary() });
  record.close();
  return record;
}

const [what, directory] = process.argv.slice(2);
const store = new RunStore(directory!);
// Compiled and loaded before it is measured.
store.list();
const { cost, value } = await costOf<object>(() => (what === 'live' ? follow(store) : readRunView(store, id)));
process.stdout.write(`${JSON.stringify({ ...cost, isHeld: value instanceof Object } satisfies Cost & { isHeld: boolean })}\n`);
