import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { specFor } from '../faults/remoteRun.js';
import { openRelay, openRelayWithState, stateFor } from '../support/localRelay.js';
import { freePort } from '../support/workerProcess.js';
import { daemons } from './daemons.js';
import { has } from './programs.js';
import { skipServers as skip, testServers, type ServerCase } from './serverCase.js';

/** A few of the table that `npm run test:servers` runs, with fewer connections: a process that leaves its tree, and a proxy. */
describe('servers that people have', { skip, timeout: 300_000 }, () => {
  const few = (name: string): ServerCase => ({ ...daemons[name]!, connections: 1_000 });
  testServers({ 'redis in the background': few('redis in the background'), 'nginx, stream proxy': few('nginx, stream proxy') });
});

/** A server of its own, which the run does not start. */
function startRedis(port: number, more: string[] = []): ChildProcess {
  return spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...more], { stdio: 'ignore', cwd: '/' });
}

describe('a server that runs already', { skip: skip || (has('redis-server') ? false : 'redis-server is not installed'), timeout: 120_000 }, () => {
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
    ['a missing answer', 'b""', /opening 2/],
  ] as const) {
    it(`${name} names the step and the bytes, and no secret is kept`, async (t) => {
      const state = stateFor(t);
      const relay = openRelay(t, state);
      const spec = specFor({
        connections: 200,
        engine: 'command',
        command: talker(answer),
        ports: 1,
        opening: { steps: [{ send: 'HELLO {env:TOKEN}\r\n' }, { expect: { prefix: 'OK' }, withinSeconds: 1 }] },
      });
      await relay.value((id) => ({ type: 'start', id, runId: 'opening', owner: 'me', spec, secrets: { TOKEN: secret } }));
      const { summary } = await relay.waitFor('summary');
      assert.match(JSON.stringify(summary.walls).replaceAll('\\\\', '\\'), evidence);
      assert.equal(summary.established.client, 0);
      assert.ok(!JSON.stringify(relay.events).includes(secret), 'no event holds the secret');
      const found = spawnSync('grep', ['-rla', secret, state], { encoding: 'utf8' });
      assert.deepEqual([found.status, found.stdout], [1, ''], 'no file of the run holds it');
      assert.ok(existsSync(join(state, 'runs', 'opening')), 'the directory of the run was looked through');
    });
  }

  it('a name that is none: one sentence with the step, and nothing is opened', async (t) => {
    const relay = openRelayWithState(t);
    const opening = { steps: [{ send: 'A' }, { send: '{conection}' }] };
    await relay.value((id) => ({ type: 'start', id, runId: 'template', owner: 'me', spec: specFor({ connections: 200, ports: 1, opening }) }));
    const { summary } = await relay.waitFor('summary');
    assert.equal(summary.established.client, 0);
    assert.match(summary.reason ?? '', /Step 2 of the opening: \{conection\} is not a valid name.*\{connection\}/s);
  });
});

it('IPv6: both ends on ::1', { skip, timeout: 60_000 }, async (t) => {
  const relay = openRelayWithState(t);
  await relay.value((id) => ({ type: 'start', id, runId: 'six', owner: 'me', spec: specFor({ connections: 2_000, address: '::1', holdSeconds: 1 }) }));
  const { summary } = await relay.waitFor('summary');
  assert.deepEqual([summary.verdict, summary.established.server, summary.established.client], ['finished', 2_000, 2_000], summary.reason);
  assert.ok(existsSync('/proc/net/tcp6') && readFileSync('/proc/net/sockstat6', 'utf8').includes('TCP6'));
});
