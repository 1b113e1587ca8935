import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Check, TruthCase } from './checks.js';
import { accounts, faultServer } from './liveCases.js';
import type { ObservedRun } from './observedRun.js';

/** One process of a test may have so many files open where nothing may be raised; the others share the rest. */
const perProcess = 17_000;
const programs = join(import.meta.dirname, 'programs');
const stateless = (connections: number, ...more: string[]) => ['--client', 'stateless', '--connections', String(connections), ...more];

/** What the server has accepted, by its own count or the kernel's, beside what the client has in its states and the run reports. */
function agreement(run: ObservedRun, source: string, own: number | undefined): Check[] {
  return (['server', 'client'] as const).map((side) => ({
    figure: `established.${side}`,
    source,
    reported: run.summary?.established[side],
    independent: own,
    boundPercent: 0,
  }));
}

/** The most connections that a server of the run's namespace had accepted. */
const mostPassive = (run: ObservedRun) => {
  const before = run.readings.findLast(({ phase }) => phase === 'starting')?.tcp?.passiveOpens ?? 0;
  return Math.max(...run.readings.map(({ tcp }) => tcp?.passiveOpens ?? 0)) - before;
};

/** Calls `ask` during the hold once a second with the pid of a process in the run's namespace; what it returned last stands. */
function askWhileHolding(ask: (pid: number) => number | undefined): { onReading: NonNullable<TruthCase['onReading']>; last: () => number | undefined } {
  let last: number | undefined;
  let nextAtMs = 0;
  return {
    last: () => last,
    onReading: (run, { phase, atMs }) => {
      const pid = run.workers.find(({ role }) => role === 'server')?.pid;
      if (phase !== 'holding' || pid === undefined || atMs < nextAtMs) return;
      nextAtMs = atMs + 1_000;
      last = ask(pid) ?? last;
    },
  };
}

/** Runs a program in the network namespace of a process and finds a number in what it prints. */
function numberFrom(pid: number, command: readonly string[], pattern: RegExp): number | undefined {
  const { stdout } = spawnSync('nsenter', ['-t', String(pid), '-n', ...command], { encoding: 'utf8', timeout: 5_000 });
  const text = pattern.exec(stdout)?.[1];
  return text === undefined ? undefined : Number(text);
}

/** Sums the files in which processes keep their counts. */
function sumOfCounts(directory: string): number {
  return readdirSync(directory)
    .filter((name) => /^\d+$/.test(name))
    .reduce((sum, name) => sum + Number(readFileSync(join(directory, name), 'utf8')), 0);
}

interface ForeignServer {
  name: string;
  source: string;
  connections: number;
  args: (directory: string) => string[];
  count: (pid: number, directory: string) => number | undefined;
  missing?: () => boolean;
}

const nginxConfiguration = (directory: string) => `
daemon off; worker_processes 4; worker_rlimit_nofile 20000; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
events { worker_connections 19000; }
http {
  access_log off; client_header_timeout 600s;
  client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory}; uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
  server { listen {address}:{port} backlog=65535 reuseport; location / { return 204; } }
  server { listen 127.0.0.1:8099; location /status { stub_status; } }
}
`;

const foreignServers: readonly ForeignServer[] = [
  {
    name: 'nginx',
    source: 'its stub_status, without the question itself',
    connections: 50_000,
    args: (directory) => {
      const template = join(directory, 'nginx.conf');
      writeFileSync(template, nginxConfiguration(directory));
      return ['--ports', '1', '--server-processes', '4', '--config-template', template, '--command', `exec /usr/sbin/nginx -c {config} -p ${directory}`];
    },
    count: (pid) => {
      const shown = numberFrom(pid, ['curl', '-s', 'http://127.0.0.1:8099/status'], /Active connections: (\d+)/);
      return shown === undefined ? undefined : shown - 1;
    },
    missing: () => !existsSync('/usr/sbin/nginx') || !existsSync('/usr/bin/curl'),
  },
  {
    name: 'Tornado, three processes',
    source: 'the sum of their own counts',
    connections: 50_000,
    args: (directory) => ['--ports', '3', '--server-processes', '3', '--command', `exec /usr/bin/python3 ${join(programs, 'countingEcho.py')} ${directory}`],
    count: (_pid, directory) => sumOfCounts(directory),
    missing: () => spawnSync('/usr/bin/python3', ['-c', 'import tornado']).status !== 0,
  },
  {
    name: 'Go, three processes',
    source: 'the sum of their own counts',
    connections: 50_000,
    args: (directory) => {
      const program = join(directory, 'echo');
      spawnSync('go', ['build', '-o', program, '.'], {
        cwd: join(programs, 'goEcho'),
        env: { ...process.env, GOCACHE: join(directory, 'cache'), HOME: directory },
      });
      const each = `for port in $(echo $C10M_PORTS | tr , ' '); do ${program} $C10M_ADDRESS $port ${directory}/$port & done; wait`;
      return ['--ports', '3', '--server-processes', '3', '--command', each];
    },
    count: (_pid, directory) => sumOfCounts(directory),
    missing: () => spawnSync('go', ['version']).status !== 0,
  },
  {
    name: 'redis, one process',
    source: 'connected_clients of INFO, without the question itself',
    connections: perProcess,
    args: () => [
      '--ports',
      '1',
      '--command',
      'exec redis-server --port {port} --bind {address} --save "" --maxclients 19000 --tcp-backlog 60000 --timeout 0 --protected-mode no',
    ],
    count: (pid) => {
      const shown = numberFrom(pid, ['redis-cli', '-h', '198.18.0.1', '-p', String(redisPort), 'info', 'clients'], /connected_clients:(\d+)/);
      return shown === undefined ? undefined : shown - 1;
    },
    missing: () => !existsSync('/usr/bin/redis-server'),
  },
];

