import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { both, clientPlan, freePort, serverPlan, withPair, WorkerProcess } from './support/workerProcess.js';

type Protocol = 'tcp' | 'websocket';

const timeWait = (port: number) => {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`:${hex} `) && / 06 /.test(line)).length;
};

suite('a pair of workers on loopback', { timeout: 180_000, concurrency: 3 }, () => {
  for (const engine of ['epoll', 'node'] as const) {
    for (const protocols of [['tcp'], ['websocket'], ['tcp', 'websocket']] as Protocol[][]) {
      test(`${engine}, ${protocols.join(' and ')}: up, burst, down, up again, stop`, async () => {
        const ports = protocols.map((protocol) => ({ port: freePort(), protocol }));
        await withPair(
          new WorkerProcess(serverPlan(ports, { engine })),
          () => new WorkerProcess(clientPlan(ports)),
          async (server, client) => {
            client.send({ type: 'target', connections: 400, rate: 0 });
            await both(client, server, 400);
            for (const protocol of protocols) assert.equal(server.stats?.[protocol]?.open, 400 / protocols.length);
            const small = await client.burst(1, 3, 64);
            assert.deepEqual([small.messages, small.bytes, small.lost], [1_200, 1_200 * 64, 0]);
            const large = await client.burst(2, 2, 100_000);
            assert.deepEqual([large.messages, large.bytes, large.lost], [800, 80_000_000, 0]);
            client.send({ type: 'target', connections: 50, rate: 0 });
            await both(client, server, 50);
            client.send({ type: 'target', connections: 200, rate: 0 });
            await both(client, server, 200);
            assert.equal(client.stats?.lost, 0);
            assert.deepEqual(client.stats.failed, {});
            assert.equal(await server.stop(), 0);
            assert.equal(await client.stop(), 0);
            if (engine === 'epoll')
              assert.equal(
                ports.reduce((sum, { port }) => sum + timeWait(port), 0),
                0,
                'no TIME_WAIT is left',
              );
          },
        );
      });
    }
  }

  test('a burst to a server that never answers ends, and tells what is missing', async () => {
    const port = freePort();
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined))).listen(port, '127.0.0.1');
    const client = new WorkerProcess(clientPlan([{ port, protocol: 'tcp' }]));
    try {
      await client.ready();
      client.send({ type: 'target', connections: 10, rate: 0 });
      await client.until(() => client.open === 10, '10 open');
      const burst = await client.burst(1, 100, 1_000);
      assert.deepEqual([burst.messages, burst.lost], [0, 1_000]);
      const { tcp, histogram } = await client.conclude(1_000);
      const { totalCount, maxValue } = decodeFromCompressedBase64(histogram);
      assert.deepEqual([tcp, totalCount], [{ planned: 1_000, echoed: 0, lost: 0 }, 1_000]);
      assert.ok(maxValue > 9_500_000, `they count with their age: ${maxValue} µs`);
    } finally {
      client.kill();
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });
});

