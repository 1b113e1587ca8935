import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a case may use: everything is undone by `cleanUps` in reverse, also when the case fails. */
export interface Stage {
  namespace: string;
  cleanUps: (() => void)[];
}

export interface WallCase {
  /** The wall that must be named, and the only ones beside it that may be. */
  wall: string;
  beside?: string[];
  title: string;
  args: string[];
  /** Whether the plan must have it: no plan can know how a server of the user behaves. */
  isPredictable: boolean;
  /** Prepares the wall. Returns the words to put before the command, such as a shell that enters a control group. */
  prepare?(stage: Stage): string[];
  /** Called when the ramp begins. */
  onRamp?(stage: Stage): void;
  /** A run that would go on slowly for minutes: it is stopped when the wall was named. */
  stopsWhenNamed?: boolean;
  /** Takes its seconds waiting, in a namespace of its own: such cases run at the same time. */
  waits?: boolean;
  /** Left to `npm run test:walls`, so that `npm test` stays short; a wall of its kind is in both. */
  isLong?: boolean;
  /** A run that has to see by itself that it will never reach its target. */
  endsWithinSeconds?: number;
  /** True: in the host's own namespace, since the key is global. */
  isGlobal?: boolean;
  skip?: () => string | undefined;
  /** Another build of the command line, and a longer limit: for recorded cases. */
  cli?: string;
  timeoutMs?: number;
}

const directory = import.meta.dirname;

export function run(command: string, args: string[]): string {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

function inNamespace(stage: Stage, script: string): void {
  run('ip', ['netns', 'exec', stage.namespace, 'sh', '-ec', script]);
}

export const sysctl = (stage: Stage, key: string, value: string) => inNamespace(stage, `echo '${value}' > /proc/sys/${key.replaceAll('.', '/')}`);

const keysFile = join(tmpdir(), 'c10m-wall-keys.json');

/** Sets a key of the whole host for the time of a case. What it held is also kept in a file, should this process be killed. */
export function globalKey(stage: Stage, key: string, value: string): void {
  const path = `/proc/sys/${key.replaceAll('.', '/')}`;
  const before = readFileSync(path, 'utf8');
  writeFileSync(keysFile, JSON.stringify({ path, before, ours: value }));
  stage.cleanUps.push(() => {
    writeFileSync(path, before);
    rmSync(keysFile, { force: true });
  });
  writeFileSync(path, value);
}

/** Prepares a wall by one key, of the namespace (`sysctl`) or of the whole host (`globalKey`). */
function setsKey(set: (stage: Stage, key: string, value: string) => void, key: string, value: string): (stage: Stage) => string[] {
  return (stage) => {
    set(stage, key, value);
    return [];
  };
}

/** Puts back the key that a killed process left changed, if nobody changed it since. */
export function restoreKey(): void {
  if (!existsSync(keysFile)) return;
  const { path, before, ours } = JSON.parse(readFileSync(keysFile, 'utf8')) as { path: string; before: string; ours: string };
  const words = (text: string) => text.trim().split(/\s+/).join(' ');
  if (words(readFileSync(path, 'utf8')) === words(ours)) writeFileSync(path, before);
  rmSync(keysFile);
}

/** A control group of version 1 or 2 with a limit, and the shell that enters it. */
function controlGroup(stage: Stage, controller: 'memory' | 'pids', limit: string): string[] {
  const isFirst = existsSync(`/sys/fs/cgroup/${controller}`);
  const path = join(isFirst ? `/sys/fs/cgroup/${controller}` : '/sys/fs/cgroup', stage.namespace);
  mkdirSync(path);
  stage.cleanUps.push(() => removeGroup(path));
  const file = controller === 'pids' ? 'pids.max' : isFirst ? 'memory.limit_in_bytes' : 'memory.max';
  writeFileSync(join(path, file), limit);
  return ['sh', '-c', `echo $$ > ${path}/cgroup.procs && exec "$@"`, 'sh'];
}

function removeGroup(path: string): void {
  // The last process may need a moment to leave.
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      rmdirSync(path);
      return;
    } catch {
      spawnSync('sleep', ['0.1']);
    }
  }
}

function canGroup(controller: string): string | undefined {
  if (existsSync(`/sys/fs/cgroup/${controller}`)) return undefined;
  const controllers = existsSync('/sys/fs/cgroup/cgroup.subtree_control') ? readFileSync('/sys/fs/cgroup/cgroup.subtree_control', 'utf8') : '';
  return controllers.includes(controller) ? undefined : `no ${controller} controller here`;
}

