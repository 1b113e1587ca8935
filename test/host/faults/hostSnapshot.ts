import type { TestHost } from '../support/host.js';

/** Keys whose values move by themselves. */
const volatileKeys =
  /file-nr|dentry-state|inode-(nr|state)|random\/|nf_conntrack_count|ns_last_pid|pty\/nr|tcp_available_ulp|aio-nr|route\/(gc|mtu)|kernel\/(cap_last_cap|core_pattern)|nr_inodes|\/keys\/|loadavg|stat_refresh|numa_stat|sched_domain|oops_count|warn_count|hung_task_detect/;

/**
 * A shell script that prints the pids of our programs whose arguments after `agent.cjs` or `worker.cjs` fit. Without ps, which a
 * small Debian does not have.
 */
export function pidsOf(program: 'agent' | 'worker' | 'any', argument = ''): string {
  const file = program === 'any' ? '(agent|worker)' : program;
  return `for d in /proc/[0-9]*; do tr '\\0' ' ' < $d/cmdline 2>/dev/null | grep -qE '^[^ ]*node [^ ]*/${file}\\.cjs ?${argument}' && echo \${d#/proc/}; done`;
}

/** What a run may not change for good. */
export interface HostSnapshot {
  sysctls: Record<string, string>;
  processes: string[];
  networkNamespaces: number;
  files: string[];
  addresses: string;
}

/** Everything of the host that a run could leave behind, read inside it and without the agent. */
export async function snapshotOf(host: TestHost): Promise<HostSnapshot> {
  const script = [
    `echo '#sysctls'`,
    `find /proc/sys/fs /proc/sys/net /proc/sys/kernel /proc/sys/vm -type f -readable ! -name stat_refresh -print0 2>/dev/null | xargs -0 grep -asH '' | sort`,
    `echo '#processes'`,
    `for p in $(${pidsOf('any')}); do tr '\\0' ' ' < /proc/$p/cmdline; echo; done`,
    `echo '#namespaces'`,
    `for p in /proc/[0-9]*; do readlink $p/ns/net 2>/dev/null; done | sort -u`,
    `echo '#files'`,
    `find /tmp /run /var/tmp /home -xdev \\( -name '*c10m*' -o -path '*c10m*/runs/*' \\) 2>/dev/null | sort`,
    `echo '#addresses'`,
    `ip -o addr | awk '{print $2, $3, $4}'; ip route`,
  ];
  const { stdout } = await host.exec(script.join('\n'));
  const sections: Record<string, string[]> = {};
  let current: string[] = [];
  for (const line of stdout.split('\n')) {
    if (/^#[a-z]+$/.test(line)) current = sections[line.slice(1)] = [];
    else if (line !== '') current.push(line);
  }
  const sysctls: Record<string, string> = {};
  for (const line of sections.sysctls ?? []) {
    const at = line.indexOf(':');
    const key = line.slice('/proc/sys/'.length, at);
    if (!volatileKeys.test(key)) sysctls[key] = line.slice(at + 1).trim();
  }
  return {
    sysctls,
    processes: sections.processes ?? [],
    networkNamespaces: sections.namespaces?.length ?? 0,
    files: sections.files ?? [],
    addresses: (sections.addresses ?? []).join('\n'),
  };
}

/** What differs, in words; empty when the host is as it was. `allowed`: keys that somebody else changed on purpose. */
export function leftoversBetween(before: HostSnapshot, after: HostSnapshot, allowed: readonly string[] = []): string[] {
  const left: string[] = [];
  for (const key of new Set([...Object.keys(before.sysctls), ...Object.keys(after.sysctls)])) {
    if (!allowed.includes(key) && before.sysctls[key] !== after.sysctls[key])
      left.push(`${key}: ${before.sysctls[key] ?? 'absent'} → ${after.sysctls[key] ?? 'absent'}`);
  }
  for (const process of after.processes) left.push(`process: ${process}`);
  if (after.networkNamespaces !== before.networkNamespaces) left.push(`network namespaces: ${before.networkNamespaces} → ${after.networkNamespaces}`);
  for (const file of after.files) if (!before.files.includes(file)) left.push(`file: ${file}`);
  if (after.addresses !== before.addresses) left.push(`addresses: ${after.addresses}`);
  return left;
}
