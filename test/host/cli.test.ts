import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RunEvent, Summary } from '../../src/protocol/events.js';
import type { SavedRun } from '../../src/protocol/result.js';
import { startHost, stopLab, type TestHost } from './support/host.js';
import { makeLaptop, type Laptop } from './support/laptop.js';
import { missingForHosts } from './support/packages.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const skip = missingForHosts() ?? (existsSync(cli) ? false : 'dist/cli.js is not built: npm run build');

/** No case of this file takes longer; the slowest needs about 15 s. */
const caseTimeoutMs = 90_000;

/** Keys that a run may change: read before the first case and after the last. */
const watchedKeys = [
  'fs/nr_open',
  'fs/file-max',
  'fs/epoll/max_user_watches',
  'net/core/somaxconn',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/tcp_max_syn_backlog',
  'net/ipv4/ip_local_reserved_ports',
];
const readKeys = () => Object.fromEntries(watchedKeys.map((key) => [key, readFileSync(join('/proc/sys', key), 'utf8')]));

/** Worker, supervisor, guardian and relay processes of the state directory of this test. */
function leftProcesses(home: string): string[] {
  const left: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      if (/(agent|worker)\.cjs/.test(command) && environment.includes(`HOME=${home}\0`)) left.push(`${pid} ${command}`);
    } catch {
      // It ended while we looked.
    }
  }
  return left;
}

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

let laptop: Laptop;
let runsDirectory: string;
let host: TestHost;
let keysBefore: Record<string, string>;

function c10m(
  args: string[],
  options: { onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void; cwd?: string; input?: string } = {},
): Promise<Result> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [cli, ...args], { env: laptop.environment, stdio: ['pipe', 'pipe', 'pipe'], cwd: options.cwd });
    child.stdin.end(options.input ?? '');
    const timer = setTimeout(() => child.kill('SIGKILL'), caseTimeoutMs);
    let stdout = '';
    let stderr = '';
    let pending = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      stdout += text;
      pending += text;
      const lines = pending.split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line, (signal) => child.kill(signal));
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

const run = (...args: string[]) => c10m(['run', '--json', '--runs', runsDirectory, '--hold', '1s', ...args]);
const eventsOf = (result: Result) =>
  result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as RunEvent);
function summaryOf(result: Result): Summary {
  const event = eventsOf(result).at(-1);
  assert.equal(event?.type, 'summary', `the last line is the summary; stderr: ${result.stderr}`);
  return event.summary;
}

