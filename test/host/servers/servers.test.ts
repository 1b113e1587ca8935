import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunEvent } from '../../../src/protocol/events.js';
import type { RunSpecInput } from '../../../src/protocol/spec.js';
import { specFor } from '../faults/remoteRun.js';
import { openRelayWithState, skipWithoutAgent } from '../support/localRelay.js';
import { freePort } from '../support/workerProcess.js';

const skip = skipWithoutAgent || (process.getuid?.() === 0 ? false : 'needs root for a network namespace');

type Summary = Extract<RunEvent, { type: 'summary' }>['summary'];

interface ServerCase {
  program: string;
  spec: Partial<RunSpecInput>;
  /** Connections; a few thousand show what a million would. */
  connections?: number;
  /** The server's own count, asked inside its network namespace while they are held. */
  oracle?: { command: string[]; count: RegExp; beside?: number };
  expect?: (summary: Summary) => void;
}

const nginxHead = 'daemon off; pid {directory}/nginx.pid; error_log stderr; worker_processes 2; worker_rlimit_nofile 8192; events { worker_connections 4096; }';

/** Servers that nobody here wrote. Each counts for itself what we say that it holds. */
const servers: Record<string, ServerCase> = {
  redis: {
    program: 'redis-server',
    spec: { opening: 'redis', firstPort: 6379, ports: 1, command: 'exec redis-server --port {port} --bind {address} --save ""' },
    oracle: { command: ['redis-cli', '-p', '6379', 'info', 'clients'], count: /connected_clients:(\d+)/, beside: 1 },
  },
  'redis in the background': {
    program: 'redis-server',
    spec: { firstPort: 6379, ports: 1, command: 'redis-server --port {port} --bind {address} --save "" --daemonize yes' },
    oracle: { command: ['redis-cli', '-p', '6379', 'info', 'clients'], count: /connected_clients:(\d+)/, beside: 1 },
  },
  mosquitto: {
    program: 'mosquitto',
    spec: {
      opening: 'mqtt',
      firstPort: 1883,
      ports: 1,
      configTemplate: 'listener {port} {address}\nallow_anonymous true\nsys_interval 1\n',
      command: 'exec mosquitto -c {config}',
      holdSeconds: 6,
    },
  },
  memcached: {
    program: 'memcached',
    spec: { opening: 'memcached', firstPort: 11_211, ports: 1, command: 'exec memcached -u root -p {port} -l {address} -c 8000' },
  },
  'nats-server': { program: 'nats-server', spec: { opening: 'nats', firstPort: 4222, ports: 1, command: 'exec nats-server -a {address} -p {port}' } },
  ngircd: {
    program: 'ngircd',
    connections: 300,
    spec: {
      opening: 'irc',
      firstPort: 6667,
      ports: 1,
      configTemplate:
        '[Global]\nName = irc.test\nInfo = test\nPorts = {port}\nListen = {address}\nServerUID = irc\nServerGID = irc\n[Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxListSize = 0\n[Options]\nDNS = no\nIdent = no\nPAM = no\n',
      command: 'chmod 755 {directory} && exec ngircd -n -f {config}',
    },
  },
  'nginx over HTTP': {
    program: 'nginx',
    spec: {
      opening: 'http-keepalive',
      configTemplate: `${nginxHead} http { access_log off; server { listen {address}:{port} backlog=4096; location / { return 204; } } }`,
      command: 'exec nginx -c {config} -p {directory}',
      ports: 1,
    },
  },
  'nginx as a proxy of a stream': {
    program: '/usr/lib/nginx/modules/ngx_stream_module.so',
    spec: {
      configTemplate: `load_module /usr/lib/nginx/modules/ngx_stream_module.so; ${nginxHead} stream { server { listen {address}:{port} backlog=4096; proxy_pass 127.0.0.1:19999; } }`,
      command:
        'python3 -c \'import socket,time; s=socket.create_server(("127.0.0.1", 19999), backlog=4096); a=[]\nwhile True: a.append(s.accept())\' & sleep 1; exec nginx -c {config} -p {directory}',
      ports: 1,
    },
    expect: (summary) => assert.ok((summary.foreign?.upstream ?? 0) >= 1_900, `upstream sockets are a line of their own: ${JSON.stringify(summary.foreign)}`),
  },
};

const hasProgram = (name: string) =>
  name.startsWith('/') ? existsSync(name) : spawnSync('sh', ['-c', `command -v ${name}`], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } }).status === 0;

describe('servers that people have', { skip, timeout: 300_000 }, () => {
  for (const [name, { program, spec, connections = 1_000, oracle, expect }] of Object.entries(servers)) {
    const missing = hasProgram(program) ? false : `${program} is not installed`;
    it(name, { skip: missing, timeout: 60_000 }, async (t) => {
      const relay = openRelayWithState(t);
      const runSpec = specFor({ connections, engine: 'command', holdSeconds: 3, leaseSeconds: 60, ...spec });
      await relay.value((id) => ({ type: 'start', id, runId: 'server', owner: 'me', spec: runSpec }));
      await relay.waitFor('phase', ({ phase }) => phase === 'holding' || phase === 'failed');
      await delay(1_000);
      const server = relay.events.find((event) => event.type === 'worker' && event.role === 'server' && event.pid !== undefined);
      const pid = server?.type === 'worker' ? (server.pid ?? 0) : 0;
      const own = oracle === undefined ? undefined : spawnSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...oracle.command], { encoding: 'utf8' }).stdout;
      const { summary } = await relay.waitFor('summary');
      assert.deepEqual(
        [summary.verdict, summary.established.server, summary.established.client],
        ['finished', connections, connections],
        summary.reason ?? JSON.stringify(summary.walls),
      );
      assert.equal(summary.lost, 0);
      assert.equal(summary.hostRestored, true);
      if (oracle !== undefined) assert.equal(Number(oracle.count.exec(own ?? '')?.[1]) - (oracle.beside ?? 0), connections, own);
      expect?.(summary);
    });
  }
});

