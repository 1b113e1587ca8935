import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringInterfaceUp } from '../../src/linux/hostCalls.js';
import { getNofile, setNofile } from '../../src/linux/limits.js';
import { addLoopbackAddress } from '../../src/linux/tun.js';
import { statelessServerAddress } from '../../src/core/plan/layout.js';
import { startFloor, startWorkers } from './programs.js';
import { spreadOf } from './statistics.js';

/**
 * `npm run bench:stateless -- [CONNECTIONS] [ROUNDS]`: our client without sockets against one in C, in turn in one network namespace, after a
 * discarded warm-up; ratios of the same round. Exit code 0: the median ratio is at least that of the bar; 1: it is not.
 */
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const insideVariable = 'C10M_BENCH_INSIDE';
const connectionsPerServer = 19_000;
const firstPort = 200;
/** The C program of `statelessFloor.c` is the yardstick: TCP, its own servers. */
const bar = 0.6;

async function inside(connections: number, rounds: number): Promise<number> {
  bringInterfaceUp('lo');
  addLoopbackAddress(statelessServerAddress);
  for (const [key, value] of [
    ['core/somaxconn', '65535'],
    ['ipv4/tcp_max_syn_backlog', '65535'],
    ['ipv4/tcp_syncookies', '0'],
    ['ipv4/conf/all/rp_filter', '0'],
  ] as const) {
    writeFileSync(`/proc/sys/net/${key}`, value);
  }
  setNofile(getNofile().hard);
  const pairs = Math.ceil(connections / connectionsPerServer);
  const directory = mkdtempSync(join(tmpdir(), 'c10m-bench-'));
  try {
    const floor = join(directory, 'statelessFloor');
    execFileSync('cc', ['-O2', '-o', floor, here('statelessFloor.c')], { stdio: 'inherit' });
    const workers = { pairs, connections, firstPort, engine: 'epoll', workerPath: here('../../dist/host/worker.cjs'), stateless: true } as const;
    const contenders = {
      floor: () => startFloor(floor, pairs, connections, firstPort),
      tcp: () => startWorkers({ ...workers, protocol: 'tcp' }),
      websocket: () => startWorkers({ ...workers, protocol: 'websocket' }),
    };
    const ratios: Record<string, number[]> = { tcp: [], websocket: [] };
    for (let round = 0; round <= rounds; round++) {
      const rates: Record<string, number> = {};
      for (const [name, begin] of Object.entries(contenders)) {
        const program = await begin();
        try {
          rates[name] = connections / (await program.connect());
        } finally {
          await program.end();
        }
      }
      console.log(
        `round ${round}${round === 0 ? ' (warm-up)' : ''}: ${Object.entries(rates)
          .map(([name, rate]) => `${name} ${Math.round(rate)}/s`)
          .join(', ')}`,
      );
      if (round > 0) for (const name of Object.keys(ratios)) ratios[name]!.push(rates[name]! / rates.floor!);
    }
    for (const [name, values] of Object.entries(ratios)) {
      const { minimum, median, maximum } = spreadOf(values);
      console.log(
        `${name}: ${minimum.toFixed(2)} / ${median.toFixed(2)} / ${maximum.toFixed(2)} of the C client (min / median / max of ${values.length} rounds)`,
      );
    }
    return spreadOf(ratios.tcp!).median >= bar ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const [connections = 190_000, rounds = 3] = process.argv.slice(2).map(Number);
if (process.env[insideVariable] === '1') {
  process.exitCode = await inside(connections, rounds);
} else if (!(connections >= 1_000 && connections <= 2_000_000 && rounds >= 3 && rounds <= 20)) {
  console.error('usage: npm run bench:stateless -- [CONNECTIONS 1000 to 2000000] [ROUNDS 3 to 20]');
  process.exitCode = 64;
} else {
  execFileSync(process.execPath, ['esbuild.mjs'], { cwd: here('../../'), stdio: 'inherit' });
  const namespaces = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
  const { status } = spawnSync('unshare', [...namespaces, process.execPath, '--import', 'tsx', here('statelessBench.ts'), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, [insideVariable]: '1' },
  });
  process.exitCode = status ?? 70;
}
