import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { protocolLedger } from '../../src/core/figures/protocolLedger.js';
import type { Sample } from '../../src/protocol/events.js';
import { sample } from './builders/samples.js';

type Processes = { server: number | null; client: number | null };

/** 300 TCP and 100 WebSocket connections: 800 sockets in all. */
function both(tcp: Processes, websocket: Processes): Sample {
  const counts = (count: number, processBytes: Processes) => ({
    server: count,
    client: count,
    messagesPerSecond: 0,
    bytesPerSecond: 0,
    messagesTotal: 0,
    bytesTotal: 0,
    processBytes,
  });
  return sample({
    established: { server: 400, client: 400 },
    byProtocol: { tcp: counts(300, tcp), websocket: counts(100, websocket) },
    ledger: { ...sample().ledger, entries: { tcpSock: 800_000, file: 80_000, serverProcesses: 9_000, clientProcesses: 7_000 } },
  });
}

describe('the ledger of one protocol in a run of both', () => {
  const measured = both({ server: 6_000, client: 3_000 }, { server: 3_000, client: 4_000 });

  it('divides the objects of the kernel by sockets and takes processes as they were measured', () => {
    assert.deepEqual(protocolLedger(measured, 'tcp'), {
      entries: { tcpSock: 600_000, file: 60_000, serverProcesses: 6_000, clientProcesses: 3_000 },
      bytesPerEnd: 669_000 / 600,
    });
    assert.deepEqual(protocolLedger(measured, 'websocket'), {
      entries: { tcpSock: 200_000, file: 20_000, serverProcesses: 3_000, clientProcesses: 4_000 },
      bytesPerEnd: 227_000 / 200,
    });
  });

  it('adds up to the whole', () => {
    const parts = [protocolLedger(measured, 'tcp')!, protocolLedger(measured, 'websocket')!];
    for (const [id, bytes] of Object.entries(measured.ledger.entries)) assert.equal(parts[0]!.entries[id]! + parts[1]!.entries[id]!, bytes, id);
  });

  it('tells no bytes per end where one process serves both', () => {
    const part = protocolLedger(both({ server: null, client: 3_000 }, { server: null, client: 4_000 }), 'tcp')!;
    assert.equal(part.bytesPerEnd, null);
    assert.equal(part.entries.serverProcesses, undefined);
  });

  it('has none for a protocol that the run does not use', () => assert.equal(protocolLedger(sample(), 'websocket'), null));
});