/** A server of its own, which the run does not start. */
function startRedis(port: number, more: string[] = []): ChildProcess {
  return spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...more], { stdio: 'ignore', cwd: '/' });
}

describe('a server that runs already', { skip: skip || (hasProgram('redis-server') ? false : 'redis-server is not installed'), timeout: 120_000 }, () => {
  it('is found, loaded, its limit named, and left as it was', async (t) => {
    const port = freePort();
    const redis = startRedis(port, ['--maxclients', '600']);
    t.after(() => redis.kill('SIGKILL'));
    const ask = (...words: string[]) => spawnSync('redis-cli', ['-p', String(port), ...words], { encoding: 'utf8' }).stdout;
    for (let tries = 0; tries < 200 && !ask('ping').includes('PONG'); tries++) await delay(20);
    const relay = openRelayWithState(t);
    const found = (await relay.value((id) => ({ type: 'servers', id }))) as { pid: number; name: string; endpoints: { port: number }[] }[];
    assert.ok(found.some((server) => server.pid === redis.pid && server.name === 'redis-server' && server.endpoints.some((one) => one.port === port)));
    const spec = specFor({ engine: 'attach', attach: String(port), isolation: 'host', opening: 'redis', connections: 1_000, holdSeconds: 1, tuning: 'none' });
    await relay.value((id) => ({ type: 'start', id, runId: 'limited', owner: 'me', spec }));
    const limited = await relay.waitFor('summary');
    const wall = limited.summary.walls.find(({ id }) => id === 'serverRefusing');
    assert.match(wall?.evidence ?? '', /max number of clients reached.*maxclients/s, JSON.stringify(limited.summary.walls));
    const attempts = limited.summary.established.client + limited.summary.failed.total;
    assert.ok(attempts <= 1_020, `${attempts} attempts`);
    ask('config', 'set', 'maxclients', '3000');
    const second = openRelayWithState(t);
    await second.value((id) => ({ type: 'start', id, runId: 'raised', owner: 'me', spec: specFor({ ...spec, connections: 2_000 }) }));
    const { summary } = await second.waitFor('summary');
    assert.deepEqual([summary.verdict, summary.established.server, summary.established.client], ['finished', 2_000, 2_000], summary.reason);
    assert.equal(redis.exitCode, null, 'redis lives');
    assert.match(ask('config', 'get', 'maxclients'), /3000/);
    assert.match(ask('info', 'clients'), /connected_clients:1\r/);
  });

  it('is refused where nothing listens', async (t) => {
    const relay = openRelayWithState(t);
    const spec = specFor({ engine: 'attach', attach: String(freePort()), isolation: 'host', connections: 10 });
    const reply = await relay.request((id) => ({ type: 'start', id, runId: 'nobody', owner: 'me', spec }));
    assert.ok(!reply.ok && reply.error.code === 'usage', JSON.stringify(reply));
  });
});

describe('what clients say first', { skip, timeout: 120_000 }, () => {
  const secret = 'correct-horse-battery';
  const talker = (answer: string) =>
    `exec python3 -c 'import socketserver\nclass H(socketserver.BaseRequestHandler):\n  def handle(self):\n    self.request.recv(100); self.request.sendall(${answer}); self.request.recv(100)\nclass S(socketserver.ThreadingTCPServer):\n  allow_reuse_address=True; daemon_threads=True; request_queue_size=512\nS(("127.0.0.1", {port}), H).serve_forever()'`;
  for (const [name, answer, evidence] of [
    ['a wrong answer', 'b"NO\\r\\n"', /step 2 of the opening|opening 2/],
    ['a binary answer', 'bytes([0, 255, 7])', /\\x00\\xff\\x07/],
  ] as const) {
    it(`${name} names the step and the bytes, and no secret is kept`, async (t) => {
      const state = mkdtempSync(join(tmpdir(), 'c10m-opening-'));
      t.after(() => rmSync(state, { recursive: true, force: true }));
      const relay = openRelayWithState(t);
      const spec = specFor({
        connections: 200,
        engine: 'command',
        command: talker(answer),
        ports: 1,
        opening: { steps: [{ send: 'HELLO {env:TOKEN}\r\n' }, { expect: { prefix: 'OK' } }] },
      });
      await relay.value((id) => ({ type: 'start', id, runId: 'opening', owner: 'me', spec, secrets: { TOKEN: secret } }));
      const { summary } = await relay.waitFor('summary');
      assert.match(JSON.stringify(summary.walls).replaceAll('\\\\', '\\'), evidence);
      assert.equal(summary.established.client, 0);
      assert.ok(!JSON.stringify(relay.events).includes(secret), 'no event holds the secret');
    });
  }
});

it('IPv6: both ends on ::1', { skip, timeout: 60_000 }, async (t) => {
  const relay = openRelayWithState(t);
  await relay.value((id) => ({ type: 'start', id, runId: 'six', owner: 'me', spec: specFor({ connections: 2_000, address: '::1', holdSeconds: 1 }) }));
  const { summary } = await relay.waitFor('summary');
  assert.deepEqual([summary.verdict, summary.established.server, summary.established.client], ['finished', 2_000, 2_000], summary.reason);
  assert.ok(existsSync('/proc/net/tcp6') && readFileSync('/proc/net/sockstat6', 'utf8').includes('TCP6'));
});
