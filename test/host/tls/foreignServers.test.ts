import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { tlsFailureOf } from '../../../src/core/walls/tlsFailures.js';
import type { ClientTls } from '../../../src/protocol/tls.js';
import { clientTls } from '../support/tlsPeers.js';
import { clientPlan, WorkerProcess } from '../support/workerProcess.js';
import { makeCertificates, type CertificateFiles, type TestCertificates } from './certificates.js';
import { foreignServers, plainEcho, withForeignServer, type ForeignServer, type Service } from './foreignServers.js';

/** Our client against servers of others: what is negotiated, and what it says when nothing can be. Each case is a line of the table. */
const table: string[][] = [];
let certificates: TestCertificates;

before(() => void (certificates = makeCertificates()));
after(() => {
  certificates.remove();
  const widths = [0, 1].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const [peer, name, result] of table) console.log(`${peer!.padEnd(widths[0]!)}  ${name!.padEnd(widths[1]!)}  ${result}`);
});

type MakeService = (all: TestCertificates) => Service;
type MakeTls = (all: TestCertificates) => Partial<ClientTls>;

const good: MakeService = ({ good: certificate }) => ({ certificate });
const withClients: MakeService = ({ good: certificate, authority }) => ({ certificate, clientAuthority: authority.certificate });
const only =
  (version: '1.2' | '1.3'): MakeService =>
  ({ good: certificate }) => ({ certificate, minimumVersion: version, maximumVersion: version });
const shows =
  (name: 'wrongName' | 'expired' | 'selfSigned' | 'unknownIssuer'): MakeService =>
  (all) => ({ certificate: all[name] });
const showing =
  (name: 'client' | 'strangeClient', more: Partial<ClientTls> = {}): MakeTls =>
  (all) => ({ clientCertificate: pathsOf(all[name]), ...more });
const pathsOf = ({ certificate, key }: CertificateFiles) => ({ certificate, key });
const nothing: MakeTls = () => ({});

const accepted: [name: string, service: MakeService, tls: MakeTls, negotiated: RegExp][] = [
  ['both versions', good, nothing, /^TLSv1\.3 /],
  ['server with 1.2 only', only('1.2'), nothing, /^TLSv1\.2 /],
  ['server with 1.3 only', only('1.3'), nothing, /^TLSv1\.3 /],
  ['client with 1.2 only', good, () => ({ maximumVersion: '1.2' }), /^TLSv1\.2 /],
  ['resumed, 1.3', good, () => ({ resume: true }), /^TLSv1\.3 /],
  ['resumed, 1.2', only('1.2'), () => ({ resume: true }), /^TLSv1\.2 /],
  ['client certificate, 1.3', withClients, showing('client'), /^TLSv1\.3 /],
  ['client certificate, 1.2', withClients, showing('client', { maximumVersion: '1.2' }), /^TLSv1\.2 /],
];

/** What Python's asyncio and, over the issuer of a client, Node do: they end the connection without an alert. */
const withoutAlert = 'tls.closed';
/** With TLS 1.3 a client's certificate is refused when the client's half is done: without an alert that is a connection that was closed at once. */
const closedAtOnce = 'closed at once';

const refused: [name: string, service: MakeService, tls: MakeTls, failures: string[], ofClients?: boolean][] = [
  ['server 1.2, client 1.3', only('1.2'), () => ({ minimumVersion: '1.3' }), ['tls.version', withoutAlert]],
  ['server 1.3, client 1.2', only('1.3'), () => ({ maximumVersion: '1.2' }), ['tls.version', withoutAlert]],
  ['wrong name', shows('wrongName'), nothing, ['tls.certificate.wrongName']],
  ['expired', shows('expired'), (all) => ({ trust: trusting(all.expired) }), ['tls.certificate.expired']],
  ['self-signed', shows('selfSigned'), nothing, ['tls.certificate.selfSigned']],
  ['unknown issuer', shows('unknownIssuer'), nothing, ['tls.certificate.unknownIssuer']],
  ['no client certificate, 1.3', withClients, nothing, ['tls.alert.certificateRequired', closedAtOnce], true],
  ['no client certificate, 1.2', withClients, () => ({ maximumVersion: '1.2' }), ['tls.alert.handshakeFailure', withoutAlert], true],
  ['unknown client certificate, 1.3', withClients, showing('strangeClient'), ['tls.alert.unknownIssuer', closedAtOnce], true],
  ['unknown client certificate, 1.2', withClients, showing('strangeClient', { maximumVersion: '1.2' }), ['tls.alert.unknownIssuer', withoutAlert], true],
];

