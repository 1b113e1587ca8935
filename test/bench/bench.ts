import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HumanError } from '../../src/core/errors.js';
import { bringInterfaceUp } from '../../src/linux/hostCalls.js';
import { getNofile, setNofile } from '../../src/linux/limits.js';
import { allocatedSockets, busySeconds, ledgerOf, ownSeconds, readMemory } from './memory.js';
import { parseBenchOptions, type BenchEngine, type BenchOptions } from './options.js';
import { startFloor, startWorkers, type Program } from './programs.js';
import { barsOf, rowsOf, tlsBarsOf, type RunResult } from './statistics.js';
import { barsText, tableText } from './table.js';

/**
 * `npm run bench`: our engines against the C floor of the same protocol, with `--tls` against one that uses the system's libssl, alternated in one
 * network namespace after a discarded warm-up. Exit code 0: concluded and all bars met; 1: a bar missed; 2: disturbed too often to conclude.
 */
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const root = here('../../');
const workerPath = join(root, 'dist/host/worker.cjs');
const insideVariable = 'C10M_BENCH_INSIDE';
/** Descriptors of a worker that are no connections. */
const reservedDescriptors = 500;
/** With the half of the port range that is chosen automatically, per destination port. */
const connectionsPerPort = 28_000;
const settleMs = 1_500;
/** CPU of other programs while connecting, as a share of the machine; the namespace shuts out their packets, not their work. */
const foreignCpuShare = 0.25;
/** Of our sockets. */
const foreignSocketShare = 0.01;
/** Rounds are repeated this many times over before the bench gives up. */
const patience = 3;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

type Contender = { engine: 'floor' | BenchEngine; protocol: 'tcp' | 'websocket' };

/** With TLS there is one floor, of TCP: the handshake outweighs all else. */
const floorProtocolsOf = ({ protocols, tls }: BenchOptions): Contender['protocol'][] => (tls ? ['tcp'] : protocols);

function contenders(options: BenchOptions): Contender[] {
  const { protocols, engines } = options;
  const chosen = protocols.flatMap((protocol) =>
    engines.filter((engine) => engine !== 'ws' || protocol === 'websocket').map((engine) => ({ engine, protocol })),
  );
  return [...floorProtocolsOf(options).map((protocol) => ({ engine: 'floor', protocol }) as const), ...chosen];
}

async function runOnce(
  contender: Contender,
  { connections, tls }: BenchOptions,
  pairs: number,
  floorOf: (protocol: string) => string,
  firstPort: number,
): Promise<RunResult> {
  const { engine, protocol } = contender;
  const before = readMemory({ server: [], client: [] });
  const program: Program =
    engine === 'floor'
      ? await startFloor(floorOf(protocol), pairs, connections, firstPort)
      : await startWorkers({
          pairs,
          connections,
          firstPort,
          protocol,
          engine: engine === 'epoll' ? 'epoll' : 'node',
          workerPath,
          tls,
          ...(engine === 'ws' ? { clientPath: here('wsClient.mjs') } : {}),
        });
  try {
    await sleep(settleMs);
    const pids = [...program.server, ...program.client, process.pid];
    const ready = readMemory(program);
    const [busyBefore, ownBefore, begin] = [busySeconds(), ownSeconds(pids), performance.now()];
    const seconds = await program.connect();
    const elapsed = (performance.now() - begin) / 1000;
    const foreignCpu = (busySeconds() - busyBefore - (ownSeconds(pids) - ownBefore)) / elapsed / cpus().length;
    await sleep(settleMs);
    const held = readMemory(program);
    const ledger = ledgerOf(before, held, connections);
    const foreignSockets = (held.tcpAllocated ?? 0) - (before.tcpAllocated ?? 0) - 2 * connections;
    const disturbances: string[] = [];
    if (foreignCpu > foreignCpuShare) disturbances.push(`other programs took ${Math.round(foreignCpu * 100)} % of the processors`);
    if (Math.abs(foreignSockets) > Math.max(pairs * 4, connections * foreignSocketShare)) disturbances.push(`${foreignSockets} sockets of others came or went`);
    if (ledger.approximate) disturbances.push('slabinfo cannot be read (not root): bytes are from MemAvailable');
    return {
      engine,
      protocol,
      connections,
      connectionsPerSecond: connections / seconds,
      bytesPerPair: ledger.bytesPerPair ?? Number.NaN,
      serverUserBytesPerEnd: ((held.processes.server ?? 0) - (ready.processes.server ?? 0)) / connections,
      clientUserBytesPerEnd: ((held.processes.client ?? 0) - (ready.processes.client ?? 0)) / connections,
      disturbances,
    };
  } finally {
    await program.end();
    await settled();
  }
}

