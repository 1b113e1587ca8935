import { rowOf, SampleColumnStore } from '../../../src/core/figures/sampleColumns.js';
import type { Sample } from '../../../src/protocol/events.js';
import { compareRuns } from '../../../src/core/figures/compare.js';
import type { ComparisonSnapshot, PanelSnapshot } from '../../../src/protocol/panel.js';
import type { SavedRun } from '../../../src/protocol/result.js';
import type { RunSpec } from '../../../src/protocol/spec.js';

const runSpec: RunSpec = {
  version: 1,
  host: 'local',
  clientHosts: [],
  connections: 100_000,
  protocol: 'websocket',
  client: 'sockets',
  engine: 'epoll',
  reconnect: 'backoff',
  holdSeconds: 60,
  stages: [],
  isolation: 'netns',
  tuning: 'apply',
  websocketPath: '/ws',
  thresholds: [],
  leaseSeconds: 120,
  waitForHost: false,
  failOnClientHostLoss: false,
};

/** The sample of second `second` of a run that ramps for `rampSeconds`, with costs like those measured. */
export function syntheticSample(second: number, rampSeconds = 20, target = 100_000): Sample {
  const server = Math.min(target, Math.round((target * second) / rampSeconds));
  const client = Math.min(target, server + (second < rampSeconds ? 40 : 0));
  const ends = server + client;
  const wave = 1 + 0.05 * Math.sin(second / 7);
  return {
    seq: second + 1,
    t: second * 1000,
    type: 'sample',
    phase: second < rampSeconds ? 'ramping' : 'holding',
    target,
    established: { server, client },
    byProtocol: { websocket: { server, client, messagesPerSecond: 0, bytesPerSecond: 0, messagesTotal: 0, bytesTotal: 0 } },
    connecting: second < rampSeconds ? 120 : 0,
    failed: { total: second > 12 ? 3 : 0, byErrno: second > 12 ? { ETIMEDOUT: 3 } : {} },
    lost: 0,
    connectRate: second < rampSeconds ? (target / rampSeconds) * wave : 0,
    ledger: {
      entries: {
        tcpSock: ends * 2_240,
        socketInode: ends * 832,
        dentry: ends * 192,
        file: ends * 256,
        epoll: ends * 192,
        fdTable: ends * 9,
        socketBuffers: ends * 40 * wave,
        pageTables: 900_000,
        serverProcesses: 31_000_000 + ends * 30,
        clientProcesses: 33_000_000 + ends * 25,
      },
      explainedBytes: ends * 4_200,
      growthBytes: ends * 4_230,
      explainedRatio: 0.993,
      bytesPerEnd: ends === 0 ? null : 4_480 + 64_000_000 / Math.max(ends, 1),
      bytesPerPair: ends === 0 ? null : 8_960 + 128_000_000 / Math.max(ends, 1),
      memAvailableFallBytes: ends * 3_300,
      approximate: false,
      contamination: [],
    },
    memory: { availableBytes: 22e9 - ends * 4_200, totalBytes: 25e9, guardBytes: 1e9, cgroupCurrentBytes: null },
    cpu: {
      server: second < rampSeconds ? 0.7 * wave : 0.02,
      client: second < rampSeconds ? 0.9 * wave : 0.02,
      supervisor: 0.03,
      host: second < rampSeconds ? 1.7 : 0.1,
      cores: 2,
    },
    sockstat: { inUse: ends, allocated: ends, orphan: 0, timeWait: 0, memoryPages: 12 },
    netstat: {},
    limits: { fileMax: { used: ends, limit: 9e15 } },
  };
}