function trusting({ certificate }: CertificateFiles): ClientTls['trust'] {
  return { kind: 'certificate', file: certificate, andSystem: false };
}

async function withClient(port: number, tls: Partial<ClientTls>, connections: number, body: (client: WorkerProcess) => Promise<void>): Promise<void> {
  const security = clientTls({ trust: trusting(certificates.authority), ...tls });
  const client = new WorkerProcess(clientPlan([{ port, protocol: 'tcp' }], { tls: security }));
  try {
    await client.ready();
    if (security.resume && connections > 1) {
      // Whoever resumes needs a ticket, and the first connection brings one.
      client.send({ type: 'target', connections: 1, rate: 0 });
      await client.until(() => client.open === 1, 'the first');
      await delay(200);
    }
    client.send({ type: 'target', connections, rate: 0 });
    await body(client);
  } finally {
    client.kill();
  }
}

async function isAccepted(server: ForeignServer, port: number, tls: Partial<ClientTls>, negotiated: RegExp): Promise<string> {
  const connections = server.isSingle === true ? 1 : 40;
  let result = '';
  await withClient(port, tls, connections, async (client) => {
    await client.until(() => client.open === connections && client.stats?.tls !== undefined, `${connections} open`);
    if (server.echoes) {
      const burst = await client.burst(1, 2, 70_000);
      assert.deepEqual([burst.messages, burst.lost], [2 * connections, 0]);
    }
    const { stats } = client;
    assert.deepEqual([stats!.failed, stats!.lost, stats!.tls!.handshakes], [{}, 0, connections]);
    assert.match(stats!.tls!.negotiated ?? '', negotiated);
    assert.equal(stats!.tls!.resumed, tls.resume === true ? connections - 1 : 0);
    client.send({ type: 'target', connections: 0, rate: 0 });
    await client.until(() => client.open === 0, 'none open');
    assert.equal(client.stats!.lost, 0);
    result = `${stats!.tls!.negotiated}, ${stats!.tls!.resumed} of ${connections} resumed`;
  });
  return result;
}

async function isRefused(port: number, tls: Partial<ClientTls>, failures: readonly string[]): Promise<string> {
  let [name, text] = ['', ''];
  await withClient(port, tls, 1, async (client) => {
    await client.until(() => client.failures > 0 || client.stats?.blocked !== undefined, 'a failure');
    const { failed, lost, blocked } = client.stats!;
    name = Object.keys(failed)[0] ?? closedAtOnce;
    assert.ok(failures.includes(name), `${JSON.stringify(failed)} instead of ${failures.join(' or ')}`);
    if (name !== closedAtOnce) assert.equal(lost, 0);
    else assert.match(blocked!.text, /20 attempts in a row .* 20 closed at once/);
    text = blocked?.text ?? '';
  });
  return `${tlsFailureOf(name)?.text ?? text} (${name})`;
}

function row(peer: string, name: string, body: () => Promise<string>): void {
  test(`${peer}: ${name}`, { timeout: 30_000 }, async () => {
    const line = [peer, name, 'FAILED'];
    table.push(line);
    line[2] = await body();
  });
}

suite('our client and the servers of others', () => {
  for (const server of foreignServers) {
    const serve = async (make: MakeService, body: (port: number) => Promise<string>) => {
      let result = '';
      await withForeignServer(server, make(certificates), async (port) => void (result = await body(port)));
      return result;
    };
    for (const [name, service, tls, negotiated] of accepted)
      row(server.name, name, () => serve(service, (port) => isAccepted(server, port, tls(certificates), negotiated)));
    for (const [name, service, tls, failures, ofClients] of refused) {
      if (ofClients === true && !server.refusesClients) continue;
      row(server.name, name, () => serve(service, (port) => isRefused(port, tls(certificates), failures)));
    }
  }

  row('plain echo server', 'no TLS at all', async () => {
    const echo = await plainEcho();
    try {
      return await isRefused(echo.port, {}, ['tls.plain']);
    } finally {
      echo.close();
    }
  });
});
