import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { makeRunCertificate } from '../../src/agent/runCertificate.js';
import type { ClientTls, ServerTls } from '../../src/protocol/tls.js';
import { clientTls, serverTls } from './support/tlsPeers.js';
import { both, clientPlan, freePort, serverPlan, withPair, WorkerProcess } from './support/workerProcess.js';

type Protocol = 'tcp' | 'websocket';

const rsa = makeRunCertificate('rsa2048', ['localhost']);

/** What a run over TLS may ask for, and what the handshakes must then be. */
const variants: [name: string, server: Partial<ServerTls>, client: Partial<ClientTls>, negotiated: RegExp, minimumResumed: number][] = [
  ['TLS 1.3, ECDSA', {}, {}, /^TLSv1\.3 TLS_AES_256_GCM_SHA384$/, 0],
  ['TLS 1.2, ECDSA', {}, { maximumVersion: '1.2' }, /^TLSv1\.2 ECDHE-ECDSA-/, 0],
  ['TLS 1.2, RSA', { ...rsa, maximumVersion: '1.2' }, { trust: { kind: 'certificate', pem: rsa.certificate, andSystem: false } }, /^TLSv1\.2 ECDHE-RSA-/, 0],
  ['TLS 1.3, resumed', { tickets: 1 }, { resume: true }, /^TLSv1\.3 /, 100],
  ['TLS 1.2, resumed', { tickets: 1, maximumVersion: '1.2' }, { resume: true }, /^TLSv1\.2 /, 100],
];

suite('workers over TLS', { timeout: 120_000, concurrency: 3 }, () => {
  for (const engine of ['epoll', 'node'] as const) {
    for (const [name, ofServer, ofClient, negotiated, minimumResumed] of variants) {
      test(`${engine}, ${name}: up, burst, down, up again, stop`, async () => {
        const ports = (['tcp', 'websocket'] as Protocol[]).map((protocol) => ({ port: freePort(), protocol }));
        await withPair(
          new WorkerProcess(serverPlan(ports, { engine, tls: serverTls(ofServer) })),
          () => new WorkerProcess(clientPlan(ports, { tls: clientTls(ofClient) })),
          async (server, client) => {
            client.send({ type: 'target', connections: 300, rate: 0 });
            await both(client, server, 300);
            const small = await client.burst(1, 3, 64);
            assert.deepEqual([small.messages, small.bytes, small.lost], [900, 900 * 64, 0]);
            client.send({ type: 'target', connections: 20, rate: 0 });
            await both(client, server, 20);
            const large = await client.burst(2, 2, 400_000);
            assert.deepEqual([large.messages, large.bytes, large.lost], [40, 16_000_000, 0]);
            client.send({ type: 'target', connections: 200, rate: 0 });
            await both(client, server, 200);
            assert.equal(client.stats?.lost, 0);
            assert.deepEqual(client.stats.failed, {});
            assert.deepEqual(server.stats?.failed, {});
            const { tls } = client.stats;
            assert.match(tls?.negotiated ?? '', negotiated);
            assert.equal(tls?.handshakes, 480);
            assert.equal(server.stats.tls?.handshakes, 480);
            assert.equal(server.stats.tls.resumed, tls.resumed);
            assert.ok(minimumResumed === 0 ? tls.resumed === 0 : tls.resumed >= minimumResumed, `${tls.resumed} were resumed`);
            assert.equal(await server.stop(), 0);
            assert.equal(await client.stop(), 0);
          },
        );
      });
    }
  }
});
