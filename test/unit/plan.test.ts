import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HumanError } from '../../src/core/errors.js';
import { planDistributed, planRun } from '../../src/core/plan/plan.js';
import { specFromInput } from '../../src/core/profile.js';
import type { SpecInput } from '../../src/core/specInput.js';
import type { Plan } from '../../src/protocol/plan.js';
import { hostFacts, limitedFacts } from './builders/hostFacts.js';

const gibibyte = 1024 ** 3;
const plan = (input: SpecInput, facts = hostFacts()) => planRun(specFromInput(input), facts);
const wallOf = (of: Plan, id: string) => of.walls.find((wall) => wall.id === id);
const targetsOf = (of: Plan) => of.clientWorkers.flatMap((worker) => worker.targets);
const portsOf = (of: Plan) => of.serverWorkers.flatMap((worker) => worker.ports);

/** What must hold for every plan, whatever it is for. */
function assertSound(of: Plan): void {
  const sum = (parts: readonly { connections: number }[]) => parts.reduce((total, part) => total + part.connections, 0);
  assert.equal(sum(of.serverWorkers), of.connections, 'server workers hold all connections');
  assert.equal(sum(of.clientWorkers), of.connections, 'client workers open all connections');
  for (const worker of [...of.serverWorkers, ...of.clientWorkers]) assert.ok(worker.connections <= worker.nofile - 64, `${worker.id} fits its file limit`);
  const perPort = new Map<number, number>();
  const perTuple = new Map<string, number>();
  for (const target of targetsOf(of)) {
    perPort.set(target.port, (perPort.get(target.port) ?? 0) + target.connections);
    const tuple = `${target.source ?? 'any'} ${target.port}`;
    perTuple.set(tuple, (perTuple.get(tuple) ?? 0) + target.connections);
  }
  for (const { port, connections } of portsOf(of)) assert.equal(perPort.get(port) ?? 0, connections, `port ${port} gets what it expects`);
  assert.ok(Math.max(...perTuple.values(), 0) <= 28_000, 'no source and port passes 28,000');
  assert.equal(new Set(portsOf(of).map(({ port }) => port)).size, portsOf(of).length, 'no port twice');
  const positions = of.walls.map((wall) => wall.atAfterTuning ?? Number.POSITIVE_INFINITY);
  assert.deepEqual(
    positions,
    [...positions].sort((a, b) => a - b),
    'walls in ascending order',
  );
}