const redisPort = 16_379;

function foreignCase({ name, source, connections, args, count, missing }: ForeignServer): TruthCase[] {
  if (missing?.() === true) {
    console.error(`skipped: ${name} is not installed`);
    return [];
  }
  const directory = mkdtempSync(join(tmpdir(), 'c10m-stateless-'));
  const asked = askWhileHolding((pid) => count(pid, directory));
  return [
    {
      name: `stateless: ${name}`,
      quick: false,
      args: stateless(connections, '--engine', 'command', '--hold', '4s', '--first-port', String(redisPort), ...args(directory)),
      onReading: asked.onReading,
      beside: () => Promise.resolve(() => rmSync(directory, { recursive: true, force: true })),
      checks: (run) => agreement(run, source, asked.last()),
    },
  ];
}

/** Kills a server worker in the hold; what it held by its plan must be lost. */
function killServer(): NonNullable<TruthCase['onReading']> {
  let isDone = false;
  return (run, { phase }) => {
    if (phase !== 'holding' || isDone) return;
    isDone = true;
    process.kill(run.workers.find(({ role }) => role === 'server')!.pid, 'SIGKILL');
  };
}

export const makeStatelessCases = (): readonly TruthCase[] => [
  {
    name: 'stateless: 100,000, traffic and a burst',
    quick: false,
    args: stateless(100_000, '--protocol', 'both', '--traffic', '64/5s', '--hold', '12s', '--orders'),
    input: 'wait holding\nwait 4s\nburst 1 64\n',
    checks: (run) => [
      ...accounts(run),
      ...agreement(run, 'PassiveOpens of the namespace', mostPassive(run)),
      { figure: 'messages.unanswered', source: 'a server that echoes all', reported: run.summary?.messages?.unanswered, independent: 0, boundPercent: 0 },
      { figure: 'messages.lost', source: 'nothing dies', reported: run.summary?.messages?.lost, independent: 0, boundPercent: 0 },
      { figure: 'exit code', source: 'it reached its target', reported: run.summary?.exitCode, independent: 0, boundPercent: 0 },
    ],
  },
  {
    name: 'stateless: every second echo differs in its last byte',
    quick: true,
    args: stateless(400, '--protocol', 'both', '--ports', '2', ...faultServer('alter'), '--traffic', '64/1s', '--hold', '6s'),
    checks: (run) => [
      ...accounts(run),
      {
        figure: 'messages.unanswered',
        source: 'half of those planned',
        reported: run.summary?.messages?.unanswered,
        independent: (run.summary?.messages?.planned ?? 0) / 2,
        boundPercent: 3,
      },
    ],
  },
  {
    name: 'stateless: a server worker of 100,000 is killed in the hold',
    quick: false,
    args: stateless(100_000, '--hold', '20s'),
    onReading: killServer(),
    checks: (run) => [
      {
        figure: 'lost',
        source: 'what the killed worker held',
        reported: run.summary?.lost,
        independent: run.plan?.serverWorkers[0]?.connections,
        boundPercent: 0,
      },
      { figure: 'exit code', source: 'a worker died', reported: run.summary?.exitCode, independent: 70, boundPercent: 0 },
    ],
  },
  ...foreignServers.flatMap(foreignCase),
];