suite('workers on loopback', { timeout: 180_000 }, () => {
  test('the rate is kept, and changes while it runs', async () => {
    const ports = [{ port: freePort(), protocol: 'tcp' as const }];
    await withPair(
      new WorkerProcess(serverPlan(ports)),
      () => new WorkerProcess(clientPlan(ports)),
      async (server, client) => {
        client.send({ type: 'target', connections: 1_000, rate: 100 });
        const begin = performance.now();
        await client.until(() => client.open >= 100, '100 open');
        const elapsed = performance.now() - begin;
        assert.ok(elapsed > 800 && elapsed < 2_000, `100 connections at 100/s took ${elapsed} ms`);
        client.send({ type: 'target', connections: 1_000, rate: 10_000 });
        await both(client, server, 1_000);
        assert.ok(performance.now() - begin < elapsed + 3_000);
      },
    );
  });

  test('a ramp without refusals has no pauses: TCP connects no slower than WebSocket, which does more', async () => {
    /** Milliseconds for 2,000 connections. */
    const ramp = async (protocol: Protocol): Promise<number> => {
      const ports = [{ port: freePort(), protocol }];
      let elapsed = 0;
      await withPair(
        new WorkerProcess(serverPlan(ports, { nofile: 4_096 })),
        () => new WorkerProcess(clientPlan(ports, { connections: 2_000 })),
        async (server, client) => {
          const begin = performance.now();
          client.send({ type: 'target', connections: 2_000, rate: 0 });
          // It reports at once when it has them all.
          await client.until(() => client.open === 2_000, '2,000 open');
          elapsed = performance.now() - begin;
          assert.ok(server.exitCode === undefined);
        },
      );
      return elapsed;
    };
    const middle = (values: number[]) => values.sort((a, b) => a - b)[1]!;
    const times: Record<Protocol, number[]> = { tcp: [], websocket: [] };
    for (let round = 0; round < 3; round++) for (const protocol of ['tcp', 'websocket'] as const) times[protocol].push(await ramp(protocol));
    const [tcp, websocket] = [middle(times.tcp), middle(times.websocket)];
    assert.ok(tcp < websocket * 1.25 + 20, `TCP ${tcp.toFixed(0)} ms, WebSocket ${websocket.toFixed(0)} ms`);
  });

  test('a source address is used, and a server refuses other sources than it was told', async () => {
    const ports = [{ port: freePort(), protocol: 'tcp' as const }];
    await withPair(
      new WorkerProcess(serverPlan(ports, { allowedSources: ['127.0.0.9'] })),
      () => new WorkerProcess(clientPlan(ports, { source: '127.0.0.9' })),
      async (server, client) => {
        client.send({ type: 'target', connections: 20, rate: 0 });
        await both(client, server, 20);
        const stranger = connect(ports[0]!.port, '127.0.0.1');
        stranger.on('error', () => undefined);
        await new Promise<void>((resolve) => stranger.on('close', () => resolve()));
        await server.until(() => server.stats?.failed['notAllowed'] === 1, 'a refused stranger');
        assert.equal(server.open, 20);
      },
    );
  });

  test('refused connections are counted by errno and not tried in a hot loop', async () => {
    const client = new WorkerProcess(clientPlan([{ port: freePort(), protocol: 'tcp' }]));
    try {
      await client.ready();
      client.send({ type: 'target', connections: 100, rate: 0 });
      await client.until(() => (client.stats?.failed['ECONNREFUSED'] ?? 0) >= 4, 'refusals');
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assert.ok(client.failures < 15, `${client.failures} attempts`);
      assert.equal(client.stats?.blocked, undefined);
      assert.equal(await client.stop(), 0);
    } finally {
      client.kill();
    }
  });

  test('a descriptor limit blocks the ramp of a client and is told', async () => {
    const ports = [{ port: freePort(), protocol: 'tcp' as const }];
    await withPair(
      new WorkerProcess(serverPlan(ports)),
      () => new WorkerProcess(clientPlan(ports, { nofile: 200 })),
      async (_server, client) => {
        client.send({ type: 'target', connections: 1_000, rate: 0 });
        await client.until(() => client.stats?.blocked !== undefined, 'blocked');
        assert.equal(client.stats?.blocked?.errno, 'EMFILE');
        assert.equal(client.stats.blocked.call, 'socket');
        assert.ok(client.open > 100 && client.open < 200, String(client.open));
      },
    );
  });

  test('a descriptor limit blocks a server, which goes on serving what is open', async () => {
    const ports = [{ port: freePort(), protocol: 'tcp' as const }];
    await withPair(
      new WorkerProcess(serverPlan(ports, { nofile: 200 })),
      () => new WorkerProcess(clientPlan(ports)),
      async (server, client) => {
        client.send({ type: 'target', connections: 500, rate: 0 });
        await server.until(() => server.stats?.blocked?.errno === 'EMFILE', 'blocked');
        const before = server.stats!.cpuMicroseconds;
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        assert.ok(server.stats!.cpuMicroseconds - before < 300_000, 'it does not spin');
        client.send({ type: 'target', connections: 20, rate: 0 });
        await both(client, server, 20);
        const burst = await client.burst(1, 1, 64);
        assert.deepEqual([burst.messages, burst.lost], [20, 0]);
      },
    );
  });

  test('steady traffic comes back in time, and a server that stands still shows in the tail', async () => {
    const ports = [
      { port: freePort(), protocol: 'tcp' as const },
      { port: freePort(), protocol: 'websocket' as const },
    ];
    await withPair(
      new WorkerProcess(serverPlan(ports)),
      () => new WorkerProcess(clientPlan(ports, { traffic: { intervalSeconds: 0.5, bytes: 64 } })),
      async (server, client) => {
        client.send({ type: 'target', connections: 200, rate: 0 });
        await both(client, server, 200);
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        process.kill(server.pid, 'SIGSTOP');
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        process.kill(server.pid, 'SIGCONT');
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        const { tcp, websocket, histogram: encoded } = await client.messagesNow();
        const histogram = decodeFromCompressedBase64(encoded);
        assert.equal(histogram.totalCount, tcp.planned + websocket.planned);
        assert.ok(histogram.totalCount > 1_600 && histogram.totalCount < 2_800, `${histogram.totalCount} messages`);
        // Each connection planned two sends in the second of standstill, spread evenly: nothing is left out, even though none could be sent.
        assert.ok(histogram.maxValue > 900_000 && histogram.maxValue < 1_500_000, `longest ${histogram.maxValue} µs`);
        assert.ok(histogram.getValueAtPercentile(90) > 300_000, `p90 ${histogram.getValueAtPercentile(90)} µs`);
        const burst = await client.burst(1, 5, 64);
        assert.deepEqual([burst.messages, burst.lost], [1_000, 0], 'a burst beside steady traffic');
        assert.equal(client.stats?.lost, 0);
      },
    );
  });

  test('lost connections are counted and opened again', async () => {
    const port = freePort();
    const sockets: Socket[] = [];
    const fickle = createServer((socket) => void sockets.push(socket.on('error', () => undefined))).listen(port, '127.0.0.1');
    const client = new WorkerProcess(clientPlan([{ port, protocol: 'tcp' }]));
    try {
      await client.ready();
      client.send({ type: 'target', connections: 30, rate: 0 });
      await client.until(() => client.open === 30 && sockets.length === 30, '30 open');
      for (const socket of sockets.splice(0, 12)) socket.destroy();
      await client.until(() => client.stats?.lost === 12 && client.open === 30, '12 lost and opened again');
    } finally {
      client.kill();
      for (const socket of sockets) socket.destroy();
      fickle.close();
    }
  });

  test('a worker ends when its supervisor is gone, and answers nonsense with a log line', async () => {
    const server = new WorkerProcess(serverPlan([{ port: freePort(), protocol: 'tcp' }]));
    try {
      await server.ready();
      server.sendText('{"type":"dance"}\nnonsense\n');
      await server.until(() => server.messages.filter(({ type }) => type === 'log').length === 2, 'two log lines');
      server.endInput();
      await server.until(() => server.exitCode === 0, 'exit', 2_000);
    } finally {
      server.kill();
    }
  });

  test('a port that is taken is told with its errno', async () => {
    const port = freePort();
    const holder = createServer().listen(port, '127.0.0.1');
    const server = new WorkerProcess(serverPlan([{ port, protocol: 'tcp' }]));
    try {
      await server.until(() => server.exitCode !== undefined, 'exit');
      assert.equal(server.fatal, `bind 127.0.0.1:${port}: EADDRINUSE`);
      assert.equal(server.exitCode, 1);
    } finally {
      server.kill();
      holder.close();
    }
  });
});