describe('planRun', () => {
  const cases: [string, SpecInput, ReturnType<typeof hostFacts>, { servers: number; clients: number; ports: number; connections: number }][] = [
    ['one worker a core where limits can be raised', { connections: '100k' }, hostFacts(), { servers: 2, clients: 2, ports: 4, connections: 100_000 }],
    ['a small run needs one worker a role', { connections: 500 }, hostFacts(), { servers: 1, clients: 1, ports: 1, connections: 500 }],
    ['one connection', { connections: 1 }, hostFacts(), { servers: 1, clients: 1, ports: 1, connections: 1 }],
    ['workers by the file limit', { connections: '100k' }, limitedFacts(), { servers: 6, clients: 6, ports: 6, connections: 100_000 }],
    ['a million by the file limit', { connections: '1M' }, limitedFacts(), { servers: 52, clients: 52, ports: 52, connections: 1_000_000 }],
    [
      'a lowered file limit: more workers',
      { connections: '100k', workerNofile: 4_096 },
      hostFacts(),
      { servers: 28, clients: 28, ports: 28, connections: 100_000 },
    ],
    ['both protocols, half and half', { connections: '100k', protocol: 'both' }, hostFacts(), { servers: 4, clients: 4, ports: 4, connections: 100_000 }],
    ['fixed ports, more sources', { connections: '100k', ports: 2 }, hostFacts(), { servers: 2, clients: 2, ports: 2, connections: 100_000 }],
    ['a server of the user is one worker', { connections: '100k', command: './s' }, hostFacts(), { servers: 1, clients: 2, ports: 4, connections: 100_000 }],
  ];
  for (const [name, input, facts, expected] of cases) {
    it(name, () => {
      const made = plan(input, facts);
      assertSound(made);
      const { serverWorkers, clientWorkers, connections } = made;
      assert.deepEqual({ servers: serverWorkers.length, clients: clientWorkers.length, ports: portsOf(made).length, connections }, expected);
    });
  }

  it('uses the ports of 2014 by default', () => {
    assert.equal(portsOf(plan({ connections: 10 }))[0]?.port, 8_001);
    assert.equal(portsOf(plan({ connections: 10, protocol: 'websocket' }))[0]?.port, 8_501);
  });

  it('plans the ten million of 2014 on 122 GiB: 200 ports × 50,000 local ports', () => {
    const facts = hostFacts({ overrides: { memory: { totalBytes: 122 * gibibyte, availableBytes: 120 * gibibyte }, cores: 16 } });
    const made = plan({ connections: '10M', ports: 200 }, facts);
    assertSound(made);
    assert.equal(made.connections, 10_000_000);
    assert.ok(portsOf(made).every(({ connections }) => connections === 50_000));
    const gigabytes = made.predicted.totalBytes / 1e9;
    assert.ok(gigabytes > 82 && gigabytes < 88, `${gigabytes.toFixed(1)} GB, where the floor needs 83 and 2014 needed 211 GiB`);
    const tuned = Object.fromEntries(made.sysctls.map(({ key, target }) => [key, target]));
    assert.equal(tuned['fs.epoll.max_user_watches'], '22000000');
    assert.equal(tuned['net.ipv4.ip_local_port_range'], '1024 65535');
    assert.equal(tuned['net.ipv4.ip_local_reserved_ports'], '8001-8200');
    assert.equal(wallOf(made, 'epollWatches')?.at, 2_745_755);
    assert.equal(wallOf(made, 'epollWatches')?.atAfterTuning, null);
    assert.equal(made.largestFit.beforeTuning, 2_745_755);
    assert.equal(made.walls[0]?.id, 'memory');
  });

  it('plans what fits, keeps what was asked for and names the wall', () => {
    const made = plan({ connections: '10M' });
    assertSound(made);
    assert.equal(made.requested, 10_000_000);
    assert.equal(made.connections, made.largestFit.afterTuning);
    assert.ok(made.connections > 2_000_000 && made.connections < 3_000_000);
    assert.match(made.notes.join(), /10,000,000 connections do not fit.*Memory of the machine/);
  });

  it('aims a ceiling run beyond its first wall', () => {
    const made = plan({ connections: 'max' }, limitedFacts());
    assertSound(made);
    assert.equal(made.requested, 'max');
    assert.equal(made.connections, Math.ceil(made.largestFit.afterTuning * 1.1));
  });

  it('changes nothing with tuning none, and lives with the limits that hold', () => {
    const made = plan({ connections: '100k', tuning: 'none', ports: 1 }, limitedFacts());
    assert.deepEqual(made.sysctls, []);
    assert.equal(made.connections, 19_500);
    assert.equal(wallOf(made, 'nofile')?.atAfterTuning, 19_500);
  });

  it('leaves the global keys of a host alone where the default run does not need them', () => {
    assert.deepEqual(
      plan({ connections: '1M' }).sysctls.filter((key) => key.scope === 'global'),
      [],
    );
    const onHost = plan({ connections: '100k', isolation: 'host' });
    assert.deepEqual(
      onHost.sysctls.map(({ key, scope }) => `${key} ${scope}`),
      ['net.core.somaxconn global', 'net.ipv4.tcp_max_syn_backlog global'],
    );
  });

  it('avoids ports in use when it shares the namespace of the host', () => {
    const facts = hostFacts({ overrides: { listeningPorts: [22, 8_001, 8_003] } });
    assert.deepEqual(
      portsOf(plan({ connections: 20_000, ports: 3, isolation: 'host' }, facts)).map(({ port }) => port),
      [8_002, 8_004, 8_005],
    );
    assert.throws(() => plan({ connections: 10, command: './s', ports: 1, firstPort: 8_001, isolation: 'host' }, facts), HumanError);
  });

  const walls: [string, string, SpecInput, ReturnType<typeof hostFacts>, number | null, number | null][] = [
    ['one process of the user', 'nofile', { connections: '50k', command: './s' }, limitedFacts(), 19_500, 19_500],
    ['fs.nr_open where it can be raised', 'nrOpen', { connections: '2M', ports: 1 }, hostFacts(), 523_788, 15_999_500],
    [
      'fs.nr_open below the limit of the login',
      'nrOpen',
      { connections: '50k', ports: 1, tuning: 'none' },
      limitedFacts({ sysctls: { 'fs.nr_open': '6000' } }),
      5_500,
      5_500,
    ],
    ['files of the host', 'fileMax', { connections: '50k' }, hostFacts({ sysctls: { 'fs.file-max': '40000' }, readOnlyKeys: ['fs.file-max'] }), 18_750, 18_750],
    ['files of the host, raised', 'fileMax', { connections: '50k' }, hostFacts({ sysctls: { 'fs.file-max': '40000' } }), 18_750, null],
    [
      'epoll watches',
      'epollWatches',
      { connections: '50k' },
      hostFacts({ sysctls: { 'fs.epoll.max_user_watches': '30000' }, access: 'readOnly' }),
      15_000,
      15_000,
    ],
    [
      'conntrack of the host',
      'conntrack',
      { connections: '300k', isolation: 'host' },
      hostFacts({ overrides: { conntrack: { count: 100, maximum: 262_144 } } }),
      235_829,
      235_829,
    ],
    [
      'port range of one port',
      'portRange',
      { connections: '10k', ports: 1, tuning: 'none' },
      hostFacts({ sysctls: { 'net.ipv4.ip_local_port_range': '60000 60019' } }),
      5_000,
      5_000,
    ],
    [
      'processes of a user',
      'pids',
      { connections: 'max' },
      hostFacts({
        overrides: { user: { id: 1000, name: 'u' }, nofile: { soft: 1_024, hard: 1_024, raisable: 1_024 }, tasks: { maximum: 100, current: 20 } },
      }),
      896,
      896,
    ],
    [
      'control group',
      'cgroupMemory',
      { connections: '50k' },
      hostFacts({ overrides: { cgroup: { memoryMaximumBytes: 200e6, memoryCurrentBytes: 20e6, pidsMaximum: null, pidsCurrent: null } } }),
      15_791,
      15_791,
    ],
    [
      'control group, half of whose pages are of files',
      'cgroupMemory',
      { connections: '50k' },
      hostFacts({
        overrides: { cgroup: { memoryMaximumBytes: 200e6, memoryCurrentBytes: 40e6, memoryFileBytes: 20e6, pidsMaximum: null, pidsCurrent: null } },
      }),
      15_791,
      15_791,
    ],
    ['a small accept queue', 'acceptQueue', { connections: '50k', ports: 2, tuning: 'none' }, hostFacts({ sysctls: { 'net.core.somaxconn': '16' } }), 34, 34],
    [
      'a privileged port without the right',
      'missingCapability',
      { connections: 10, firstPort: 80, isolation: 'host' },
      hostFacts({ overrides: { user: { id: 1000, name: 'u' }, privilege: 'none' } }),
      0,
      0,
    ],
    [
      'keys that cannot be written',
      'readOnlySysctl',
      { connections: '50k' },
      hostFacts({ sysctls: { 'fs.file-max': '40000' }, readOnlyKeys: ['fs.file-max'] }),
      18_750,
      18_750,
    ],
  ];
  for (const [name, id, input, facts, at, after] of walls) {
    it(`knows the wall beforehand: ${name}`, () => {
      const made = plan(input, facts);
      assertSound(made);
      const wall = wallOf(made, id);
      assert.deepEqual([wall?.at, wall?.atAfterTuning], [at, after]);
      assert.ok(wall!.evidence.length > 0 && wall!.remedy.length > 0);
    });
  }
});

