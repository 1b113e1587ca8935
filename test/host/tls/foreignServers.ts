import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../support/workerProcess.js';
import type { CertificateFiles } from './certificates.js';

type Version = '1.2' | '1.3';

/** What a foreign server must do. */
export interface Service {
  certificate: CertificateFiles;
  minimumVersion?: Version;
  maximumVersion?: Version;
  /** Only clients with a certificate of this authority (a PEM file). */
  clientAuthority?: string;
}

export interface ForeignServer {
  name: string;
  /** It serves one connection after the other. */
  isSingle?: boolean;
  /** It sends back what it gets. */
  echoes: boolean;
  /** It ends the handshake of a client without a certificate, and not only its requests. */
  refusesClients: boolean;
  /** A shell command; `directory` is its own, `echoPort` that of a plain echo server. */
  command(port: number, service: Service & { minimumVersion: Version; maximumVersion: Version }, directory: string, echoPort: number): string;
}

const patienceMs = 10_000;

const nginx: ForeignServer = {
  name: 'nginx',
  echoes: false,
  refusesClients: false,
  command(port, { certificate, minimumVersion, maximumVersion, clientAuthority }, directory) {
    const versions = (['1.2', '1.3'] as const).filter((version) => version >= minimumVersion && version <= maximumVersion).map((version) => `TLSv${version}`);
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ');
    const verify = clientAuthority === undefined ? '' : `ssl_verify_client on; ssl_client_certificate ${clientAuthority};`;
    writeFileSync(
      join(directory, 'nginx.conf'),
      `daemon off; master_process off; pid ${directory}/nginx.pid; error_log stderr crit; events { worker_connections 1024; }
      http { access_log off; ${paths} server { listen 127.0.0.1:${port} ssl; ssl_certificate ${certificate.certificate}; ssl_certificate_key ${certificate.key};
      ssl_protocols ${versions.join(' ')}; ${verify} } }`,
    );
    return `exec /usr/sbin/nginx -p ${directory} -e stderr -c ${directory}/nginx.conf`;
  },
};

const haproxy: ForeignServer = {
  name: 'haproxy',
  echoes: true,
  refusesClients: true,
  command(port, { certificate, minimumVersion, maximumVersion, clientAuthority }, directory, echoPort) {
    const verify = clientAuthority === undefined ? '' : `verify required ca-file ${clientAuthority}`;
    writeFileSync(
      join(directory, 'haproxy.cfg'),
      `defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port} ssl crt ${certificate.together} ssl-min-ver TLSv${minimumVersion} ssl-max-ver TLSv${maximumVersion} ${verify}
  default_backend back
backend back
  server echo 127.0.0.1:${echoPort}
`,
    );
    return `exec /usr/sbin/haproxy -db -q -f ${directory}/haproxy.cfg`;
  },
};

const openssl: ForeignServer = {
  name: 'openssl s_server',
  isSingle: true,
  echoes: false,
  refusesClients: true,
  command(port, { certificate, minimumVersion, maximumVersion, clientAuthority }) {
    const only = minimumVersion === maximumVersion ? (minimumVersion === '1.2' ? '-tls1_2' : '-tls1_3') : '';
    const verify = clientAuthority === undefined ? '' : `-Verify 2 -verify_return_error -CAfile ${clientAuthority}`;
    return `exec openssl s_server -quiet -accept 127.0.0.1:${port} -cert ${certificate.certificate} -key ${certificate.key} ${only} ${verify}`;
  },
};

const nodeText = `
const { readFileSync } = require('node:fs');
const [port, certificate, key, minVersion, maxVersion, ca] = process.argv.slice(2);
const clients = ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true, ca: readFileSync(ca) };
require('node:tls')
  .createServer({ cert: readFileSync(certificate), key: readFileSync(key), minVersion: 'TLSv' + minVersion, maxVersion: 'TLSv' + maxVersion, ...clients }, (socket) =>
    socket.on('error', () => undefined).pipe(socket))
  .on('tlsClientError', () => undefined)
  .listen(Number(port), '127.0.0.1');
`;

const node: ForeignServer = {
  name: "Node's tls",
  echoes: true,
  refusesClients: true,
  command(port, { certificate, minimumVersion, maximumVersion, clientAuthority }, directory) {
    writeFileSync(join(directory, 'server.cjs'), nodeText);
    return `exec ${process.execPath} ${directory}/server.cjs ${port} ${certificate.certificate} ${certificate.key} ${minimumVersion} ${maximumVersion} ${clientAuthority ?? ''}`;
  },
};

const pythonText = `
import asyncio, ssl, sys
port, certificate, key, least, most = sys.argv[1:6]
versions = {'1.2': ssl.TLSVersion.TLSv1_2, '1.3': ssl.TLSVersion.TLSv1_3}
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
context.minimum_version, context.maximum_version = versions[least], versions[most]
if len(sys.argv) > 6:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(sys.argv[6])
async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(echo, '127.0.0.1', int(port), ssl=context)
    await server.serve_forever()
asyncio.run(main())
`;

const python: ForeignServer = {
  name: "Python's ssl",
  echoes: true,
  refusesClients: true,
  command(port, { certificate, minimumVersion, maximumVersion, clientAuthority }, directory) {
    writeFileSync(join(directory, 'server.py'), pythonText);
    return `exec /usr/bin/python3 ${directory}/server.py ${port} ${certificate.certificate} ${certificate.key} ${minimumVersion} ${maximumVersion} ${clientAuthority ?? ''}`;
  },
};

export const foreignServers: readonly ForeignServer[] = [nginx, haproxy, openssl, node, python];

/** Runs a foreign server for the time of `body`; its words are shown when it does not start. */
export async function withForeignServer(server: ForeignServer, service: Service, body: (port: number) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'c10m-tls-server-'));
  const port = freePort();
  const echo = await plainEcho();
  const words: string[] = [];
  const command = server.command(port, { minimumVersion: '1.2', maximumVersion: '1.3', ...service }, directory, echo.port);
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => words.push(chunk.toString()));
  try {
    await untilListening(port, child, () => `${server.name} does not listen: ${words.join('').slice(-2_000)}`);
    await body(port);
  } finally {
    await endOf(child);
    echo.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Asked by /proc: a connection of ours would be the only one that `openssl s_server` serves. */
async function untilListening(port: number, child: ChildProcess, say: () => string): Promise<void> {
  const hex = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`;
  const deadline = performance.now() + patienceMs;
  while (!readFileSync('/proc/net/tcp', 'utf8').includes(hex)) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(say());
    await delay(10);
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

/** An echo server without TLS in this process. */
export async function plainEcho(): Promise<{ port: number; close(): void }> {
  const port = freePort();
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