/** A run in progress as the extension would tell it to a new panel, with `seconds` samples. */
export function syntheticSnapshot(seconds: number, rampSeconds = 20): PanelSnapshot {
  const store = new SampleColumnStore();
  for (let second = 0; second < seconds; second++) store.append(rowOf(syntheticSample(second, rampSeconds)));
  const ramping = seconds <= rampSeconds;
  return {
    type: 'snapshot',
    texts: {},
    samples: store.snapshot(),
    entries: [
      { seq: 1, t: 0, kind: 'phase', level: 'info', text: 'probing' },
      { seq: 2, t: 300, kind: 'worker', level: 'info', text: 'server-1 ready, pid 4711' },
      { seq: 3, t: 12_000, kind: 'log', level: 'warn', text: 'ETIMEDOUT on 3 connections', remedy: 'Look at the backlog.' },
    ],
    run: {
      runId: '01K0000000',
      title: '100,000 WebSocket connections',
      host: 'local',
      startedAt: '2026-11-23T04:00:00.000Z',
      spec: runSpec,
      link: 'live',
      phases: [{ phase: 'probing', t: 0 }, { phase: 'ramping', t: 900 }, ...(ramping ? [] : [{ phase: 'holding' as const, t: rampSeconds * 1000 }])],
      last: syntheticSample(Math.max(0, seconds - 1), rampSeconds),
      walls: [{ id: 'nofile', title: 'File descriptors of a worker', at: 65_000, evidence: 'RLIMIT_NOFILE 65,536', remedy: 'Raise the hard limit of nofile.' }],
      tags: ['nightly'],
      plan: {
        requested: 100_000,
        connections: 100_000,
        protocol: 'websocket',
        client: 'sockets',
        engine: 'epoll',
        isolation: 'netns',
        serverWorkers: [],
        clientWorkers: [],
        sysctls: [
          {
            key: 'net.ipv4.ip_local_port_range',
            scope: 'netns',
            current: '32768\t60999',
            target: '1024\t65535',
            reason: 'one source address needs a port for each connection',
          },
        ],
        walls: [
          {
            id: 'memory',
            title: 'Memory of the host',
            at: 2_100_000,
            atAfterTuning: 2_100_000,
            evidence: '22 GB are available.',
            remedy: 'Take a host with more memory.',
          },
        ],
        largestFit: { beforeTuning: 28_000, afterTuning: 2_100_000 },
        predicted: { bytesPerEnd: 4_500, bytesPerPair: 9_000, totalBytes: 900_000_000 },
        guardBytes: 1e9,
        notes: ['The run lives in its own network namespace.'],
      },
    },
  };
}

/** A run as it is saved, with its samples; `factor` makes it cost and ramp differently. */
export function syntheticSavedRun(id: string, factor: number, seconds = 60): { run: SavedRun; samples: Sample[] } {
  const { run: panelRun } = syntheticSnapshot(seconds);
  const rampSeconds = 20 * factor;
  const samples = Array.from({ length: seconds }, (_value, second) => syntheticSample(second, rampSeconds));
  const { ledger } = samples.at(-1)!;
  const bytesPerEnd = ledger.bytesPerEnd! * factor;
  return {
    samples,
    run: {
      format: 1,
      id,
      tags: [],
      pinned: false,
      startedAt: panelRun.startedAt,
      endedAt: '2026-11-23T04:01:00.000Z',
      c10mVersion: '0.1.0',
      spec: { ...runSpec, protocol: factor === 1 ? 'websocket' : 'tcp' },
      ...(panelRun.plan === undefined ? {} : { plan: panelRun.plan }),
      summary: {
        verdict: 'finished',
        target: 100_000,
        established: { server: 100_000, client: 100_000 },
        byProtocol: {},
        failed: { total: 3, byErrno: { ETIMEDOUT: 3 } },
        lost: 0,
        connectRate: { mean: 5_000 / factor, p50: 5_000 / factor, max: 5_400 / factor },
        bytesPerEnd,
        bytesPerPair: bytesPerEnd * 2,
        ledger: { ...ledger, bytesPerEnd, bytesPerPair: bytesPerEnd * 2 },
        explainedRatio: 0.993,
        cpuMicrosecondsPerConnection: 28,
        rampSeconds,
        elapsedSeconds: seconds,
        waitedSeconds: 0,
        walls: [],
        hostRestored: true,
        keys: [],
        thresholds: [],
        endSeen: true,
        exitCode: 0,
      },
    },
  };
}

/** Two runs as the comparison panel is told of them. */
export function syntheticComparison(): ComparisonSnapshot {
  const runs = [syntheticSavedRun('20261123-040000-aaaaaa', 1), syntheticSavedRun('20261123-050000-bbbbbb', 1.5)];
  return {
    type: 'comparison',
    comparison: compareRuns(runs),
    samples: runs.map(({ samples }) => {
      const store = new SampleColumnStore();
      for (const sample of samples) store.append(rowOf(sample));
      return store.snapshot();
    }),
    texts: {},
  };
}