describe('planDistributed', () => {
  const server = hostFacts({ overrides: { addresses: ['192.168.7.1', '10.0.0.1'] } });
  const client = (name: string, address: string) => ({ name, address, facts: hostFacts() });

  it('divides the connections over the client hosts and every port over both', () => {
    const made = planDistributed(specFromInput({ connections: '30k', host: 's' }), server, [client('a', '10.0.0.2'), client('b', '10.0.0.3')]);
    assert.deepEqual([made.server.connections, ...made.clients.map((part) => part.connections)], [30_000, 15_000, 15_000]);
    assert.ok(made.server.serverWorkers.every((worker) => worker.address === '10.0.0.1' && worker.allowedSources.join() === '10.0.0.2,10.0.0.3'));
    assert.deepEqual([made.server.clientWorkers, made.clients.map((part) => part.serverWorkers)], [[], [[], []]]);
    for (const { port, connections } of made.server.serverWorkers.flatMap((worker) => worker.ports)) {
      const arriving = made.clients.flatMap(targetsOf).filter((target) => target.port === port);
      assert.equal(
        arriving.reduce((sum, target) => sum + target.connections, 0),
        connections,
      );
    }
  });

  it('gives a weak client host less', () => {
    const weak = {
      name: 'b',
      address: '10.0.0.3',
      facts: limitedFacts({ overrides: { memory: { totalBytes: 1 * gibibyte, availableBytes: 0.6 * gibibyte } } }),
    };
    const made = planDistributed(specFromInput({ connections: '300k', host: 's' }), server, [client('a', '10.0.0.2'), weak]);
    const [strong, less] = made.clients.map((part) => part.connections);
    assert.equal(strong! + less!, 300_000);
    assert.ok(less! < 25_000, `${less!}`);
  });

  it('refuses a server that has no address', () => {
    assert.throws(() => planDistributed(specFromInput({ connections: 10, host: 's' }), hostFacts(), [client('a', '10.0.0.2')]), HumanError);
  });
});