/** Ended, though perhaps not yet waited for by init. */
function isGone(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return true;
  }
}

const echoServer = `
const net = require('node:net');
console.log('ports', process.env.C10M_PORTS, process.env.C10M_ADDRESS, process.env.C10M_PROTOCOL, process.argv[1]);
for (const port of process.env.C10M_PORTS.split(',')) net.createServer((s) => s.on('data', (d) => s.write(d)).on('error', () => {})).listen(+port, process.env.C10M_ADDRESS);
`;

suite('the user’s own server', { timeout: 60_000 }, () => {
  const start = (command: string, directory: string, ports: number[]) =>
    new WorkerProcess(
      serverPlan(
        ports.map((port) => ({ port, protocol: 'tcp' as const })),
        { engine: 'command', command, outputDirectory: directory },
      ),
      { ECHO_SERVER: echoServer },
    );
  const withDirectory = async (body: (directory: string) => Promise<void>) => {
    const directory = await mkdtemp(join(tmpdir(), 'c10m-command-'));
    try {
      await body(directory);
    } finally {
      await rm(directory, { recursive: true });
    }
  };

  test('it is started, measured with all its processes, counted and ended', () =>
    withDirectory(async (directory) => {
      const ports = [freePort(), freePort()];
      await withPair(
        start(`sleep 1000 & "${process.execPath}" -e "$ECHO_SERVER" {ports}`, directory, ports),
        () => new WorkerProcess(clientPlan(ports.map((port) => ({ port, protocol: 'tcp' })))),
        async (server, client) => {
          const ready = server.messages.find((message) => message.type === 'ready');
          assert.ok(ready !== undefined);
          assert.equal(ready.pids.length, 3, 'the shell, sleep and the server');
          client.send({ type: 'target', connections: 100, rate: 0 });
          await client.until(() => client.open === 100, '100 open');
          const burst = await client.burst(1, 2, 64);
          assert.equal(burst.lost, 0);
          await server.until(() => server.stats?.cpuMicroseconds !== 0 && server.open >= 100, 'counts');
          assert.equal(await server.stop(), 0);
          await server.until(() => ready.pids.every(isGone), 'end of all its processes');
          assert.match(await readFile(join(directory, 'server-1.stdout.log'), 'utf8'), new RegExp(`^ports ${ports.join()} 127.0.0.1 tcp ${ports.join()}\n$`));
        },
      );
    }));

  test('a crash names the exit code and the last lines', () =>
    withDirectory(async (directory) => {
      const port = freePort();
      const server = start(`"${process.execPath}" -e "$ECHO_SERVER" & sleep 1; kill $!; echo last words >&2; exit 7`, directory, [port]);
      try {
        await server.ready();
        await server.until(() => server.exitCode !== undefined, 'exit');
        assert.match(server.fatal ?? '', /ended with exit code 7\. Its last lines:\nlast words/);
      } finally {
        server.kill();
      }
    }));
});
