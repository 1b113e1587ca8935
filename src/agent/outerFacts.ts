import * as v from 'valibot';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { userInfo } from 'node:os';
import { readProcessLimit } from '../linux/hostCalls.js';
import { readCapabilities } from '../linux/procfs.js';
import { sysctlDefinitions } from '../core/plan/sysctls.js';
import { findListeningServers } from '../linux/listeningServers.js';
import { unshareCommand } from '../linux/netns.js';
import { countTasks } from '../linux/tasks.js';
import { SysctlFiles } from '../linux/sysctlFiles.js';
import { listeningServerSchema } from '../protocol/facts.js';

/**
 * What can only be known outside the run's namespaces: inside a user namespace everyone is root with all capabilities.
 */
export const outerFactsSchema = v.object({
  user: v.object({ id: v.number(), name: v.string() }),
  privilege: v.picklist(['root', 'sudo', 'none']),
  capabilities: v.object({ sysResource: v.boolean(), netAdmin: v.boolean(), sysAdmin: v.boolean() }),
  namespace: v.object({ kind: v.picklist(['netns', 'userns', 'none']), reason: v.optional(v.string()) }),
  /** Keys of the whole machine that a network namespace does not show although they bind it (tcp_mem, tcp_max_orphans). */
  sysctls: v.optional(v.record(v.string(), v.string()), {}),
  /** Processes and threads of this user, where it may not have as many as it likes. */
  tasks: v.optional(v.object({ maximum: v.number(), current: v.number() })),
  /** Servers that listen on this host; only where they were asked for. */
  servers: v.optional(v.array(listeningServerSchema)),
});
export type OuterFacts = v.InferOutput<typeof outerFactsSchema>;

const capabilityNetAdmin = 12n;
const capabilitySysAdmin = 21n;
const capabilitySysResource = 24n;

/** An `unshare` that does not answer is no isolation. It takes about 0.1 s, and a host that swaps is slow. */
const unshareTimeoutMs = 10_000;

/** `agentPath`: for trying to live in a namespace. `withServers`: those that listen are looked for. */
export function collectOuterFacts(agentPath: string, withServers = false, sysctls = new SysctlFiles()): OuterFacts {
  const id = process.getuid?.() ?? 0;
  const capabilities = readCapabilities('self');
  const has = (bit: bigint) => (capabilities & (1n << bit)) !== 0n;
  return {
    user: { id, name: userName(id) },
    privilege: id !== 0 ? 'none' : process.env.SUDO_UID === undefined ? 'root' : 'sudo',
    capabilities: { sysResource: has(capabilitySysResource), netAdmin: has(capabilityNetAdmin), sysAdmin: has(capabilitySysAdmin) },
    namespace: findNamespaceKind(has(capabilitySysAdmin), agentPath),
    ...readTasks(id, has(capabilitySysResource) || has(capabilitySysAdmin)),
    sysctls: readHiddenKeys(sysctls),
    ...(withServers ? { servers: findListeningServers() } : {}),
  };
}

/** The kernel does not hold root, and who has one of two capabilities, to the limit. */
function readTasks(userId: number, isExempt: boolean): Pick<OuterFacts, 'tasks'> {
  const maximum = userId === 0 || isExempt ? undefined : readProcessLimit();
  return maximum === undefined ? {} : { tasks: { maximum, current: countTasks(userId) } };
}

function readHiddenKeys(sysctls: SysctlFiles): Record<string, string> {
  const keys = sysctlDefinitions.filter(({ key, scope }) => scope === 'global' && key.startsWith('net.')).map(({ key }) => key);
  return Object.fromEntries(keys.flatMap((key) => [[key, sysctls.read(key)] as const]).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function userName(id: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(id);
  }
}

/**
 * Tries which isolation can be had by doing what a run does: policies (AppArmor, sysctls, seccomp) cannot be read off in one place, and
 * some let a namespace be made and then refuse every step in it.
 */
function findNamespaceKind(isAdministrator: boolean, agentPath: string): OuterFacts['namespace'] {
  const reasons: string[] = [];
  for (const kind of isAdministrator ? (['netns', 'userns'] as const) : (['userns'] as const)) {
    const { command, args } = unshareCommand(kind);
    const result = spawnSync(command, [...args, process.execPath, agentPath, 'loopback'], {
      timeout: unshareTimeoutMs,
      killSignal: 'SIGKILL',
      encoding: 'utf8',
    });
    if (result.status === 0) return { kind };
    reasons.push(`${[command, ...args.slice(0, -1)].join(' ')}: ${reasonOf(result)}`);
  }
  return { kind: 'none', reason: reasons.join('; ') };
}

function reasonOf({ error, stderr, signal, status }: SpawnSyncReturns<string>): string {
  if (error !== undefined) return (error as NodeJS.ErrnoException).code === 'ETIMEDOUT' ? `no answer within ${unshareTimeoutMs / 1_000} s` : error.message;
  const said = stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
  return said === '' ? `it ended with ${signal ?? `code ${status ?? 'unknown'}`}` : said;
}