describe('a client without sockets', () => {
  const stateless = (input: SpecInput, facts = hostFacts()) => plan({ client: 'stateless', ...input }, facts);

  it('holds about twice as many, of server ends only', () => {
    const [with_, without] = [plan({ connections: 'max' }, limitedFacts()), stateless({ connections: 'max' }, limitedFacts())];
    const ratio = without.largestFit.afterTuning / with_.largestFit.afterTuning;
    assert.ok(ratio > 1.9 && ratio < 2.1, `${ratio}`);
    assert.equal(without.clientWorkers.length, 1, 'one client for two cores');
    assert.equal(wallOf(without, 'epollWatches')?.at, 5_491_511, 'one watch a connection');
  });

  it('ten million need about 41.5 GB and a key', () => {
    const made = stateless({ connections: '10M' }, hostFacts({ overrides: { memory: { totalBytes: 64 * gibibyte, availableBytes: 62 * gibibyte } } }));
    assert.equal(made.connections, 10_000_000);
    assert.ok(Math.abs(made.predicted.totalBytes / 41.9e9 - 1) < 0.02, `${made.predicted.totalBytes}`);
    assert.ok(made.sysctls.some(({ key }) => key === 'fs.epoll.max_user_watches'));
  });

  it('gives each client every port, all addresses in ranges for benchmarks', () => {
    const made = stateless({ connections: '100k', protocol: 'both' }, limitedFacts({ overrides: { cores: 8 } }));
    assert.equal(made.clientWorkers.length, 4);
    assert.equal(new Set(made.clientWorkers.map(({ stateless }) => stateless?.device)).size, 4);
    for (const worker of made.serverWorkers) assert.equal(worker.address, '198.18.0.1');
    const total = made.clientWorkers.reduce((sum, { connections }) => sum + connections, 0);
    assert.equal(total, made.connections);
  });

  it('cannot begin without a device or a namespace, and says so', () => {
    for (const overrides of [
      { tun: { available: false, reason: '/dev/net/tun cannot be opened (ENOENT)' } },
      { namespace: { kind: 'none' as const, reason: 'unshare: Operation not permitted' } },
    ]) {
      const made = stateless({ connections: '10k' }, hostFacts({ overrides }));
      assert.equal(made.connections, 0);
      assert.match(wallOf(made, 'tunDevice')?.evidence ?? '', /ENOENT|not permitted/);
    }
  });

  it('is proposed where the target fits only so', () => {
    const facts = limitedFacts({ overrides: { tun: { available: true } } });
    const proposal = (made: Plan) => made.notes.find((note) => note.includes('--client stateless'));
    assert.equal(proposal(plan({ connections: '1M' }, facts)), undefined);
    assert.match(proposal(plan({ connections: '4M' }, facts)) ?? '', /all of them fit/);
    assert.match(proposal(plan({ connections: '10M' }, facts)) ?? '', /4,\d{3},\d{3} fit/);
    assert.equal(proposal(plan({ connections: '4M' }, limitedFacts())), undefined, 'not where it was not tried');
    assert.equal(proposal(plan({ connections: '4M', isolation: 'host' }, facts)), undefined);
  });

  const refused: [string, SpecInput][] = [
    ['in the namespace of the host', { isolation: 'host' }],
    ['on other hosts', { clientHosts: ['web2'] }],
    ['with large messages', { traffic: { every: '1s', bytes: 20_000 } }],
  ];
  for (const [name, input] of refused) it(`is refused ${name}`, () => assert.throws(() => stateless({ connections: 10, ...input }), HumanError));
});
