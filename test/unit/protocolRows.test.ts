import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { protocolRows } from '../../src/core/figures/protocolRows.js';
import { sample, summary } from './builders/samples.js';

const counts = (count: number, messages: number) => ({
  server: count,
  client: count,
  messagesPerSecond: messages,
  bytesPerSecond: messages * 64,
  messagesTotal: messages * 2,
  bytesTotal: messages * 128,
  processBytes: { server: 1_000, client: 1_000 },
});
const both = (messages: number) =>
  sample({ established: { server: 400, client: 400 }, byProtocol: { tcp: counts(300, messages), websocket: counts(100, messages) } });

describe('the two protocols of a run, side by side', () => {
  it('are shown for a run of both, with and without messages', () => {
    const rows = protocolRows({ protocol: 'both' }, both(50), undefined);
    assert.deepEqual(
      rows.map(({ title, server, messagesPerSecond, bytesPerSecond, messagesTotal }) => [title, server, messagesPerSecond, bytesPerSecond, messagesTotal]),
      [
        ['TCP', 300, 50, 3_200, 100],
        ['WebSocket', 100, 50, 3_200, 100],
      ],
    );
    assert.ok(rows.every((row) => row.bytesPerEnd !== null));
    assert.equal(protocolRows({ protocol: 'both' }, both(0), undefined).length, 2);
  });

  it('are left out for one protocol without messages', () => assert.deepEqual(protocolRows({ protocol: 'tcp' }, sample(), undefined), []));

  it('tell the peak and no rate once the run is over', () => {
    const over = summary({ byProtocol: { tcp: { server: 310, client: 320, bytesPerEnd: 5_000 } } });
    const [row] = protocolRows({ protocol: 'both' }, both(50), over);
    assert.deepEqual([row?.server, row?.client, row?.bytesPerEnd, row?.messagesPerSecond, row?.messagesTotal], [310, 320, 5_000, null, 100]);
  });
});