/** Waits until our sockets are gone from the host's count: the kernel frees them after the processes. */
async function settled(): Promise<void> {
  let last = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 100; tries++) {
    const now = allocatedSockets();
    if (now >= last) return;
    last = now;
    await sleep(200);
  }
}

async function inside(options: BenchOptions): Promise<number> {
  bringInterfaceUp('lo');
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '1024 65535');
  writeFileSync('/proc/sys/net/core/somaxconn', '65535');
  writeFileSync('/proc/sys/net/ipv4/tcp_max_syn_backlog', '65535');
  setNofile(getNofile().hard);
  const directory = mkdtempSync(join(tmpdir(), 'c10m-bench-'));
  const say = (text: string) => console.error(text);
  // The workers and the floor end with us (PR_SET_PDEATHSIG); the directory does not.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rmSync(directory, { recursive: true, force: true });
      process.exit(130);
    });
  }
  try {
    const floorOf = (protocol: string) => join(directory, protocol);
    for (const protocol of floorProtocolsOf(options)) {
      const plain = protocol === 'tcp' ? 'floor.c' : 'websocketFloor.c';
      const sources = options.tls ? [here('tlsFloor.c'), '-lssl', '-lcrypto'] : [here(plain)];
      execFileSync('cc', ['-O2', '-o', floorOf(protocol), ...sources], { stdio: 'inherit' });
    }
    const perWorker = Math.min(getNofile().hard - reservedDescriptors, connectionsPerPort);
    const pairs = Math.max(1, Math.ceil(options.connections / perWorker));
    // Above the automatic range of nobody: below 1024, which only root may bind.
    const firstPort = 200;
    const rounds: RunResult[][] = [];
    const dropped: RunResult[][] = [];
    say(`${options.connections} connections, ${pairs} server and ${pairs} client processes; the first round is a warm-up`);
    for (let round = 0; rounds.length < options.rounds && round <= options.rounds * patience; round++) {
      const results: RunResult[] = [];
      for (const contender of contenders(options)) {
        const result = await runOnce(contender, options, pairs, floorOf, firstPort);
        results.push(result);
        const disturbed = result.disturbances.length === 0 ? '' : `  DISTURBED: ${result.disturbances.join('; ')}`;
        say(
          `round ${round}  ${contender.engine} ${contender.protocol}: ${Math.round(result.connectionsPerSecond)}/s, ${Math.round(result.bytesPerPair)} B/pair${disturbed}`,
        );
      }
      if (round === 0) continue;
      (results.every(({ disturbances }) => disturbances.length === 0) ? rounds : dropped).push(results);
    }
    return report(options, rounds, dropped);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function report(options: BenchOptions, rounds: RunResult[][], dropped: RunResult[][]): number {
  const isConclusive = rounds.length >= options.rounds;
  const shown = isConclusive ? rounds : [...rounds, ...dropped];
  const rows = rowsOf(shown);
  const bars = isConclusive ? (options.tls ? tlsBarsOf(rows) : barsOf(rows)) : [];
  if (options.isJson) {
    process.stdout.write(
      `${JSON.stringify({ connections: options.connections, isConclusive, undisturbedRounds: rounds.length, disturbedRounds: dropped.length, rows, bars })}\n`,
    );
  } else {
    console.log(`\n${tableText(rows)}\n(min / median / max of ${shown.length} rounds)\n`);
    console.log(
      isConclusive ? barsText(bars) : `No conclusion: only ${rounds.length} of ${options.rounds} rounds were undisturbed. Run it again on a quiet machine.`,
    );
  }
  if (!isConclusive) return 2;
  return bars.every(({ isMet }) => isMet) ? 0 : 1;
}

function outside(args: readonly string[]): number {
  parseBenchOptions(args);
  execFileSync(process.execPath, ['esbuild.mjs'], { cwd: root, stdio: 'inherit' });
  const isRoot = process.getuid?.() === 0;
  const namespaces = isRoot ? ['--net'] : ['--user', '--map-root-user', '--net'];
  const { status } = spawnSync('unshare', [...namespaces, process.execPath, '--import', 'tsx', here('bench.ts'), ...args], {
    stdio: 'inherit',
    env: { ...process.env, [insideVariable]: '1' },
    cwd: root,
  });
  return status ?? 70;
}

try {
  const args = process.argv.slice(2);
  process.exitCode = process.env[insideVariable] === '1' ? await inside(parseBenchOptions(args)) : outside(args);
} catch (error) {
  if (!(error instanceof HumanError)) throw error;
  console.error(error.text);
  process.exitCode = error.exitCode;
}
