import * as v from 'valibot';

const bytes = v.pipe(v.number(), v.minValue(0));
const nullableNumber = v.nullable(v.number());

export const sysctlFactSchema = v.object({
  /** The text of the file without its last line feed; null where it is absent or cannot be read. */
  value: v.nullable(v.string()),
  access: v.picklist(['writable', 'readOnly', 'absent']),
});

/** A server that listens on a host, as `c10m host servers` shows it and `--attach` finds it. */
export const listeningServerSchema = v.object({
  /** Of the process whose descendants the others are. */
  pid: v.number(),
  name: v.string(),
  /** All its processes that hold one of the listening sockets. */
  pids: v.array(v.number()),
  /** Of systemd, such as `redis-server.service`. */
  unit: v.optional(v.string()),
  /** What its control group says of a container: name or id. */
  container: v.optional(v.string()),
  endpoints: v.array(v.object({ address: v.string(), port: v.number() })),
  /** Its limit of open files (`/proc/PID/limits`); 0 where it cannot be read. */
  nofile: v.number(),
  /** It lives in another network namespace than ours. */
  otherNamespace: v.boolean(),
});
export type ListeningServer = v.InferOutput<typeof listeningServerSchema>;

/**
 * What the probe found on a host. Read inside the network namespace in which the run would live, so the keys under `net.`
 * are those that hold for the run. Memory in bytes.
 */
export const hostFactsSchema = v.object({
  hostname: v.string(),
  kernel: v.string(),
  architecture: v.string(),
  libc: v.picklist(['glibc', 'musl', 'unknown']),
  distribution: v.string(),
  /** Identifies this boot (`/proc/sys/kernel/random/boot_id`). */
  bootId: v.string(),
  nodeVersion: v.string(),
  /** Servers that listen outside of the run's namespace; absent where nobody looked. */
  servers: v.optional(v.array(listeningServerSchema)),
  cores: v.pipe(v.number(), v.integer(), v.minValue(1)),
  memory: v.object({ totalBytes: bytes, availableBytes: bytes }),
  /** Bytes of a page of memory. Runs of older versions were made where it is 4,096. */
  pageBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 4_096),
  /** The cgroup limits that hold for our processes; null where there is none. */
  cgroup: v.object({
    memoryMaximumBytes: nullableNumber,
    memoryCurrentBytes: nullableNumber,
    /** Pages of files among them. */
    memoryFileBytes: v.optional(nullableNumber),
    pidsMaximum: nullableNumber,
    pidsCurrent: nullableNumber,
  }),
  user: v.object({ id: v.number(), name: v.string() }),
  /** Processes and threads that this user has, and may have (`ulimit -u`); absent where that is no limit for it. */
  tasks: v.optional(v.object({ maximum: v.number(), current: v.number() })),
  /** How the agent got its rights. */
  privilege: v.picklist(['root', 'sudo', 'none']),
  capabilities: v.object({ sysResource: v.boolean(), netAdmin: v.boolean(), sysAdmin: v.boolean() }),
  /** `hard` is the limit found, `raisable` the largest hard limit that could really be set (tried, not assumed). */
  nofile: v.object({ soft: v.number(), hard: v.number(), raisable: v.number() }),
  /** `/proc/sys/fs/file-nr`: file structures in use on the whole host; null where it cannot be read. */
  filesInUse: nullableNumber,
  /** Isolation that can be had: own network namespace as root, through a user namespace, or none (with the reason). */
  namespace: v.object({ kind: v.picklist(['netns', 'userns', 'none']), reason: v.optional(v.string()) }),
  slabReadable: v.boolean(),
  /** Whether a TUN device can be made in the namespace of the run (tried); absent where it was not asked. */
  tun: v.optional(v.object({ available: v.boolean(), reason: v.optional(v.string()) })),
  /**
   * OpenSSL as the workers find it (null: this Node exports none, `missing` says what), and how long this machine takes for the arithmetic of one
   * handshake. Absent: an older agent.
   */
  tls: v.optional(v.object({ openSsl: v.nullable(v.string()), missing: v.array(v.string()), arithmeticMicroseconds: v.number() })),
  conntrack: v.nullable(v.object({ count: v.number(), maximum: v.number() })),
  sysctls: v.record(v.string(), sysctlFactSchema),
  /** TCP ports that something listens on in the namespace of the run (all of them when the isolation is `host`). */
  listeningPorts: v.array(v.number()),
  /** Addresses of this host (without 127/8), for runs over several hosts. */
  addresses: v.optional(v.array(v.string()), []),
  /** TCP sockets of the whole host before the run (`sockstat` alloc), to notice foreign ones; null where it cannot be read. */
  tcpSocketsAllocated: nullableNumber,
  /** One-minute load average. */
  loadAverage: v.number(),
});
export type HostFacts = v.InferOutput<typeof hostFactsSchema>;
export type SysctlFact = v.InferOutput<typeof sysctlFactSchema>;
