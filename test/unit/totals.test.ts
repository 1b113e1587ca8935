import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CountedWorker, totalsOf } from '../../src/agent/load/totals.js';
import type { ClientMessages, WorkerStats } from '../../src/protocol/worker.js';

const nothing: WorkerStats = {
  type: 'stats',
  atMs: 1_000,
  connecting: 0,
  failed: {},
  lost: 0,
  tcpMessages: 0,
  tcpBytes: 0,
  websocketMessages: 0,
  websocketBytes: 0,
  cpuMicroseconds: 0,
};
const worker = (role: CountedWorker['role'], stats: Partial<WorkerStats>, end: 'living' | 'ended' | 'died' = 'living'): CountedWorker => ({
  role,
  stats: { ...nothing, ...stats },
  messages: stats.messages,
  hasEnded: end !== 'living',
  hasDied: end === 'died',
});
const messages = (planned: number, echoed: number, lost: number): ClientMessages => ({
  tcp: { planned, echoed, lost },
  websocket: { planned: 0, echoed: 0, lost: 0 },
  histogram: '',
  concluded: false,
});
const counters = (opened: number, open: number) => ({ opened, open, closed: opened - open });

/** The totals without what stands at nothing; of a protocol: server, client, opened, messages, bytes. */
function counted(...workers: CountedWorker[]): Record<string, unknown> {
  const { tcp, websocket, established, failed, cpuMicroseconds, tls, ...sums } = totalsOf(workers);
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(sums)) if (value > 0) shown[name] = value;
  for (const [name, { server, client, opened, messages, bytes, planned, lostMessages }] of Object.entries({ tcp, websocket })) {
    const text = [server, client, opened, messages, bytes].join(' ');
    if (text !== '0 0 0 0 0') shown[name] = text;
    if (planned > 0) shown[`${name} messages`] = { planned, echoed: messages, lost: lostMessages };
  }
  if (established.server + established.client > 0) shown['established'] = `${established.server} ${established.client}`;
  if (failed.total > 0) shown['failed'] = { ...failed.byErrno, total: failed.total };
  if (cpuMicroseconds.server + cpuMicroseconds.client > 0) shown['cpu'] = `${cpuMicroseconds.server} ${cpuMicroseconds.client}`;
  if (tls !== undefined) shown['tls'] = tls;
  return shown;
}

describe('counts of all workers', () => {
  const cases: [string, CountedWorker[], Record<string, unknown>][] = [
    ['no workers', [], {}],
    ['one that has told nothing yet', [{ role: 'client', stats: undefined, hasEnded: false }], {}],
    [
      'both sides; what is opened is told by the clients alone',
      [worker('server', { tcp: counters(90, 80) }), worker('client', { tcp: counters(100, 85), connecting: 3 })],
      { tcp: '80 85 100 0 0', established: '80 85', opened: 100, connecting: 3 },
    ],
    [
      'both protocols in the same workers',
      [
        worker('server', { tcp: counters(5, 5), websocket: counters(7, 7), cpuMicroseconds: 20 }),
        worker('client', { tcp: counters(5, 5), websocket: counters(7, 7), cpuMicroseconds: 30 }),
        worker('client', { websocket: counters(2, 1), cpuMicroseconds: 40 }),
      ],
      { tcp: '5 5 5 0 0', websocket: '7 8 9 0 0', established: '12 13', opened: 14, cpu: '20 70' },
    ],
    [
      'messages are counted where they are answered for: at the clients',
      [
        worker('server', { tcpMessages: 9, tcpBytes: 90, websocketMessages: 9, websocketBytes: 90, lost: 9, failed: { EPIPE: 9 } }),
        worker('client', { tcpMessages: 4, tcpBytes: 40, websocketMessages: 3, websocketBytes: 30, lost: 2 }),
      ],
      { tcp: '0 0 0 4 40', websocket: '0 0 0 3 30', lost: 2 },
    ],
    [
      'failures by their names',
      [worker('client', { failed: { ECONNREFUSED: 2, halfOpen: 1 } }), worker('client', { failed: { ECONNREFUSED: 5 } })],
      { failed: { ECONNREFUSED: 7, halfOpen: 1, total: 8 } },
    ],
    [
      'one that has ended holds nothing, but what it did stays done',
      [
        worker('client', { tcp: counters(50, 40), connecting: 6, lost: 10, tcpMessages: 8, tcpBytes: 64, cpuMicroseconds: 5 }, 'ended'),
        worker('client', { tcp: counters(30, 30) }),
      ],
      { tcp: '0 30 80 8 64', established: '0 30', opened: 80, lost: 10, cpu: '0 5' },
    ],
    [
      'what one that died held and owed is lost; what another one closes or still awaits is not',
      [
        worker('client', { tcp: counters(10_000, 10_000), lost: 3, messages: messages(500, 400, 10) }, 'died'),
        worker('client', { tcp: counters(10, 8), lost: 1, messages: messages(50, 40, 2) }, 'ended'),
        worker('server', { tcp: counters(10_000, 10_000) }, 'died'),
      ],
      { tcp: '0 0 10010 440 0', opened: 10_010, lost: 10_004, 'tcp messages': { planned: 550, echoed: 440, lost: 102 } },
    ],
  ];
  for (const [title, workers, expected] of cases) it(title, () => assert.deepEqual(counted(...workers), expected));
});
