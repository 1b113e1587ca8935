import type { Sample, Summary } from '../../../src/protocol/events.js';
import type { SavedRun } from '../../../src/protocol/result.js';
import { specFromInput } from '../../../src/core/profile.js';
import type { SpecInput } from '../../../src/core/specInput.js';
import { hostFacts } from './hostFacts.js';

export type SampleChanges = Partial<Omit<Sample, 'type'>>;

/** A sample of a healthy ramp. */
export function sample(changes: SampleChanges = {}): Sample {
  return {
    type: 'sample',
    seq: 10,
    t: 3_000,
    phase: 'ramping',
    target: 100_000,
    established: { server: 50_000, client: 50_000 },
    byProtocol: { tcp: { server: 50_000, client: 50_000, messagesPerSecond: 0, bytesPerSecond: 0, messagesTotal: 0, bytesTotal: 0 } },
    connecting: 0,
    failed: { total: 0, byErrno: {} },
    lost: 0,
    connectRate: 40_000,
    ledger: {
      entries: { tcpSock: 250e6, serverProcesses: 50e6 },
      explainedBytes: 440e6,
      growthBytes: 450e6,
      explainedRatio: 0.978,
      bytesPerEnd: 4_400,
      bytesPerPair: 8_800,
      memAvailableFallBytes: 330e6,
      approximate: false,
      contamination: [],
    },
    memory: { availableBytes: 20e9, totalBytes: 25e9, guardBytes: 2.7e9, cgroupCurrentBytes: null },
    cpu: { server: 0.5, client: 0.6, supervisor: 0.05, host: 1.3, cores: 2 },
    sockstat: { inUse: 100_004, allocated: 100_044, orphan: 0, timeWait: 0, memoryPages: 10 },
    netstat: {},
    limits: { fileMax: { used: 101_500, limit: 2_466_177 } },
    ...changes,
  };
}

export function summary(changes: Partial<Summary> = {}): Summary {
  return {
    verdict: 'finished',
    target: 100_000,
    established: { server: 100_000, client: 100_000 },
    byProtocol: {},
    failed: { total: 0, byErrno: {} },
    lost: 0,
    connectRate: { mean: 40_000, p50: 41_000, max: 50_000 },
    bytesPerEnd: 4_400,
    bytesPerPair: 8_800,
    ledger: { ...sample().ledger, explainedBytes: 880e6 },
    explainedRatio: 0.978,
    cpuMicrosecondsPerConnection: 28,
    rampSeconds: 2.5,
    elapsedSeconds: 10,
    waitedSeconds: 0,
    walls: [],
    hostRestored: true,
    keys: [],
    thresholds: [],
    endSeen: true,
    exitCode: 0,
    ...changes,
  };
}

export function savedRun(id: string, input: SpecInput = {}, changes: Partial<Summary> = {}): SavedRun {
  return {
    format: 1,
    id,
    tags: [],
    pinned: false,
    startedAt: '2026-11-23T05:00:00.000Z',
    c10mVersion: '0.1.0',
    spec: specFromInput(input),
    facts: hostFacts(),
    summary: summary(changes),
  };
}
