import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  kernelStackBytesPerThread,
  parseCpuTicks,
  parseMeminfo,
  parseNetstat,
  parsePageSize,
  parsePerCpuPages,
  parseProcessMemory,
  parseSlabinfo,
  parseSockstat,
  readCgroupLimits,
  readProcessMemory,
  slabAliases,
} from '../../src/linux/procfs.js';
import { countTasks, findMemoryDaemons, killerText } from '../../src/linux/tasks.js';
import { canAct, identityOf, isAlive, parseProcessStat, signalProcess, waitForEnd } from '../../src/linux/process.js';

test('meminfo in bytes', () => {
  assert.deepEqual(parseMeminfo('MemTotal:       24684092 kB\nHugePages_Total:       3\nActive(anon):   12 kB\n'), {
    MemTotal: 24684092 * 1024,
    HugePages_Total: 3,
    'Active(anon)': 12 * 1024,
  });
});

test('slabinfo of kernel 6.18', () => {
  const text = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCP                  402    416   2432   13    8 : tunables    0    0    0 : slabdata     32     32      0
kmalloc-rcl-8k         0      0   8192    4    8 : tunables    0    0    0 : slabdata      0      0      0
`;
  assert.deepEqual(parseSlabinfo(text), {
    TCP: { activeObjects: 402, totalObjects: 416, objectBytes: 2432, objectsPerSlab: 13, pagesPerSlab: 8 },
    'kmalloc-rcl-8k': { activeObjects: 0, totalObjects: 0, objectBytes: 8192, objectsPerSlab: 4, pagesPerSlab: 8 },
  });
});

test('zoneinfo: only the counts of the page sets', () => {
  const text = `Node 0, zone    Normal
  pages free     100
  pagesets
    cpu: 0
              count:    120
              high:     1000
    cpu: 1
              count:    30
`;
  assert.equal(parsePerCpuPages(text), 150);
});

test('sockstat with IPv6', () => {
  const text = 'sockets: used 500\nTCP: inuse 401 orphan 2 tw 7 alloc 402 mem 149\nUDP: inuse 3 mem 0\n';
  assert.deepEqual(parseSockstat(text, 'TCP6: inuse 9\nUDP6: inuse 1\n'), { inUse: 410, orphan: 2, timeWait: 7, allocated: 402, memoryPages: 149 });
  assert.equal(parseSockstat(''), null, 'what cannot be read is unknown, not zero');
  assert.equal(parseSockstat('sockets: used 500\nUDP: inuse 3 mem 0\n'), null);
});

test('netstat: names above values', () => {
  assert.deepEqual(parseNetstat('TcpExt: ListenOverflows ListenDrops\nTcpExt: 3 4\nIpExt: InOctets\nIpExt: 12\n'), {
    'TcpExt.ListenOverflows': 3,
    'TcpExt.ListenDrops': 4,
    'IpExt.InOctets': 12,
  });
});

test('CPU ticks: idle and waiting are not busy, guests are not counted twice', () => {
  assert.deepEqual(parseCpuTicks('cpu  10 1 5 100 20 1 2 3 9 9\ncpu0 1 1 1 1\n'), { total: 142, busy: 22 });
});

test('the stat of a process whose name holds brackets and spaces', () => {
  const rest = 'S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 20';
  assert.deepEqual(parseProcessStat(`77 (a) b (c) ${rest}`), { state: 'S', parent: 1, group: 42, threads: 1, startTime: 123456 });
  assert.equal(parseProcessStat(''), undefined);
});

test('a process whose first thread has ended lives until its last one has', { skip: process.platform !== 'linux' }, async (t) => {
  // As a killed worker with a million sockets: whichever thread ends last closes them.
  const program = `import ctypes, sys, threading; threading.Thread(target=sys.stdin.read).start(); print('on', flush=True); ctypes.CDLL(None).pthread_exit(None)`;
  const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const identity = identityOf(child.pid!);
  const isLeaderGone = () => readFileSync(`/proc/${child.pid}/stat`, 'latin1').includes(') Z ');
  for (let tries = 0; tries < 200 && !isLeaderGone(); tries++) await delay(10);
  assert.ok(isLeaderGone());
  assert.ok(identity !== undefined && isAlive(identity) && canAct(identity));
  assert.deepEqual(await waitForEnd([identity], 50), [identity]);
  assert.ok(signalProcess(identity, 'SIGKILL'));
  assert.deepEqual(await waitForEnd([identity], 5_000), []);
});

test('a pid that was given away is not the same process', () => {
  const own = identityOf(process.pid);
  assert.ok(own !== undefined && isAlive(own));
  assert.equal(isAlive({ pid: own.pid, startTime: own.startTime + 1 }), false);
});

test('cgroup limits: the tightest on the way to the root, v1 and v2', () => {
  const reader = (files: Record<string, string>) => (path: string) => files[path];
  const table: [string, Record<string, string>, ReturnType<typeof readCgroupLimits>][] = [
    [
      'v2, the limit stands above our own group',
      {
        '/proc/self/cgroup': '0::/a/b\n',
        '/sys/fs/cgroup/a/b/memory.max': 'max\n',
        '/sys/fs/cgroup/a/memory.max': '1000\n',
        '/sys/fs/cgroup/a/memory.current': '600\n',
        '/sys/fs/cgroup/a/memory.stat': 'anon 300\nfile 250\ninactive_file 150\nactive_file 100\n',
        '/sys/fs/cgroup/a/b/pids.max': '50\n',
        '/sys/fs/cgroup/a/b/pids.current': '5\n',
      },
      { memoryMaximumBytes: 1000, memoryCurrentBytes: 600, memoryFileBytes: 250, pidsMaximum: 50, pidsCurrent: 5 },
    ],
    [
      'v1, and no limit is a huge number',
      {
        '/proc/self/cgroup': '5:pids:/\n4:memory:/x\n0::/\n',
        '/sys/fs/cgroup/memory/x/memory.limit_in_bytes': '2000\n',
        '/sys/fs/cgroup/memory/x/memory.usage_in_bytes': '100\n',
        '/sys/fs/cgroup/memory/x/memory.stat': 'inactive_file 1\nactive_file 2\ntotal_inactive_file 30\ntotal_active_file 20\n',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
        '/sys/fs/cgroup/pids/pids.max': 'max\n',
      },
      { memoryMaximumBytes: 2000, memoryCurrentBytes: 100, memoryFileBytes: 50, pidsMaximum: null, pidsCurrent: null },
    ],
    [
      'v1, mounted elsewhere',
      {
        '/proc/self/cgroup': '4:memory:/x\n',
        '/proc/self/mountinfo': '35 31 0:32 / /mnt/memory rw,relatime - cgroup cgroup rw,memory\n',
        '/mnt/memory/x/memory.limit_in_bytes': '3000\n',
      },
      { memoryMaximumBytes: 3000, memoryCurrentBytes: null, memoryFileBytes: null, pidsMaximum: null, pidsCurrent: null },
    ],
    [
      'the group with the least room, not the one with the lowest limit',
      {
        '/proc/self/cgroup': '0::/a/b\n',
        '/sys/fs/cgroup/a/b/memory.max': '1000\n',
        '/sys/fs/cgroup/a/b/memory.current': '100\n',
        '/sys/fs/cgroup/a/memory.max': '5000\n',
        '/sys/fs/cgroup/a/memory.current': '4900\n',
        '/sys/fs/cgroup/a/b/pids.max': '40\n',
        '/sys/fs/cgroup/a/b/pids.current': '39\n',
        '/sys/fs/cgroup/a/pids.max': '30\n',
        '/sys/fs/cgroup/a/pids.current': '5\n',
      },
      { memoryMaximumBytes: 5000, memoryCurrentBytes: 4900, memoryFileBytes: null, pidsMaximum: 40, pidsCurrent: 39 },
    ],
    ['none', {}, { memoryMaximumBytes: null, memoryCurrentBytes: null, memoryFileBytes: null, pidsMaximum: null, pidsCurrent: null }],
  ];
  for (const [name, files, expected] of table) assert.deepEqual(readCgroupLimits(reader(files)), expected, name);
});

test('tasks of a user, and who kills for want of memory', () => {
  const files: Record<string, string> = {
    '/proc/7/status': 'Name:\tnode\nUid:\t1000\t0\t0\t0\nThreads:\t11\n',
    '/proc/8/status': 'Name:\tsh\nUid:\t1000\t1000\t1000\t1000\nThreads:\t1\n',
    '/proc/9/status': 'Name:\tx\nUid:\t10\t1000\t1000\t1000\nThreads:\t5\n',
    '/proc/9/comm': 'earlyoom\n',
    '/proc/8/comm': 'not-earlyoom\n',
  };
  const list = () => ['7', '8', '9', '10', 'self', 'net'];
  assert.equal(
    countTasks(1000, list, (path) => files[path]),
    12,
  );
  assert.deepEqual(
    findMemoryDaemons(list, (path) => files[path]),
    ['earlyoom'],
  );
  assert.deepEqual(
    [killerText(true, []), killerText(false, []), /earlyoom runs on this host/.test(killerText(false, ['earlyoom']))],
    [', killed by the kernel for want of memory', '', true],
  );
});

test('memory of a process: what nobody shares, what it has mapped, and what is not shown is unknown', () => {
  const rollup = 'Rss:  60000 kB\nPss:  20000 kB\nPss_Anon:  9000 kB\nShared_Clean: 40000 kB\nAnonymous:  10000 kB\n';
  const status = 'Name:\tnode\nVmPTE:\t     500 kB\nThreads:\t11\nFDSize:\t64\n';
  const whole = parseProcessMemory(rollup, status, '/usr/bin/node');
  const kilobyte = 1024;
  assert.deepEqual(whole, {
    privateBytes: 9_000 * kilobyte,
    mappedFileBytes: 50_000 * kilobyte,
    program: '/usr/bin/node',
    threads: 11,
    descriptorSlots: 64,
    pageTableBytes: 500 * kilobyte,
  });
  // Linux 4.18 does not split the proportional share.
  assert.equal(parseProcessMemory(rollup.replace(/Pss_Anon.*\n/, ''), status, 'node').privateBytes, 10_000 * kilobyte);
  assert.deepEqual(parseProcessMemory('', '', 'x'), {
    privateBytes: null,
    mappedFileBytes: null,
    program: 'x',
    threads: null,
    descriptorSlots: null,
    pageTableBytes: null,
  });
});

test('a process that is gone is gone; our own can be read', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
  assert.equal(readProcessMemory(4_194_305), undefined);
  assert.ok((readProcessMemory(process.pid)?.privateBytes ?? 0) > 1_000_000);
});

test('the page size from the auxiliary vector', () => {
  const entry = (key: number, value: number) => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(BigInt(key));
    bytes.writeBigUInt64LE(BigInt(value), 8);
    return bytes;
  };
  assert.equal(parsePageSize(Buffer.concat([entry(16, 0xbfeb), entry(6, 65_536), entry(0, 0)])), 65_536);
  assert.equal(parsePageSize(Buffer.alloc(16)), undefined);
});

test('stacks of the kernel by thread; unknown without their sum or their number', () => {
  assert.equal(kernelStackBytesPerThread({ KernelStack: 16_384 * 200 }, '0.10 0.20 0.30 2/200 4711\n'), 16_384);
  assert.deepEqual([kernelStackBytesPerThread({}, '0 0 0 1/2 3'), kernelStackBytesPerThread({ KernelStack: 1 }, '')], [null, null]);
});

test('caches that the kernel merged are found by the links of /sys/kernel/slab', () => {
  const links: Record<string, string> = {
    eventpoll_pwq: ':A-0000064',
    anon_vma_chain: ':A-0000064',
    eventpoll_epi: ':A-0000128',
    tcp_bind_bucket: ':A-0000128',
  };
  const found = slabAliases(
    ['TCP', 'eventpoll_epi', 'eventpoll_pwq', 'tcp_bind_bucket', 'ep_head'],
    ['TCP', 'anon_vma_chain', 'eventpoll_epi'],
    (name) => links[name],
  );
  assert.deepEqual(found, { eventpoll_pwq: 'anon_vma_chain', tcp_bind_bucket: 'eventpoll_epi' });
});
