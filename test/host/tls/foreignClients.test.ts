import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import type { ServerTls } from '../../../src/protocol/tls.js';
import { runCertificate, serverTls } from '../support/tlsPeers.js';
import { freePort, serverPlan, WorkerProcess } from '../support/workerProcess.js';
import { closeBrowser, foreignClients, type ForeignClient, type Visit } from './foreignClients.js';

/** Clients of others against our servers: what they verify, what is refused, and what the server counts. Each case is a line of the table. */
const table: string[][] = [];
const directory = mkdtempSync(join(tmpdir(), 'c10m-tls-clients-'));
const authority = join(directory, 'authority.pem');
writeFileSync(authority, runCertificate.certificate);

after(async () => {
  await closeBrowser();
  rmSync(directory, { recursive: true, force: true });
  const widths = [0, 1].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const [peer, name, result] of table) console.log(`${peer!.padEnd(widths[0]!)}  ${name!.padEnd(widths[1]!)}  ${result}`);
});

const cases: { name: string; server?: Partial<ServerTls>; visit?: Partial<Visit>; stranger?: boolean; refused?: boolean; settable?: boolean }[] = [
  { name: 'both versions' },
  { name: 'server with 1.2 only', server: { maximumVersion: '1.2' } },
  { name: 'server with 1.3 only', server: { minimumVersion: '1.3' } },
  { name: 'client with 1.2 only', visit: { maximumVersion: '1.2' }, settable: true },
  { name: 'client with 1.3 only', visit: { minimumVersion: '1.3' }, settable: true },
  { name: 'server 1.2, client 1.3', server: { maximumVersion: '1.2' }, visit: { minimumVersion: '1.3' }, refused: true, settable: true },
  { name: 'server 1.3, client 1.2', server: { minimumVersion: '1.3' }, visit: { maximumVersion: '1.2' }, refused: true, settable: true },
  { name: 'a client that does not know the certificate', stranger: true, refused: true },
  { name: 'a client that asks for another name', visit: { serverName: 'other.example' }, refused: true, settable: true },
];

async function visited(client: ForeignClient, engine: 'epoll' | 'node', { server: of, visit, stranger, refused }: (typeof cases)[number]): Promise<string> {
  const ports = [{ port: freePort(), protocol: client.protocol }];
  const server = new WorkerProcess(serverPlan(ports, { engine, tls: serverTls(of) }));
  try {
    await server.ready();
    const known = { authority, authorityPem: runCertificate.certificate };
    const trust = stranger === true ? {} : known;
    const versions = { minimumVersion: '1.2', maximumVersion: '1.3' } as const;
    const visiting = client.visit({ ...ports[0]!, ...versions, serverName: 'localhost', ...trust, ...visit });
    if (refused === true) await assert.rejects(visiting);
    else await visiting;
    await server.until(() => (refused === true ? server.failures : (server.stats?.tls?.handshakes ?? 0)) > 0, 'a count');
    await server.until(() => server.open === 0 && server.stats?.connecting === 0, 'nothing open');
    // It goes on serving whoever comes next.
    if (refused === true && of === undefined) {
      await client.visit({ ...ports[0]!, ...versions, serverName: 'localhost', ...known });
    }
    const { failed, tls } = server.stats!;
    return refused === true ? `refused, the server counts ${JSON.stringify(failed)}` : `echoed over ${tls!.negotiated}`;
  } finally {
    server.kill();
  }
}

suite('our servers and the clients of others', () => {
  for (const engine of ['epoll', 'node'] as const) {
    for (const client of foreignClients) {
      for (const one of cases) {
        if (one.settable === true && !client.isSettable) continue;
        test(`${engine}, ${client.name}: ${one.name}`, { timeout: 60_000 }, async () => {
          const line = [`${engine}, ${client.name}`, one.name, 'FAILED'];
          table.push(line);
          line[2] = await visited(client, engine, one);
        });
      }
    }
  }
});