const readKey = (key: string) => readFileSync(`/proc/sys/${key.replaceAll('.', '/')}`, 'utf8');
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
/** A clone in a directory of root's own (`mktemp -d`) cannot be run by another user. */
const nobodyCanRun = () =>
  spawnSync(asNobody[0]!, [...asNobody.slice(1), 'test', '-r', fileURLToPath(import.meta.url)]).status === 0
    ? undefined
    : 'this clone lies in a directory that other users may not enter';
export const server = (mode: string) => `exec python3 ${join(directory, 'servers.py')} ${mode}`;
export const quick = ['--hold', '2s', '--isolation', 'host', '--tuning', 'none'];

/** Each wall is put up for real. The others are recorded, see recordedCases.ts. */
export const wallCases: WallCase[] = [
  {
    wall: 'nofile',
    isLong: true,
    title: 'one server worker with 6,000 files',
    waits: true,
    args: ['--connections', 'max', '--ports', '1', '--worker-nofile', '6000', ...quick],
    isPredictable: true,
  },
  {
    wall: 'nofile',
    title: 'a server of the user with 600 files, which tells nobody',
    waits: true,
    args: [
      '--connections',
      '3000',
      '--ports',
      '1',
      '--engine',
      'command',
      '--command',
      `ulimit -n 600; ${server('keeping')}`,
      '--hold',
      '7s',
      '--isolation',
      'host',
      '--tuning',
      'none',
    ],
    isPredictable: false,
  },
  {
    wall: 'portRange',
    title: '20 local ports × 1 server port × 250 sources',
    args: ['--connections', 'max', '--ports', '1', ...quick],
    isPredictable: true,
    prepare: setsKey(sysctl, 'net.ipv4.ip_local_port_range', '60000 60019'),
  },
  {
    wall: 'acceptQueue',
    title: 'somaxconn 1',
    args: ['--connections', '5000', '--ports', '1', ...quick],
    isPredictable: true,
    stopsWhenNamed: true,
    prepare: setsKey(sysctl, 'net.core.somaxconn', '1'),
  },
  {
    wall: 'readOnlySysctl',
    beside: ['acceptQueue'],
    isLong: true,
    title: 'the same with /proc/sys read-only',
    args: ['--connections', '5000', '--ports', '1', '--hold', '2s', '--isolation', 'host', '--tuning', 'apply'],
    isPredictable: true,
    stopsWhenNamed: true,
    prepare(stage) {
      sysctl(stage, 'net.core.somaxconn', '1');
      return ['unshare', '-m', 'sh', '-c', 'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"', 'sh'];
    },
  },
  {
    wall: 'synBacklog',
    isLong: true,
    title: 'half-open connections of strangers, queue of 64',
    args: ['--connections', '4000', '--ports', '1', '--rate', '800', ...quick],
    isPredictable: true,
    prepare(stage) {
      sysctl(stage, 'net.core.somaxconn', '64');
      sysctl(stage, 'net.ipv4.tcp_max_syn_backlog', '64');
      inNamespace(stage, 'ip route add 10.9.0.0/16 dev lo');
      return [];
    },
    onRamp(stage) {
      const child = spawn('ip', ['netns', 'exec', stage.namespace, 'python3', join(directory, 'synFlood.py'), '8001', '6'], { stdio: 'ignore' });
      stage.cleanUps.push(() => child.kill('SIGKILL'));
    },
  },
  {
    wall: 'serverAccept',
    title: 'a server that does not accept',
    waits: true,
    args: [
      '--connections',
      '3000',
      '--ports',
      '1',
      '--engine',
      'command',
      '--command',
      server('deaf'),
      '--hold',
      '9s',
      '--isolation',
      'host',
      '--tuning',
      'none',
    ],
    isPredictable: false,
  },
  {
    wall: 'serverRefusing',
    title: 'a server that resets',
    waits: true,
    args: ['--connections', '2000', '--ports', '1', '--engine', 'command', '--command', server('hostile'), ...quick],
    isPredictable: false,
    endsWithinSeconds: 40,
  },
  {
    wall: 'serverRefusing',
    title: 'a server that closes at once',
    waits: true,
    args: ['--connections', '2000', '--ports', '1', '--engine', 'command', '--command', server('closing'), ...quick],
    isPredictable: false,
    endsWithinSeconds: 40,
  },
  {
    wall: 'conntrack',
    title: 'a table of 4,000 entries',
    args: ['--connections', 'max', ...quick],
    isPredictable: true,
    skip: () =>
      existsSync('/proc/sys/net/netfilter/nf_conntrack_max') && spawnSync('nft', ['--version']).status === 0 ? undefined : 'no conntrack or nft here',
    prepare(stage) {
      inNamespace(
        stage,
        'nft add table ip walls; nft "add chain ip walls in { type filter hook input priority 0; }"; nft add rule ip walls in ct state new accept',
      );
      globalKey(stage, 'net.netfilter.nf_conntrack_max', '4000');
      return [];
    },
  },
  {
    wall: 'cgroupMemory',
    title: 'a control group of 310 MB, in which a tenth is passed within 80 ms',
    args: ['--connections', 'max', ...quick],
    isPredictable: true,
    skip: () => canGroup('memory'),
    prepare: (stage) => controlGroup(stage, 'memory', '310000000'),
  },
  {
    wall: 'pids',
    title: 'a control group of 70 processes',
    args: ['--connections', '50000', ...quick],
    isPredictable: true,
    skip: () => canGroup('pids'),
    prepare: (stage) => controlGroup(stage, 'pids', '70'),
  },
  {
    wall: 'pids',
    title: 'ulimit -u 200 of a user who is not root',
    args: ['--connections', '50000', '--worker-nofile', '1000', ...quick],
    isPredictable: true,
    skip: nobodyCanRun,
    prepare: () => ['bash', '-c', 'ulimit -u 200; exec "$@"', 'bash', ...asNobody],
  },
  {
    wall: 'missingCapability',
    title: 'port 80 without the right',
    args: ['--connections', '100', '--first-port', '80', ...quick],
    isPredictable: true,
    skip: nobodyCanRun,
    prepare: () => asNobody,
  },
  {
    wall: 'cpu',
    isLong: true,
    title: 'a rate that no host of this size makes',
    args: ['--connections', '300000', '--rate', '5M', '--hold', '1s', '--isolation', 'host', '--tuning', 'none'],
    isPredictable: true,
    prepare(stage) {
      // Something else that wants every core, so that the ramp takes long enough to be judged on a fast host too.
      for (let count = 0; count < 6; count++) {
        const child = spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
        stage.cleanUps.push(() => child.kill('SIGKILL'));
      }
      return [];
    },
  },
  {
    wall: 'tcpMemory',
    title: 'messages of 64 KiB over tcp_mem with pressure at 300 pages',
    // In a namespace of the run's own, which does not show the key.
    args: ['--connections', '3000', '--traffic', '65536/1s', '--hold', '3s', '--tuning', 'none'],
    isPredictable: true,
    isGlobal: true,
    prepare(stage) {
      // The maximum stays out of reach: under pressure windows shrink, and nobody's connection fails.
      const maximum = readFileSync('/proc/sys/net/ipv4/tcp_mem', 'utf8').trim().split(/\s+/)[2]!;
      globalKey(stage, 'net.ipv4.tcp_mem', `150 300 ${maximum}`);
      return [];
    },
  },
  {
    wall: 'nrOpen',
    isLong: true,
    title: 'fs.nr_open 6,000, below the limit of the login',
    args: ['--connections', 'max', '--ports', '1', ...quick],
    isPredictable: true,
    skip: () => (Number(readKey('fs.nr_open')) > 12_000 ? undefined : 'fs.nr_open is low here'),
    prepare: setsKey(globalKey, 'fs.nr_open', '6000'),
  },
  {
    wall: 'fileMax',
    title: 'fs.file-max 13,000 above what is in use',
    // Root may pass the limit; the guard must not.
    args: ['--connections', 'max', '--rate', '3000', ...quick],
    isPredictable: true,
    prepare(stage) {
      const inUse = Number(readKey('fs.file-nr').trim().split(/\s+/)[0]);
      globalKey(stage, 'fs.file-max', String(inUse + 13_000));
      return [];
    },
  },
  {
    wall: 'epollWatches',
    isLong: true,
    title: 'fs.epoll.max_user_watches 12,000',
    // As a user of its own: root's other programs keep theirs.
    args: ['--connections', 'max', ...quick],
    isPredictable: true,
    prepare(stage) {
      globalKey(stage, 'fs.epoll.max_user_watches', '12000');
      return asNobody;
    },
  },
  {
    wall: 'tupleFull',
    isLong: true,
    title: 'strangers on 180 of 200 local ports of half the sources',
    args: ['--connections', '4000', '--ports', '1', '--rate', '800', ...quick],
    isPredictable: false,
    prepare: setsKey(sysctl, 'net.ipv4.ip_local_port_range', '60000 60199'),
    onRamp(stage) {
      const child = spawn('ip', ['netns', 'exec', stage.namespace, 'python3', join(directory, 'strangers.py'), '8001', '25', '180'], { stdio: 'ignore' });
      stage.cleanUps.push(() => child.kill('SIGKILL'));
    },
  },
  {
    wall: 'none',
    title: 'a healthy run',
    args: ['--connections', '20000', '--hold', '3s', '--isolation', 'host', '--tuning', 'none'],
    isPredictable: false,
  },
];