describe('c10m in a terminal', { skip }, () => {
  before(async () => {
    laptop = makeLaptop();
    runsDirectory = mkdtempSync(join(tmpdir(), 'c10m-runs-'));
    host = await startHost({ name: 'target', users: [{ name: 'ann' }] });
    laptop.add('target', host);
    laptop.add('ann', host, { user: 'ann' });
    laptop.add('stranger', host, { trusted: false, lines: ['HostKeyAlias stranger'] });
    laptop.add('nonode', host);
    keysBefore = readKeys();
  });
  after(async () => {
    const left = { processes: leftProcesses(laptop.home), keys: readKeys() };
    laptop.remove();
    rmSync(runsDirectory, { recursive: true, force: true });
    await stopLab();
    assert.deepEqual(left, { processes: [], keys: keysBefore });
  });

  for (const protocol of ['tcp', 'websocket', 'both']) {
    it(`runs ${protocol} on this machine`, async () => {
      const result = await run('--connections', '3000', '--protocol', protocol);
      const summary = summaryOf(result);
      const { established, failed, lost, hostRestored, verdict, exitCode } = summary;
      assert.deepEqual(
        { code: result.code, verdict, exitCode, established, failed: failed.total, lost, hostRestored },
        { code: 0, verdict: 'finished', exitCode: 0, established: { server: 3000, client: 3000 }, failed: 0, lost: 0, hostRestored: true },
      );
      const events = eventsOf(result);
      assert.deepEqual(
        events.map((event) => event.seq),
        events.map((_event, index) => index + 1),
        'the sequence has no gap',
      );
      assert.deepEqual(
        // A host that needs no key changed is not tuned.
        events.flatMap((event) => (event.type === 'phase' && event.phase !== 'tuning' ? [event.phase] : [])),
        ['probing', 'planning', 'starting', 'ramping', 'holding', 'draining', 'restoring', 'finished'],
      );
      const hello = events[0];
      assert.equal(hello?.type, 'hello');
      const directory = join(runsDirectory, hello.runId);
      const saved = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')) as SavedRun;
      assert.deepEqual(saved.summary, summary, 'the saved run has the same summary');
      const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as { version: string };
      assert.deepEqual([saved.c10mVersion, hello.agentVersion], [version, version], 'both ends tell the version of the build');
      assert.equal(readFileSync(join(directory, 'events.ndjson'), 'utf8').trim().split('\n').length, events.length, 'and the same events');
    });
  }

  it('obeys orders from standard input, tells each with its time, and gives each protocol its own ledger', async () => {
    const input = 'wait holding\nburst 2 100\nadd 200\nwait holding\nburts\nwait 500ms\nburst\nwait 1s\nremove-all\n';
    const result = await c10m(['run', '--json', '--orders', '--runs', runsDirectory, '--hold', '5s', '-c', '2000', '--protocol', 'both'], { input });
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /"burts" is not an order\. Did you mean "burst/);
    const orders = eventsOf(result).flatMap((event) => (event.type === 'order' && event.state !== 'accepted' ? [event] : []));
    assert.deepEqual(
      orders.map(({ order, state, messages, lost }) => ({ order, state, messages, lost })),
      [
        { order: 'burst', state: 'done', messages: 4000, lost: 0 },
        { order: 'target', state: 'done', messages: undefined, lost: undefined },
        { order: 'burst', state: 'done', messages: 2200, lost: 0 },
        { order: 'removeAll', state: 'done', messages: undefined, lost: undefined },
      ],
    );
    assert.ok(orders.every((order) => (order.elapsedMs ?? 0) > 0));
    const { byProtocol, messages, ledger } = summaryOf(result);
    assert.deepEqual([messages?.total, messages?.lost, byProtocol.tcp?.server, byProtocol.websocket?.client], [6200, 0, 1100, 1100]);
    const parts = Object.values(byProtocol);
    assert.ok(parts.every((part) => (part.bytesPerEnd ?? 0) > 0));
    const together = parts.flatMap((part) => Object.values(part.entries ?? {})).reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(Math.abs(together / ledger!.explainedBytes - 1) < 0.01, 'the two ledgers add up to the whole');
  });

  it('tells an order as replaced, not as done, when a later one came before it was carried out', async () => {
    const input = 'wait holding\nrate 100\nadd 900\nwait 300ms\nremove-all\n';
    const result = await c10m(['run', '--json', '--orders', '--runs', runsDirectory, '--hold', '2s', '-c', '1000', '--worker-nofile', '3000'], { input });
    const orders = eventsOf(result).flatMap((event) => (event.type === 'order' && event.state !== 'accepted' ? [`${event.order} ${event.state}`] : []));
    assert.deepEqual(orders, ['target replaced', 'rate done', 'removeAll done'], result.stderr);
  });

  it('runs a server of the user, in the directory from which it was called, and says when that is missing', async () => {
    writeFileSync(
      join(runsDirectory, 'server.cjs'),
      `const { createServer } = require('node:net');
       for (const port of process.env.C10M_PORTS.split(',')) createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(Number(port), process.env.C10M_ADDRESS, 4096);`,
    );
    const profile = join(runsDirectory, 'own.c10m.json');
    writeFileSync(profile, JSON.stringify({ connections: 500, engine: 'command', command: `exec '${process.execPath}' server.cjs`, ports: 2 }));
    const here = await c10m(['run', '--json', '--runs', runsDirectory, '--hold', '1s', profile], { cwd: runsDirectory });
    assert.equal(here.code, 0, here.stderr);
    assert.ok((summaryOf(here).ledger?.entries['serverProcesses'] ?? 0) > 10_000_000, 'the process of the server is measured');
    const missing = await run(profile, '--directory', '/nowhere');
    assert.match(missing.stderr, /The directory \/nowhere, in which the command should start, does not exist/);
    assert.notEqual(missing.code, 0);
  });

  it('exits with 99 when a server became heavier than in the baseline, and names the metric', async () => {
    const server = (bytesEach: number) =>
      writeFileSync(
        join(runsDirectory, 'growing.cjs'),
        `const { createServer } = require('node:net');
         for (const port of process.env.C10M_PORTS.split(',')) createServer((socket) => {
           socket.kept = Buffer.alloc(${bytesEach}, 1);
           socket.on('error', () => {}).pipe(socket);
         }).listen(Number(port), process.env.C10M_ADDRESS, 4096);`,
      );
    const profile = join(runsDirectory, 'growing.c10m.json');
    writeFileSync(profile, JSON.stringify({ connections: 2000, engine: 'command', command: `exec '${process.execPath}' growing.cjs`, ports: 2 }));
    const measure = (...more: string[]) => c10m(['run', '--json', '--runs', runsDirectory, '--hold', '1s', ...more, profile], { cwd: runsDirectory });
    const idOf = (result: Result) => eventsOf(result).flatMap((event) => (event.type === 'hello' ? [event.runId] : []))[0]!;
    server(64);
    const baseline = await measure();
    assert.equal(baseline.code, 0, baseline.stderr);
    server(40_000);
    const heavier = await measure('--baseline', idOf(baseline), '--metric', 'bytesPerEnd');
    assert.equal(heavier.code, 99, heavier.stderr);
    assert.match(heavier.stderr, /^c10m: .*per end.*worse/m);
    assert.equal(summaryOf(heavier).exitCode, 0, 'the run itself reached its target');
    const compare = (...more: string[]) => c10m(['runs', 'compare', ...more, '--runs', runsDirectory, '--fail-on-worse', '--metric', 'bytesPerEnd']);
    assert.equal((await compare(idOf(baseline), idOf(heavier))).code, 99);
    assert.equal((await compare(idOf(heavier), idOf(baseline))).code, 0, 'lighter is no regression');
    assert.equal((await compare(idOf(baseline), idOf(baseline))).code, 0, 'a run is not worse than itself');
  });

  it('starts many workers a few at a time', async () => {
    const result = await run('--connections', '8000', '--worker-nofile', '600');
    assert.equal(result.code, 0, result.stderr);
    const workers = eventsOf(result).flatMap((event) => (event.type === 'worker' && event.role !== 'guardian' && event.state !== 'exited' ? [event] : []));
    let starting = 0;
    let most = 0;
    for (const { state } of workers) most = Math.max(most, (starting += state === 'started' ? 1 : -1));
    assert.ok(starting === 0 && workers.length >= 2 * 2 * 10, `${workers.length / 2} workers started and were ready`);
    assert.ok(most <= 4 * availableParallelism(), `${most} started at the same time`);
  });

  it('runs over SSH with the same events as here, and deploys only once', async () => {
    const first = await c10m(['run', '--json', '--runs', runsDirectory, '--hold', '1s', '--connections', '3000', '--host', 'target', '-v']);
    const second = await c10m(['run', '--json', '--runs', runsDirectory, '--hold', '1s', '--connections', '3000', '--host', 'target', '-v']);
    assert.deepEqual([first.code, second.code, summaryOf(second).established], [0, 0, { server: 3000, client: 3000 }], first.stderr + second.stderr);
    const uploads = await host.exec('find /root/.cache/c10m -name agent.cjs | wc -l');
    assert.equal(uploads.stdout.trim(), '1');
    assert.equal((await host.exec('ps ax | grep -c "[a]gent.cjs"')).stdout.trim(), '0', 'no process of ours is left on the host');
  });

  it('runs over SSH as a user without privileges', async () => {
    const result = await run('--connections', '1000', '--host', 'ann', '--sudo', 'never');
    assert.equal(result.code, 0, result.stderr);
    const { established, ledger } = summaryOf(result);
    assert.deepEqual([established, ledger?.approximate], [{ server: 1000, client: 1000 }, true]);
  });

  it('stops within two seconds of Ctrl-C in the middle of a ramp and puts everything back', async () => {
    let killedAt = 0;
    const result = await c10m(['run', '--json', '--runs', runsDirectory, '--connections', '15000', '--rate', '2000', '--hold', '60s'], {
      onLine: (line, kill) => {
        if (killedAt === 0 && line.includes('"type":"sample"') && line.includes('"phase":"ramping"')) {
          killedAt = Date.now();
          kill('SIGINT');
        }
      },
    });
    const events = eventsOf(result);
    const phases = events.flatMap((event) => (event.type === 'phase' ? [event] : []));
    const draining = phases.find((event) => event.phase === 'draining');
    const stopped = phases.find((event) => event.phase === 'stopped');
    assert.equal(result.code, 130, result.stderr);
    assert.ok(killedAt > 0 && draining !== undefined && stopped !== undefined);
    assert.ok(stopped.t - draining.t < 2_000, `the run took ${stopped.t - draining.t} ms to end`);
    assert.equal(summaryOf(result).hostRestored, true);
  });

  const wrong: [name: string, args: string[], code: number, message: RegExp][] = [
    ['zero connections', ['--connections', '0'], 64, /connections is 0, but must be/],
    ['negative connections', ['--connections=-5'], 64, /must not be negative/],
    ['fractional connections', ['--connections', '1.5'], 64, /not a whole number/],
    ['an unknown protocol', ['--protocol', 'udp'], 64, /must be one of: tcp, websocket, both/],
    ['a misspelt option', ['--conections', '5'], 64, /Did you mean --connections\?/],
    ['a misspelt metric', ['--threshold', 'bytesPerEn<5'], 64, /Metrics: established/],
    ['a value that begins with a dash', ['--connections', '-5'], 64, /--connections needs a value, but an option or a negative number follows/],
    ['a server that would not be started', ['--engine', 'node', '--command', 'true'], 64, /--command has no effect: engine is "node"/],
    ['ports that do not exist', ['--first-port', '65535', '--ports', '2'], 64, /2 ports from 65535 on do not fit/],
    ['a profile that is not there', ['nothing.c10m.json'], 64, /cannot be read/],
    ['a host that does not exist', ['--host', 'nobody.invalid'], 69, /nobody\.invalid/],
    ['a refused port', ['--host', 'root@127.0.0.1:1'], 69, /127\.0\.0\.1/],
    ['an unknown host key', ['--host', 'stranger'], 77, /SHA256:/],
    ['a server that ends at once', ['--command', 'exit 3'], 70, /The server worker server-1 ended: The command ended with exit code 3/],
    [
      'a threshold judged in the ramp that holds',
      ['-c', '1500', '--rate', '500', '--abort-on-threshold', '1500ms', '--threshold', 'connectRate.mean>250'],
      0,
      /^$/,
    ],
    ['a threshold that fails', ['--connections', '500', '--threshold', 'bytesPerEnd<10'], 99, /bytesPerEnd<10 does not hold/],
    [
      'a target that cannot be reached',
      ['--connections', '3000', '--ports', '1', '--worker-nofile', '1500'],
      98,
      /not reached: Open files of one process at [\d,]+: /,
    ],
  ];
  for (const [name, args, code, message] of wrong) {
    it(`answers ${name} with exit code ${code} and one clear sentence`, async () => {
      const result = await run(...args);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
      assert.doesNotMatch(result.stderr, /^\s+at /m, 'no stack trace');
    });
  }

  it('names the line of a misspelt key in a profile', async () => {
    const profile = join(runsDirectory, 'wrong.c10m.json');
    writeFileSync(profile, '{\n  "connections": "5k",\n  "protocl": "tcp"\n}\n');
    const result = await run(profile);
    assert.equal(result.code, 64);
    assert.match(result.stderr, /wrong\.c10m\.json, line 3: "protocl" is not a field of a run\. Did you mean "protocol"\?/);
  });

  it('refuses a changed host key before any authentication, with both fingerprints', async () => {
    const changed = await startHost({ name: 'changed' });
    laptop.add('changed', changed, { trusted: false });
    const foreignKey = readFileSync(host.knownHostsFile, 'utf8')
      .split('\n')
      .find((line) => line.includes('ssh-ed25519'))!
      .split(' ')
      .slice(1)
      .join(' ');
    writeFileSync(laptop.knownHostsFile, `${readFileSync(laptop.knownHostsFile, 'utf8')}${changed.address} ${foreignKey}\n`);
    const result = await run('--host', 'changed', '--accept-new');
    assert.equal(result.code, 77, result.stderr);
    assert.equal(new Set(result.stderr.match(/SHA256:[A-Za-z0-9+/]{43}/g)).size, 2, result.stderr);
    assert.doesNotMatch(changed.serverLog(), /Accepted|Failed|Postponed/, 'nobody tried to authenticate');
  });
});
