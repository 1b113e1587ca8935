import type { HostFacts } from '../../../src/protocol/facts.js';

const gibibyte = 1024 ** 3;

/** Keys as a fresh namespace of Debian 12 on kernel 6.18 has them. */
const sysctlValues: Record<string, string> = {
  'fs.nr_open': '1048576',
  'fs.file-max': '9223372036854775807',
  'fs.epoll.max_user_watches': '5491511',
  'net.ipv4.ip_local_port_range': '32768\t60999',
  'net.ipv4.ip_local_reserved_ports': '',
  'net.core.somaxconn': '4096',
  'net.ipv4.tcp_max_syn_backlog': '1024',
  'net.ipv4.tcp_max_orphans': '131072',
  'net.ipv4.tcp_mem': '287901\t383868\t575802',
  'net.ipv4.ip_unprivileged_port_start': '1024',
  'kernel.pid_max': '4194304',
  'kernel.threads-max': '190000',
};

export interface FactsOptions {
  sysctls?: Record<string, string>;
  access?: 'writable' | 'readOnly';
  /** Keys that cannot be written although the others can. */
  readOnlyKeys?: string[];
  overrides?: Partial<HostFacts>;
}

/** A quiet root host of 24 GiB and 2 cores whose limits can all be raised. */
export function hostFacts({ sysctls = {}, access = 'writable', readOnlyKeys = [], overrides = {} }: FactsOptions = {}): HostFacts {
  const values = { ...sysctlValues, ...sysctls };
  return {
    hostname: 'lab',
    kernel: '6.18.44',
    architecture: 'x86_64',
    libc: 'glibc',
    distribution: 'Debian GNU/Linux 12 (bookworm)',
    bootId: '00000000-0000-0000-0000-000000000000',
    nodeVersion: '20.20.2',
    cores: 2,
    memory: { totalBytes: 23.5 * gibibyte, availableBytes: 22.5 * gibibyte },
    pageBytes: 4_096,
    cgroup: { memoryMaximumBytes: null, memoryCurrentBytes: null, pidsMaximum: null, pidsCurrent: null },
    user: { id: 0, name: 'root' },
    privilege: 'root',
    capabilities: { sysResource: true, netAdmin: true, sysAdmin: true },
    nofile: { soft: 1_024, hard: 524_288, raisable: 1_048_576 },
    filesInUse: 1_500,
    namespace: { kind: 'netns' },
    slabReadable: true,
    conntrack: null,
    sysctls: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value, access: readOnlyKeys.includes(key) ? 'readOnly' : access }])),
    listeningPorts: [],
    addresses: [],
    tcpSocketsAllocated: 40,
    loadAverage: 0.2,
    ...overrides,
  };
}

/** Root without CAP_SYS_RESOURCE and with 20,000 open files: the machine of facts/measured.md. */
export function limitedFacts(options: FactsOptions = {}): HostFacts {
  return hostFacts({
    ...options,
    overrides: {
      capabilities: { sysResource: false, netAdmin: true, sysAdmin: true },
      nofile: { soft: 20_000, hard: 20_000, raisable: 20_000 },
      ...options.overrides,
    },
  });
}
