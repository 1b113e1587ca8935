import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askSocket, buildGoServer, has, programs } from '../host/servers/programs.js';
import type { Check, TruthCase } from './checks.js';
import { accounts, faultServer } from './liveCases.js';
import type { ObservedRun } from './observedRun.js';

/** One process of a test may have so many files open where nothing may be raised; the others share the rest. */
const perProcess = 17_000;
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

/** Calls `ask` during the hold once a second with the pid of a process in the run's namespace; what it answered last stands. */
function askWhileHolding(ask: (pid: number) => Promise<number | undefined>): {
  onReading: NonNullable<TruthCase['onReading']>;
  last: () => number | undefined;
} {
  let last: number | undefined;
  let nextAtMs = 0;
  return {
    last: () => last,
    onReading: (run, { phase, atMs }) => {
      const pid = run.workers.find(({ role }) => role === 'server')?.pid;
      if (phase !== 'holding' || pid === undefined || atMs < nextAtMs) return;
      nextAtMs = atMs + 1_000;
      // One that cannot be asked leaves the figure missing, which fails the case.
      ask(pid).then(
        (answer) => (last = answer ?? last),
        () => undefined,
      );
    },
  };
}

/** Runs a program in the network namespace of a process and finds a number in what it prints. */
function numberFrom(pid: number, command: readonly string[], pattern: RegExp): number | undefined {
  const { stdout } = spawnSync('nsenter', ['-t', String(pid), '-n', ...command], { encoding: 'utf8', timeout: 5_000 });
  const text = pattern.exec(stdout)?.[1];
  return text === undefined ? undefined : Number(text);
}

/** The sum of what the processes of a server report at their sockets. */
async function sumOfCounts(directory: string): Promise<number> {
  const sockets = readdirSync(directory).filter((name) => name.endsWith('.sock'));
  const counts = await Promise.all(sockets.map((name) => askSocket(join(directory, name))));
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

/** A process of a program for each port, which gets the path of its socket as its last argument. */
const processPerPort = (program: string, directory: string) =>
  `for port in $(echo $C10M_PORTS | tr , ' '); do C10M_PORTS=$port ${program} ${directory}/$port.sock & done; wait`;

interface ForeignServer {
  name: string;
  source: string;
  connections: number;
  args: (directory: string) => string[];
  count: (pid: number, directory: string) => number | undefined | Promise<number>;
  /** Programs, and modules of Python, without which it is skipped. */
  needs: readonly string[];
  prepare?: (directory: string) => void;
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

const threeProcesses = ['--ports', '3', '--server-processes', '3', '--command'];

const foreignServers: readonly ForeignServer[] = [
  {
    name: 'nginx',
    source: 'its stub_status, without the question itself',
    connections: 50_000,
    prepare: (directory) => writeFileSync(join(directory, 'nginx.conf'), nginxConfiguration(directory)),
    args: (directory) => [
      ...['--ports', '1', '--server-processes', '4', '--config-template', join(directory, 'nginx.conf')],
      ...['--command', `exec /usr/sbin/nginx -c {config} -p ${directory}`],
    ],
    count: (pid) => {
      const shown = numberFrom(pid, ['curl', '-s', 'http://127.0.0.1:8099/status'], /Active connections: (\d+)/);
      return shown === undefined ? undefined : shown - 1;
    },
    needs: ['/usr/sbin/nginx', 'curl'],
  },
  {
    name: 'Tornado, three processes',
    source: 'the sum of their own counts',
    connections: 50_000,
    args: (directory) => [...threeProcesses, processPerPort(`/usr/bin/python3 ${join(programs, 'server.py')} tornado`, directory)],
    count: (_pid, directory) => sumOfCounts(directory),
    needs: ['/usr/bin/python3', 'python3:tornado'],
  },
  {
    name: 'Go, three processes',
    source: 'the sum of their own counts',
    connections: 50_000,
    prepare: buildGoServer,
    args: (directory) => [...threeProcesses, processPerPort(`${directory}/server`, directory)],
    count: (_pid, directory) => sumOfCounts(directory),
    needs: ['go'],
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
    needs: ['redis-server'],
  },
];

const redisPort = 16_379;

function foreignCase({ name, source, connections, args, count, needs, prepare }: ForeignServer): TruthCase[] {
  const absent = needs.filter((program) => !has(program));
  if (absent.length > 0) {
    console.error(`skipped: ${name}: ${absent.join(', ')} is not installed`);
    return [];
  }
  const directory = join(tmpdir(), `c10m-stateless-${process.pid}-${needs.at(-1)!.replaceAll(/\W/g, '')}`);
  const asked = askWhileHolding(async (pid) => count(pid, directory));
  return [
    {
      name: `stateless: ${name}`,
      quick: false,
      args: stateless(connections, '--engine', 'command', '--hold', '4s', '--first-port', String(redisPort), ...args(directory)),
      onReading: asked.onReading,
      beside: () => {
        const remove = () => rmSync(directory, { recursive: true, force: true });
        mkdirSync(directory);
        try {
          prepare?.(directory);
        } catch (error) {
          remove();
          throw error;
        }
        return Promise.resolve(remove);
      },
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
